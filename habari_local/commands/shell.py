"""`habari-local shell`: where a service, or a user's server, runs."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from habari_local.commands.options import ModeName
from habari_local.commands.target import TargetName, resolve
from habari_local.core.console import Result
from habari_local.core.errors import USAGE, HabariError


def shell(
    name: TargetName,
    mode: ModeName = None,
    command: Annotated[
        list[str] | None, typer.Argument(metavar="[-- COMMAND...]", help="Instead of a shell.")
    ] = None,
) -> Result:
    """Open a shell in a service or a user's server.

    In a container where there is one; in mode process in the folder of the process, with its
    environment. That environment holds keys.

    Example: habari-local shell grace -- ls
    """
    from habari_local import active_mode
    from habari_local.core.subprocesses import run_attached
    from habari_local.platform.mode import SupportsShell

    chosen, ctx = active_mode.require_running(mode)
    if not isinstance(chosen, SupportsShell):
        raise HabariError(
            f"Mode {chosen.name}: use kubectl for a shell in an existing cluster.",
            "kubectl exec -it deployment/hub --context CONTEXT --namespace NAMESPACE -- bash",
            USAGE,
        )
    (target,) = resolve(chosen, ctx, [name], "habari-local shell {name}")
    service, user = target.service, target.user
    if user and not chosen.endpoints(ctx).hub:  # the one server is a service there
        service, user = "notebook", ""
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    program = chosen.shell(ctx, service, user, command or (), terminal=terminal)
    code = run_attached(program.argv, cwd=program.folder, env=program.environ)
    return Result(lines=iter(()), code=code)
