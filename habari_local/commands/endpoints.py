"""`habari-local endpoints` and `open`: the platform's addresses, as JSON and in the browser."""

from __future__ import annotations

from habari_local.commands.options import AsJson, ContextName, ModeName, Namespace, cluster, link
from habari_local.core.console import Result


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


def open_(mode: ModeName = None) -> Result:
    """Open Habari in the browser.

    Where there is none, the address is printed.

    Example: habari-local open
    """
    import webbrowser

    from habari_local import active_mode

    chosen, ctx = active_mode.require_running(mode)
    url = link(chosen.endpoints(ctx))
    try:
        opened = webbrowser.open(url)
    except webbrowser.Error:
        opened = False
    return Result({"url": url}, [url if opened else f"No browser here; open {url}"])
