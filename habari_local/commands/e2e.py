"""`habari-local e2e`: the end-to-end suite against the platform."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from habari_local.commands.options import ContextName, ModeName, Namespace, Sets, cluster, flags
from habari_local.core.console import Result
from habari_local.core.errors import MissingTool


def e2e(
    mode: ModeName = None,
    context: ContextName = None,
    namespace: Namespace = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="A skip without a listed reason is a failure.")
    ] = False,
    sets: Sets = None,
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[-- PYTEST-ARGUMENT]...")
    ] = None,
) -> Result:
    """Run the end-to-end suite, with a report.

    If the platform is down, it is brought up first and taken down afterwards.

    Example: habari-local e2e --mode process -- -k login
    """
    import importlib.util

    from habari_local import active_mode, lifecycle
    from habari_local.commands.dashboard import tell_report
    from habari_local.config.secrets import write_private
    from habari_local.core.subprocesses import run_attached
    from habari_local.platform.mode import SupportsImages

    if importlib.util.find_spec("pytest") is None:
        raise MissingTool("pytest", "to run the suite", _installer())
    there = cluster(mode, context, namespace)
    chosen, ctx = active_mode.from_settings(mode, flags(sets) | there)
    # The last run's must not pass for this one's, however far this one comes.
    for name in ("index.html", f"junit-{chosen.name}.xml"):
        (ctx.checkout.report / name).unlink(missing_ok=True)
    with lifecycle.running_platform(chosen, ctx) as ctx:
        file = ctx.checkout.of_mode(chosen.name) / "endpoints.json"
        described = chosen.endpoints(ctx).as_json()
        if isinstance(chosen, SupportsImages):  # for the report: what was tested
            described["images"] = dict(chosen.running_images(ctx))
        write_private(file, json.dumps(described))
        root = ctx.checkout.root
        command = [sys.executable, "-m", "pytest", str(root / "tests" / "e2e")]
        command += ["--endpoints", str(file), "--report", str(ctx.checkout.report)]
        command += ["--strict"] if strict else []
        try:
            code = run_attached([*command, *(arguments or ())], cwd=root, env=ctx.environ)
        finally:
            file.unlink(missing_ok=True)
        tell_report(chosen, ctx)
    return Result({"code": code}, [f"Report: {ctx.checkout.report / 'index.html'}"], code)


def _installer() -> str:
    """Return what installs the test tools beside this tool."""
    from habari_local.core.paths import find_checkout

    own = Path(".tools") / "bin" / "uv"
    program = own if (find_checkout().root / own).is_file() else "uv"
    return f"{program} sync --inexact --group dev"
