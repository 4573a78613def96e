"""`habari-local shell`, `kubectl` and `helm`: programs run in the platform, at this terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from habari_local.commands.options import ModeName, TargetName, resolve
from habari_local.core.console import Result
from habari_local.core.errors import USAGE, HabariError

Arguments = Annotated[list[str] | None, typer.Argument(metavar="[-- ARGUMENT]...")]


def kubectl(mode: ModeName = None, arguments: Arguments = None) -> Result:
    """Run kubectl at the platform's cluster.

    In its namespace; your own kubeconfig is not read.

    Example: habari-local kubectl -- get pods
    """
    return _run("kubectl", mode, arguments or [])


def helm(mode: ModeName = None, arguments: Arguments = None) -> Result:
    """Run helm at the platform's cluster.

    In its namespace; your own kubeconfig is not read.

    Example: habari-local helm -- get values habari
    """
    return _run("helm", mode, arguments or [])


def _run(name: str, mode: str | None, arguments: list[str]) -> Result:
    from habari_local import active_mode
    from habari_local.core.subprocesses import run_attached
    from habari_local.images import bundled_binaries
    from habari_local.images.build import Images

    chosen, ctx = active_mode.require_running(mode)
    where = chosen.endpoints(ctx).kubernetes
    if where is None:
        raise HabariError(
            f"Mode {chosen.name} has no Kubernetes; mode kind does.",
            "habari-local down && habari-local up --mode kind",
            USAGE,
        )
    known = Images(ctx.checkout, ctx.settings, ctx.environ)
    environ = {**bundled_binaries.environment(known), "KUBECONFIG": where["kubeconfig"]}
    option = "--kube-context" if name == "helm" else "--context"
    # Before what was given: a namespace given by hand comes later and wins.
    at = [f"{option}={where['context']}", f"--namespace={where['namespace']}"]
    program = str(bundled_binaries.program(known, name))
    code = run_attached([program, *at, *arguments], cwd=Path.cwd(), env=environ)
    return Result(lines=iter(()), code=code)


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
