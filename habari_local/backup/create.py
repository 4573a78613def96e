"""Making a backup of a platform that is up, while people work on it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from habari_local.backup.bucket_client import buckets
from habari_local.backup.manifest import (
    DATABASE,
    PLACES,
    Backup,
    BackupWriter,
    create_backup,
    open_backup,
)
from habari_local.platform.backup_protocol import SupportsBackup
from habari_local.platform.mode import Context, Mode
from habari_local.s3 import bucket_tar

Say = Callable[[str], None]


def create(mode: Mode, ctx: Context, target: Path, parts: Collection[str], say: Say) -> Backup:
    """Write the asked for parts into the folder `target`.

    The database is first: whoever it knows has a home by then, and what comes later is no worse.

    Raises:
        HabariError: something could not be read; nothing is left at `target` then.
    """
    assert isinstance(mode, SupportsBackup)  # noqa: S101 (its caller asked)
    with create_backup(target, mode.name) as new:
        if DATABASE in parts:
            say("the hub's database")
            _database(mode, ctx, new)
        if "homes" in parts:
            for number, home in enumerate(mode.homes(ctx)):
                say(f"the home of {home.owner}")
                about = {"owner": home.owner, "about": home.about}
                with new.add("homes", f"homes/{number:04}.tar", **about) as out:
                    mode.take_home(ctx, home, out)
        _buckets(mode, ctx, new, [each for each in PLACES if each in parts], say)
    return open_backup(target)


def _database(mode: SupportsBackup, ctx: Context, new: BackupWriter) -> None:
    with new.add(DATABASE, DATABASE) as out:
        ours = mode.take_database(ctx, out)
    if not ours:
        new.drop()


def _buckets(mode: Mode, ctx: Context, new: BackupWriter, places: list[str], say: Say) -> None:
    if not places:
        return
    with buckets(mode, ctx) as (s3, names):
        for place in places:
            say(f"the bucket {names[place]}")
            with new.add(place, f"{place}.tar") as out:
                count = bucket_tar.pack(s3, names[place], out)
            new.counted(count)
