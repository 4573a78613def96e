"""Where process mode keeps what `backup` takes: a folder for each home, one SQLite file."""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from habari_local.core.errors import HabariError
from habari_local.drivers import tar_stream
from habari_local.modes.process.services import NAME
from habari_local.platform.backup_protocol import Home
from habari_local.platform.mode import Context


def homes(ctx: Context) -> Sequence[Home]:
    """Return the homes that are there; a folder is called after its owner."""
    folder = _homes(ctx)
    found = sorted(folder.iterdir()) if folder.is_dir() else ()
    return [Home(path.name) for path in found if path.is_dir() and not path.is_symlink()]


def folder(ctx: Context, home: Home) -> Path:
    """Return the folder of a home: in the folder of all homes, whatever a backup calls it."""
    return _homes(ctx) / Path(home.owner).name


def unpack(folder: Path, source: IO[bytes]) -> None:
    """Lay a home of a backup over a folder.

    Raises:
        HabariError: the backup has it otherwise than we write it.
    """
    try:
        tar_stream.unpack(str(folder), source)
    except tarfile.TarError as error:
        raise HabariError(
            f"Home {folder.name}: {error}, what `backup create` writes was expected.",
            "habari-local backup create",
        ) from error


def database(ctx: Context) -> Path:
    """Return the hub's database."""
    return ctx.checkout.of_mode(NAME) / "jupyterhub.sqlite"


def _homes(ctx: Context) -> Path:
    return ctx.checkout.of_mode(NAME) / "homes"
