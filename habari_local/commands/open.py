"""`habari-local open`: the platform in the browser."""

from __future__ import annotations

from habari_local.commands.options import ModeName, link
from habari_local.core.console import Result


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
