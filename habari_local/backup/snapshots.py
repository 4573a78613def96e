"""Snapshots: backups of this checkout by name, and users' servers out of a restore's way.

A snapshot is a backup in `.habari/snapshots/NAME`, made and checked as any other. It appears there
whole or not at all, and goes at once: what a killed command leaves is in a folder that is no name,
and is deleted by the next one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

from habari_local.backup.create_restore import running_servers
from habari_local.backup.manifest import PARTS, PLACES, Backup, look
from habari_local.core import polling
from habari_local.core.atomic_dir import atomic_dir
from habari_local.core.errors import USAGE, HabariError, nearest
from habari_local.core.paths import Checkout, private_folder
from habari_local.drivers.jupyterhub import HubClient
from habari_local.platform.mode import Context, Mode

Say = Callable[[str], None]
NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
STOP_SECONDS = 60.0  # for servers to end
AT_ONCE = 4  # servers that are started


def folder(checkout: Checkout) -> Path:
    """Return where snapshots are; it is there."""
    return private_folder(checkout.state / "snapshots")


def names(checkout: Checkout) -> list[str]:
    """Return the names that are there."""
    place = checkout.root / ".habari" / "snapshots"
    found = place.iterdir() if place.is_dir() else ()
    return sorted(each.name for each in found if NAME.fullmatch(each.name))


def all_of(checkout: Checkout, say: Say) -> list[Backup]:
    """Return the snapshots, the newest first; one that can't be read is told."""
    found = []
    for name in names(checkout):
        try:
            found.append(look(folder(checkout) / name))
        except HabariError as error:
            say(error.message)
    return sorted(found, key=lambda each: (each.made, each.folder.name), reverse=True)


def find(checkout: Checkout, name: str) -> Path:
    """Return the folder of a snapshot.

    Raises:
        HabariError: there is none of that name.
    """
    known = names(checkout)
    if name in known:
        return folder(checkout) / name
    near = nearest(name, known)
    others = f"did you mean {near}?" if near else f"there are {', '.join(known) or 'none'}."
    raise HabariError(f"Snapshot {name}: not there; {others}", "habari-local snapshot list", USAGE)


def place_for(checkout: Checkout, name: str) -> Path:
    """Return where a new snapshot goes.

    Raises:
        HabariError: it can't have that name, or another one has it.
    """
    known = names(checkout)
    if not NAME.fullmatch(name):
        plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:50] or "before"
        raise HabariError(
            f"Snapshot {name}: a name has up to 63 lower-case letters, digits and dashes.",
            f"habari-local snapshot save {_free(plain, known)}",
            USAGE,
        )
    if name in known:
        raise HabariError(
            f"Snapshot {name}: already there; none is overwritten.",
            f"habari-local snapshot save {_free(name, known)}",
            USAGE,
        )
    return folder(checkout) / name


def _free(name: str, known: Sequence[str]) -> str:
    number = 1
    while (found := name if number == 1 else f"{name[:58].rstrip('-')}-{number}") in known:
        number += 1
    return found


def delete(checkout: Checkout, names: Sequence[str]) -> None:
    """Delete snapshots: each is gone at once, even where deleting its files is ended."""
    place = folder(checkout)
    with atomic_dir(place) as old:
        for name in names:
            (place / name).rename(old / name)


def parts(ctx: Context) -> list[str]:
    """Return what is this checkout's own: buckets at AWS are not, others work in them too."""
    aws = ctx.settings.s3_backend == "aws"
    return [each for each in PARTS if not (aws and each in PLACES)]


def replaced(backup: Backup, running: Sequence[str], given: Sequence[str]) -> Iterator[str]:
    """Yield what a restore deletes, in words."""
    for user in running:
        yield f"the kernels in the running server of {user}"
    made = datetime.fromisoformat(backup.made).strftime("%Y-%m-%d %H:%M:%S UTC")
    yield f"what was changed since {made} in {', '.join(given)}"


def stop_servers(mode: Mode, ctx: Context, users: Sequence[str], say: Say) -> None:
    """Have the hub stop users' servers.

    Raises:
        HabariError: it does not answer.
        NotReady: one still runs.
    """
    if not users:
        return
    where = mode.endpoints(ctx)
    if not polling.http_ok(f"{where.hub_url}/hub/health"):
        raise HabariError(
            f"JupyterHub at {where.hub_url}: no answer, so the servers of {', '.join(users)} are"
            " not stopped, and nothing was restored.",
            "habari-local why hub",
        )
    say(f"stopping the servers of {', '.join(users)}")
    with HubClient(where.hub_url, where.hub_api_token) as hub:
        for user in users:
            hub.stop(user)
    polling.wait_until(
        lambda: not running_servers(mode, ctx),
        f"Servers of {', '.join(users)} to end",
        seconds=STOP_SECONDS,
        hint="habari-local why hub",
    )


def start_servers(mode: Mode, ctx: Context, users: Sequence[str], say: Say) -> Mapping[str, str]:
    """Start users' servers again; return why one was not, by user."""
    import requests

    if not users:
        return {}
    where = mode.endpoints(ctx)
    say(f"starting the servers of {', '.join(users)}")

    def start(user: str) -> str:
        try:
            with HubClient(where.hub_url, where.hub_api_token) as hub:
                if hub.user(user) is None:
                    return "the restored hub does not know them"
                hub.start(user)
        except (HabariError, requests.RequestException) as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = dict(zip(users, pool.map(start, users), strict=True))
    return {user: why for user, why in outcomes.items() if why}
