"""`habari-local logs`: what the services wrote."""

from __future__ import annotations

from typing import Annotated

import typer

from habari_local.commands.options import ContextName, ModeName, Namespace, cluster
from habari_local.console import Result
from habari_local.errors import USAGE, HabariError, NotRunning, nearest


def logs(
    services: Annotated[list[str] | None, typer.Argument(metavar="[SERVICE]...")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="Last lines of each.")] = 50,
    mode: ModeName = None,
    context: ContextName = None,
    namespace: Namespace = None,
) -> Result:
    """Show what the services wrote.

    The last lines of all, or of those named.

    Example: habari-local logs -f hub
    """
    from habari_local import active

    chosen, ctx = active.current(mode, cluster(mode, context, namespace))
    if not ctx.secrets:  # never up: there is no log yet
        raise NotRunning(mode=mode)
    known = chosen.services(ctx)
    for name in services or ():
        if name not in known:
            meant = nearest(name, known)
            asked = f"did you mean {meant}?" if meant else f"expected one of {', '.join(known)}."
            again = f"habari-local logs {meant or known[0]}"
            raise HabariError(f"Service {name}: not known, {asked}", again, USAGE)
    return Result(lines=chosen.logs(ctx, services or (), follow=follow, lines=lines))
