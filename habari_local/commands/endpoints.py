"""`habari-local endpoints` and `open`: the platform's addresses, as JSON and in the browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from habari_local.commands.options import AsJson, ContextName, ModeName, Namespace, cluster, link
from habari_local.core.console import Result
from habari_local.core.errors import USAGE, HabariError

if TYPE_CHECKING:
    from habari_local.platform.mode import Context, Mode

Dashboard = Annotated[
    bool,
    typer.Option(
        "--dashboard", help="The admins' dashboard; tells it of this machine until Ctrl-C."
    ),
]


def endpoints(
    mode: ModeName = None,
    context: ContextName = None,
    namespace: Namespace = None,
    as_json: AsJson = True,  # noqa: ARG001
) -> Result:
    """Print addresses, users and keys as JSON.

    This prints secrets: don't paste it anywhere.

    Example: habari-local endpoints > endpoints.json
    """
    from habari_local import active_mode

    chosen, ctx = active_mode.require_running(mode, cluster(mode, context, namespace))
    return Result(chosen.endpoints(ctx).as_json(), as_json=True)


def open_(mode: ModeName = None, dashboard: Dashboard = False) -> Result:
    """Open Habari in the browser.

    Where there is none, the address is printed.

    Example: habari-local open --dashboard
    """
    from habari_local import active_mode

    chosen, ctx = active_mode.require_running(mode)
    if dashboard:
        return _dashboard(chosen, ctx)
    url = link(chosen.endpoints(ctx))
    return Result({"url": url}, [_opened(url)])


def _dashboard(mode: Mode, ctx: Context) -> Result:
    from habari_local.commands.dashboard import PATH, follow

    where = mode.endpoints(ctx)
    if not where.hub:
        raise HabariError(
            f"Mode {mode.name}: it has no hub, so no dashboard.", "habari-local status", USAGE
        )
    return Result(lines=follow(mode, ctx, lambda: _opened(f"{where.hub_url}{PATH}")))


def _opened(url: str) -> str:
    """Open an address; return it, with a word where there is no browser."""
    import webbrowser

    try:
        opened = webbrowser.open(url)
    except webbrowser.Error:
        opened = False
    return url if opened else f"No browser here; open {url}"
