"""`habari-local down`: stop the platform; users' data stays unless --wipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from habari_local.commands.options import (
    AsJson,
    ContextName,
    Meant,
    ModeName,
    Namespace,
    Yes,
    again,
    cluster,
    confirm,
    confirm_deletion,
)
from habari_local.core.console import Result
from habari_local.core.errors import USAGE, HabariError

if TYPE_CHECKING:
    from habari_local.platform.mode import Context, Mode


def down(
    mode: ModeName = None,
    wipe: Annotated[
        bool, typer.Option("--wipe", help="Delete homes, buckets and the hub's database too.")
    ] = False,
    context: ContextName = None,
    namespace: Namespace = None,
    meant: Meant = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> Result:
    """Stop Habari; homes and buckets stay.

    Example: habari-local down
    """
    from habari_local import active_mode

    named = mode or (_with_data() if wipe else None)
    chosen, ctx = active_mode.current(named, cluster(mode, context, namespace))
    if wipe:
        again = f"habari-local down --mode {chosen.name} --wipe"
        confirm_deletion(chosen.data(ctx), ctx.checkout.root, yes=yes, again=again)
    return run_down(chosen, ctx, wipe=wipe, meant=meant, as_json=as_json)


def _with_data() -> str | None:
    """Return the mode that `--wipe` is about: the one that is up, else the one that has data.

    Raises:
        HabariError: nothing is up, and more than one has.
    """
    from habari_local import active_mode, modes
    from habari_local.core.paths import find_checkout

    up = active_mode.active_mode(find_checkout())
    if up:
        return up
    found = {name: each for name in modes.names() if (each := _data(name))}
    if len(found) > 1:
        raise HabariError(
            f"Nothing is up, and {len(found)} modes have data: say which one to delete.",
            f"habari-local down --mode {next(iter(found))} --wipe",
            USAGE,
            [f"{name}: {', '.join(each)}" for name, each in found.items()],
        )
    return next(iter(found), None)


def _data(name: str) -> list[str]:
    from habari_local import active_mode

    mode, ctx = active_mode.current(name)
    return list(mode.data(ctx))


def run_down(mode: Mode, ctx: Context, *, wipe: bool, meant: str | None, as_json: bool) -> Result:
    """Stop a mode, if that is meant, and tell what was stopped, kept and deleted."""
    from habari_local import lifecycle
    from habari_local.platform.mode import RemoteMode

    if isinstance(mode, RemoteMode):
        confirm(mode.plan_down(ctx), meant, again("down", ctx))
    done = lifecycle.down(mode, ctx, wipe=wipe)
    shown = [
        f"Stopped: {', '.join(done.stopped)}."
        if done.stopped
        else "Nothing was running; nothing to do."
    ]
    if done.kept:
        shown.append(f"Kept: {', '.join(done.kept)} ({done.deletes} deletes it).")
    if done.deleted:
        shown.append(f"Deleted: {', '.join(done.deleted)}.")
    data = {"stopped": done.stopped, "kept": done.kept, "deleted": done.deleted}
    return Result(data, shown, as_json=as_json)
