"""Creating a backup of a running platform, checking it, and restoring it.

For who wants one from Python, with a mode and its context (`active_mode.require_running`)::

    backup = create(mode, ctx, folder, PARTS, print)   # homes, buckets, database; read back
    backup.missing                                     # what could not be read, in words
    backup = check(folder)                             # raises HabariError if a byte is another
    require_restorable(backup, mode)                   # a cluster takes no other mode's
    require_no_servers(mode, ctx)
    list(conflicts(backup, mode, ctx, PARTS))          # what would be overwritten
    restored = restore(backup, mode, ctx, PARTS, print)
    lifecycle.up(mode, ctx, keep=True)                 # not for a RemoteMode: starts the hub again
    restore_users(backup, mode, ctx, PARTS)            # what another mode's database tells

Whoever calls these holds the checkout's lock. From its first change to its last, `restore` has the
hub stopped. One that was ended is repeated with the same backup, and goes on (`interrupted`).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from habari_local.backup import hub_users
from habari_local.backup.manifest import (
    DATABASE,
    PLACES,
    Backup,
    BackupWriter,
    create_backup,
    look,
    open_backup,
)
from habari_local.config.secrets import write_private
from habari_local.core.errors import USAGE, HabariError
from habari_local.drivers.jupyterhub import HubClient
from habari_local.platform.mode import (
    Archive,
    Context,
    Home,
    Mode,
    RemoteMode,
    SupportsBackup,
    SupportsReset,
)
from habari_local.s3 import bucket_tar
from habari_local.s3.s3_client import s3_client, translate_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Say = Callable[[str], None]
WITHOUT_USERS = "nohub"  # the mode whose one home is no user's
SHOWN = 5  # how many things in the way are named, of each kind
check = open_backup


def create(
    mode: Mode,
    ctx: Context,
    target: Path,
    parts: Collection[str],
    say: Say,
    *,
    allow_empty: bool = False,
) -> Backup:
    """Write the asked for parts into the folder `target`.

    The database is first: whoever it knows has a home by then, and what comes later is no worse.
    What of a home or a bucket can't be read is left out and named (`Backup.missing`).

    Raises:
        HabariError: a part could not be read at all, nobody has anything, or it can't be written;
            nothing is left at `target` then.
    """
    assert isinstance(mode, SupportsBackup)  # noqa: S101 (its caller asked)
    with create_backup(target, mode.name) as new:
        if DATABASE in parts:
            say("the hub's database")
            _database(mode, ctx, new)
        if "homes" in parts:
            _homes(mode, ctx, new, say)
        _buckets(mode, ctx, new, [each for each in PLACES if each in parts], say)
        peoples = [each for each in parts if each != DATABASE]
        if not allow_empty and not _holds(new, peoples or parts):
            raise HabariError(
                f"Nothing to back up: there is none of {', '.join(peoples or parts)}.",
                "habari-local backup create --allow-empty",
                USAGE,
            )
    return look(target)


def _holds(new: BackupWriter, parts: Collection[str]) -> bool:
    """Whether anything of these parts is in it, or was to be."""
    return bool(new.failed) or any(
        each.part in parts and (each.entries or each.missing or each.part in ("homes", DATABASE))
        for each in new.pieces
    )


def _database(mode: SupportsBackup, ctx: Context, new: BackupWriter) -> None:
    with new.add(DATABASE, DATABASE, about=_about_keys(mode, ctx)) as out:
        ours = mode.take_database(ctx, out)
        out.report.entries = 1
    if not ours:
        new.drop()


def _homes(mode: SupportsBackup, ctx: Context, new: BackupWriter, say: Say) -> None:
    """Write each home; one that can't be had keeps no other from being written.

    Raises:
        HabariError: none can be had.
    """
    homes = mode.homes(ctx)
    for number, home in enumerate(homes):
        say(f"the home of {home.owner}")
        about = {"owner": home.owner, "about": home.about}
        try:
            with new.add("homes", f"homes/{number:04}.tar", **about) as out:
                out.report = mode.take_home(ctx, home, out)
        except HabariError as error:
            new.failed[home.owner] = error.message
            if len(new.failed) == len(homes):
                raise


def _buckets(mode: Mode, ctx: Context, new: BackupWriter, places: list[str], say: Say) -> None:
    if not places:
        return
    with buckets(mode, ctx) as (s3, names):
        for place in places:
            say(f"the bucket {names[place]}")
            with new.add(place, f"{place}.tar") as out:
                out.report = bucket_tar.pack(s3, names[place], out)


def _about_keys(mode: object, ctx: Context) -> dict[str, str]:
    """Return a digest of the keys that sessions in the hub's database are of.

    They are 32 random bytes each, so it tells nothing of them. A cluster's are not ours to know.
    """
    if isinstance(mode, RemoteMode):
        return {}
    keys = [ctx.secrets.get(name, "") for name in ("cookie_secret", "crypt_key")]
    return {"keys": hashlib.sha256("\n".join(keys).encode()).hexdigest()[:16]}


def signs_out(backup: Backup, mode: Mode, ctx: Context) -> bool:
    """Whether a restore of the database ends everybody's session.

    Another mode's sessions don't come over; those of other keys are worth nothing.
    """
    known = [each.about["keys"] for each in backup.of(DATABASE) if "keys" in each.about]
    of_other_keys = bool(known) and known != [_about_keys(mode, ctx).get("keys")]
    return backup.mode != mode.name or of_other_keys


def require_restorable(backup: Backup, mode: Mode, parts: Collection[str]) -> None:
    """Refuse what can't be restored here at all.

    Raises:
        HabariError: it is another mode's, and one of the two is a cluster or without a hub, or its
            users can't be read.
    """
    if backup.mode == mode.name:
        return
    if isinstance(mode, RemoteMode):
        raise HabariError(
            f"{backup.folder}: a backup of mode {backup.mode}; a cluster takes its own only.",
            f"habari-local up --mode {backup.mode}",
        )
    if WITHOUT_USERS in (backup.mode, mode.name):
        raise HabariError(
            f"{backup.folder}: a backup of mode {backup.mode}; mode {WITHOUT_USERS} has one home,"
            " which is no user's, and its backups are for itself only.",
            f"habari-local up --mode {backup.mode}",
        )
    if DATABASE in parts:
        hub_users.read(backup)


class ServersRun(HabariError):
    """People's servers run, so nothing was restored."""


def running_servers(mode: Mode, ctx: Context) -> list[str]:
    """Return whose servers run."""
    return sorted({each.user for each in mode.status(ctx) if each.name == "server"})


def require_no_servers(mode: Mode, ctx: Context) -> None:
    """Refuse to go on while people's servers run.

    Raises:
        ServersRun: they do.
    """
    running = running_servers(mode, ctx)
    if running:
        raise ServersRun(
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
        if unquote(piece.owner) in there:
            yield f"home of {piece.owner}"
    with buckets(mode, ctx) as (s3, names):
        for place in PLACES:
            for piece in backup.of(place) if place in parts else ():
                found = bucket_tar.conflicts(s3, names[place], backup.folder / piece.file)
                yield from (f"{place}/{key}" for key in islice(found, objects))


@dataclass(frozen=True)
class Restored:
    """How many things of each part were put, and what could not be set as it was, in words."""

    put: dict[str, int]
    missing: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class RestoreOptions:
    """How a backup is restored: `again` is the command that goes on with one that was ended.

    With `exact`, what is not in the backup goes, unless it could not be read when that was made.
    """

    again: str
    exact: bool = False


def restore(
    backup: Backup,
    mode: Mode,
    ctx: Context,
    parts: Collection[str],
    say: Say,
    options: RestoreOptions,
) -> Restored:
    """Put the asked for parts back, without a hub that could start anybody's server.

    The database is last: until then nobody finds a home that is only half there. A hub on this
    machine starts again with `up`; when this raises, it stays stopped. Another mode's database is
    left to `restore_users`, which wants a hub.

    Raises:
        ServersRun: one was started a moment ago; nothing has changed, and the hub may come back.
        HabariError: something can't be put; the same again goes on.
    """
    assert isinstance(mode, SupportsBackup)  # noqa: S101 (its caller asked)
    began = interrupted(backup, mode, ctx)
    say("stopping the notebook server" if mode.name == WITHOUT_USERS else "stopping the hub")
    with mode.maintenance(ctx):
        refused = None
        try:
            require_no_servers(mode, ctx)
        except ServersRun as error:
            refused = error
        else:
            if not began:
                note = {"backup": backup.identity, "again": options.again}
                write_private(_note(mode, ctx), json.dumps(note))
            done = _put_all(backup, mode, ctx, parts, say, exact=options.exact)
    if refused:
        raise refused
    if not _gives_users(backup, mode, parts):
        _note(mode, ctx).unlink(missing_ok=True)
    return done


def _gives_users(backup: Backup, mode: Mode, parts: Collection[str]) -> bool:
    """Whether it is another mode's database that is wanted, of which the users alone are taken."""
    return DATABASE in parts and backup.mode != mode.name


def restore_users(
    backup: Backup, mode: Mode, ctx: Context, parts: Collection[str], *, exact: bool = False
) -> int:
    """Have the hub, which runs again, know the users of another mode's database.

    Returns:
        How many there are; 0 where the database itself was restored.

    Raises:
        HabariError: the hub does not take them; the same restore goes on.
    """
    import requests

    if not _gives_users(backup, mode, parts):
        return 0
    where = mode.endpoints(ctx)
    with HubClient(where.hub_url, where.hub_api_token) as hub:
        try:
            count = hub_users.write(hub, hub_users.read(backup), exact=exact)
        except requests.RequestException as error:
            raise HabariError(
                f"JupyterHub at {where.hub_url}: it did not take the users ({error}).",
                unfinished(mode, ctx) or "habari-local why",
            ) from error
    _note(mode, ctx).unlink(missing_ok=True)
    return count


def _put_all(
    backup: Backup, mode: Mode, ctx: Context, parts: Collection[str], say: Say, *, exact: bool
) -> Restored:
    assert isinstance(mode, SupportsBackup)  # noqa: S101 (its caller asked)
    done = Restored(dict.fromkeys(parts, 0))
    if "homes" in parts:
        _put_homes(backup, mode, ctx, done, say, exact=exact)
    for place in (each for each in PLACES if each in parts and backup.of(each)):
        with buckets(mode, ctx) as (s3, names):
            say(f"the bucket {names[place]}")
            for piece in backup.of(place):
                whole = exact and not piece.missing
                file = backup.folder / piece.file
                done.put[place] += bucket_tar.unpack(s3, names[place], file, exact=whole)
    own = DATABASE in parts and backup.mode == mode.name
    for piece in backup.of(DATABASE) if own else ():
        say("the hub's database")
        with (backup.folder / piece.file).open("rb") as source:
            mode.put_database(ctx, source)
        done.put[DATABASE] += 1
    return done


def _put_homes(
    backup: Backup, mode: Mode, ctx: Context, done: Restored, say: Say, *, exact: bool
) -> None:
    """Put homes back; with `exact`, those go that were not there when the backup was made."""
    assert isinstance(mode, SupportsBackup)  # noqa: S101 (its caller asked)
    other_mode = backup.mode != mode.name
    for piece in backup.of("homes"):
        owner = unquote(piece.owner)
        say(f"the home of {owner}")
        home = Home(owner, piece.about)
        if other_mode:
            here = mode.home_of(ctx, owner)
            home = Home(owner, {**here.about, "uid": piece.about.get("uid", os.getuid())})
        with (backup.folder / piece.file).open("rb") as file:
            whole = exact and not piece.missing
            archive = Archive(file, piece.size, piece.sha256, whole, other_mode)
            report = mode.put_home(ctx, home, archive)
        done.missing.extend(f"{piece.title}: {name}: {w}" for name, w in report.missing.items())
        done.put["homes"] += 1
    known = {unquote(each.owner) for each in backup.of("homes")} | {*map(unquote, backup.failed)}
    if exact and isinstance(mode, SupportsReset):
        for home in mode.homes(ctx):
            if home.owner not in known:
                say(f"deleting the home of {home.owner}")
                mode.delete_home(ctx, home)


def interrupted(backup: Backup, mode: Mode, ctx: Context) -> bool:
    """Whether a restore of this very backup was begun here and has not ended."""
    return _begun(mode, ctx, "backup") == backup.identity


def unfinished(mode: Mode, ctx: Context) -> str:
    """Return the command that goes on with a restore that has not ended; empty: there is none."""
    return _begun(mode, ctx, "again")


def _begun(mode: Mode, ctx: Context, key: str) -> str:
    """Return what is noted of a restore that was begun here; empty if there is none."""
    try:
        return str(json.loads(_note(mode, ctx).read_text(encoding="utf-8"))[key])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _note(mode: Mode, ctx: Context) -> Path:
    return ctx.checkout.state / f"restore-{mode.name}.json"


@contextmanager
def buckets(mode: Mode, ctx: Context) -> Iterator[tuple[S3Client, Mapping[str, str]]]:
    """Give a client and the buckets' names by their places; what S3 refuses becomes a sentence.

    Raises:
        HabariError: S3 refused, or did not answer.
    """
    assert isinstance(mode, SupportsBackup)  # noqa: S101 (its caller asked)
    s3, target = mode.endpoints(ctx).s3, mode.bucket_access(ctx)
    with (
        closing(s3_client(target)) as client,
        translate_errors(f"S3 at {target.endpoint_url or 'AWS'}"),
    ):
        yield client, {"lake": s3.lake_bucket, "notebooks": s3.notebooks_bucket}
