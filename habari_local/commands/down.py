"""`habari-local down`: stop the platform; what people made stays unless --wipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from habari_local.commands.options import AsJson, ContextName, Meant, ModeName, Namespace, cluster
from habari_local.console import Result

if TYPE_CHECKING:
    from habari_local.modes.base import Context, Mode


def down(
    mode: ModeName = None,
    wipe: Annotated[
        bool, typer.Option("--wipe", help="Delete homes, buckets and the hub's database too.")
    ] = False,
    context: ContextName = None,
    namespace: Namespace = None,
    meant: Meant = None,
    as_json: AsJson = False,
) -> Result:
    """Stop everything that runs here. Homes and buckets are kept.

    Example: habari-local down
    """
    from habari_local import active

    chosen, ctx = active.current(mode, cluster(mode, context, namespace))
    return taken_down(chosen, ctx, wipe=wipe, meant=meant, as_json=as_json)


def taken_down(mode: Mode, ctx: Context, *, wipe: bool, meant: str | None, as_json: bool) -> Result:
    """Stop a mode, if that is meant, and tell what was stopped, kept and deleted."""
    from habari_local import lifecycle
    from habari_local.commands.meant import confirm
    from habari_local.commands.planned import again
    from habari_local.modes.base import Elsewhere

    if isinstance(mode, Elsewhere):
        confirm(mode.plan_down(ctx), meant, again("down", ctx))
    done = lifecycle.down(mode, ctx, wipe=wipe)
    shown = [
        f"Stopped: {', '.join(done.stopped)}."
        if done.stopped
        else "Nothing was running; nothing had to be done."
    ]
    if done.kept:
        shown.append(f"Kept: {', '.join(done.kept)} ({done.deletes} deletes it).")
    if done.deleted:
        shown.append(f"Deleted: {', '.join(done.deleted)}.")
    data = {"stopped": done.stopped, "kept": done.kept, "deleted": done.deleted}
    return Result(data, shown, as_json=as_json)
