"""`habari-local seed`: objects, notebooks and files of one's own, put where Habari has them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from habari_local.commands.options import SHOWN, AsJson, ModeName
from habari_local.core.console import Result

if TYPE_CHECKING:
    from habari_local.backup.seed import Seeded
    from habari_local.platform.mode import Context, Mode

Folder = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="Has lake/, notebooks/ or homes/USER/.")
]
Over = Annotated[bool, typer.Option("--overwrite", help="Write over what is newer there, too.")]


def seed(
    folder: Folder, mode: ModeName = None, overwrite: Over = False, as_json: AsJson = False
) -> Result:
    """Fill buckets and homes from a folder.

    Its lake/ and notebooks/ go into the buckets, its homes/USER/ into homes. What is there already
    stays; what was changed there since is kept, and named.

    Example: habari-local seed ./examples
    """
    from habari_local import active_mode
    from habari_local.backup import seed as seeding

    chosen, ctx = active_mode.require_running(mode)
    seeding.require_seed(folder, chosen, "habari-local seed --help")
    done = seeding.seed(chosen, ctx, folder, overwrite=overwrite)
    data = {"written": done.written, "same": done.same, "kept": done.kept}
    return Result(data, [counts(done), *_kept(done.kept)], as_json=as_json)


def of_settings(mode: Mode, ctx: Context) -> Path | None:
    """Return the folder that HABARI_SEED names, if it does.

    Raises:
        HabariError: it can't be seeded from.
    """
    from habari_local.backup import seed as seeding

    if not ctx.settings.seed:
        return None
    folder = (ctx.checkout.root / Path(ctx.settings.seed).expanduser()).resolve()
    seeding.require_seed(folder, mode, "habari-local config unset HABARI_SEED")
    return folder


def counts(done: Seeded) -> str:
    """Return what was done, in words."""
    kept = f", {len(done.kept)} newer there and kept" if done.kept else ""
    return f"Seeded: {len(done.written)} written, {len(done.same)} there already{kept}."


def _kept(names: Sequence[str]) -> list[str]:
    more = [f"  … and {len(names) - SHOWN} more"] if len(names) > SHOWN else []
    again = ["Try: habari-local seed FOLDER --overwrite, to write over them"] if names else []
    return [*(f"  kept {name}" for name in names[:SHOWN]), *more, *again]
