"""Putting a backup back: first what is in its way is looked for, then each part is put."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Collection, Iterator
from itertools import islice

from habari_local.backup.bucket_client import buckets
from habari_local.backup.manifest import DATABASE, PLACES, Backup
from habari_local.core.errors import HabariError
from habari_local.platform.backup_protocol import Home, SupportsBackup
from habari_local.platform.mode import Context, Mode
from habari_local.s3 import bucket_tar

Say = Callable[[str], None]
SHOWN = 5  # how many things in the way are named, of each kind


def require_restorable(backup: Backup, mode: Mode, ctx: Context) -> None:
    """Refuse what can't be restored here at all.

    Raises:
        HabariError: it is another mode's, or people's servers run.
    """
    if backup.mode != mode.name:
        raise HabariError(
            f"{backup.folder}: of mode {backup.mode}, one of mode {mode.name} was expected.",
            f"habari-local up --mode {backup.mode}",
        )
    running = sorted(each.user for each in mode.status(ctx) if each.name == "server")
    if running:
        raise HabariError(
            f"Servers of {', '.join(running)}: running, none was expected; the hub that comes back"
            " would not know them.",
            "habari-local status",
        )


def conflicts(
    backup: Backup,
    mode: Mode,
    ctx: Context,
    parts: Collection[str],
    objects: int | None = SHOWN,
) -> Iterator[str]:
    """Yield what would be overwritten: homes, and objects that are others now.

    Of each bucket at most so many `objects`; None: all of them.
    """
    assert isinstance(mode, SupportsBackup)  # noqa: S101 (its caller asked)
    there = {each.owner for each in mode.homes(ctx)} if "homes" in parts else set()
    for piece in backup.of("homes"):
        if piece.owner in there:
            yield f"home of {piece.owner}"
    with buckets(mode, ctx) as (s3, names):
        for place in PLACES:
            for piece in backup.of(place) if place in parts else ():
                with tarfile.open(backup.folder / piece.file) as tar:
                    found = bucket_tar.conflicts(s3, names[place], tar)
                    yield from (f"{place}/{key}" for key in islice(found, objects))


def restore(
    backup: Backup, mode: Mode, ctx: Context, parts: Collection[str], say: Say
) -> dict[str, int]:
    """Put the asked for parts back; return how many things of each part were put.

    The database is last: until then nobody finds a home that is only half there.
    """
    assert isinstance(mode, SupportsBackup)  # noqa: S101 (its caller asked)
    put = dict.fromkeys(parts, 0)
    for piece in backup.of("homes") if "homes" in parts else ():
        say(f"the home of {piece.owner}")
        with (backup.folder / piece.file).open("rb") as source:
            mode.put_home(ctx, Home(piece.owner, piece.about), source)
        put["homes"] += 1
    with buckets(mode, ctx) as (s3, names):
        for place in PLACES:
            for piece in backup.of(place) if place in parts else ():
                say(f"the bucket {names[place]}")
                with tarfile.open(backup.folder / piece.file) as tar:
                    put[place] += bucket_tar.unpack(s3, names[place], tar)
    for piece in backup.of(DATABASE) if DATABASE in parts else ():
        say("the hub's database")
        with (backup.folder / piece.file).open("rb") as source:
            mode.put_database(ctx, source)
        put[DATABASE] += 1
    return put
