"""Creating a backup of a running platform, and restoring one: homes, buckets and database."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from habari_local.backup.manifest import (
    DATABASE,
    PLACES,
    Backup,
    BackupWriter,
    create_backup,
    open_backup,
)
from habari_local.core.errors import HabariError
from habari_local.platform.mode import Context, Home, Mode, SupportsBackup
from habari_local.s3 import bucket_tar
from habari_local.s3.s3_client import translate_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Say = Callable[[str], None]
SHOWN = 5  # how many things in the way are named, of each kind


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


def require_restorable(backup: Backup, mode: Mode, ctx: Context) -> None:
    """Refuse what can't be restored here at all.

    Raises:
        HabariError: it is another mode's, or people's servers run.
    """
    if backup.mode != mode.name:
        raise HabariError(
            f"{backup.folder}: a backup of mode {backup.mode}; this is mode {mode.name}.",
            f"habari-local up --mode {backup.mode}",
        )
    running = sorted(each.user for each in mode.status(ctx) if each.name == "server")
    if running:
        raise HabariError(
            f"Servers of {', '.join(running)}: still running; the restored hub would not know"
            " them.",
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


@contextmanager
def buckets(mode: Mode, ctx: Context) -> Iterator[tuple[S3Client, Mapping[str, str]]]:
    """Give a client and the buckets' names by their places; what S3 refuses becomes a sentence.

    Raises:
        HabariError: S3 refused, or did not answer.
    """
    s3 = mode.endpoints(ctx).s3
    with (
        closing(s3.client(ctx.settings.s3_backend)) as client,
        translate_errors(f"S3 at {s3.endpoint_url or 'AWS'}"),
    ):
        yield client, {"lake": s3.lake_bucket, "notebooks": s3.notebooks_bucket}
