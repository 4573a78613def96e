"""A checkout's id, kept in `.habari/checkout-id` wherever it is moved to, and its lock.

All that a checkout starts and keeps carries the id. The note says of which folder it is, by path
and inode, so that a move is told from a copy:

====================  =========================  ================================================
note                  the folder                 the id
====================  =========================  ================================================
none                                             made from path and inode: the same as before, if
                                                 only `.habari` was deleted
of this path                                     the noted one
of another path       the same inode             the noted one: it was moved
of another path,      any                        a new one: it was copied
with the same note
of another path       another inode              a new one: it was copied, or moved in a way that
                                                 can't be told from that (`Identity.earlier`)
====================  =========================  ================================================
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from habari_local.core.errors import Busy

NOTE = "checkout-id"
SHARED = 6  # of the ten digits: all ids of one path begin with the same


@dataclass(frozen=True)
class Identity:
    """The id; `earlier` is one that it may have had before, where that can't be told."""

    id: str
    earlier: str = ""


def identify(root: Path) -> Identity:
    """Return who the checkout at `root` is; nothing is written."""
    seen, note = root.stat(), read(root)
    made = _digest(str(root), SHARED) + _digest(str(seen.st_ino), 10 - SHARED)
    if not note:
        # Before there were notes, the path alone made the id.
        legacy = (root / ".habari" / "secrets.json").is_file()
        return Identity(_digest(str(root), 10) if legacy else made)
    if note["path"] == str(root):
        return Identity(note["id"], note.get("earlier", ""))
    there = Path(note["path"])
    if read(there).get("id") == note["id"]:
        return Identity(made)
    if note["inode"] == seen.st_ino and (note["device"] == seen.st_dev or not there.exists()):
        return Identity(note["id"], note.get("earlier", ""))
    return Identity(made, note["id"])


def record(root: Path, identity: Identity) -> None:
    """Write the note if it does not say this already; `.habari` is there."""
    seen = root.stat()
    found = {
        "id": identity.id,
        "path": str(root),
        "inode": seen.st_ino,
        "device": seen.st_dev,
        "earlier": identity.earlier,
    }
    if read(root) == found:
        return
    file = root / ".habari" / NOTE
    part = file.with_name(f".{NOTE}.{os.getpid()}")
    part.touch(mode=0o600)
    part.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    part.replace(file)


def read(root: Path) -> dict[str, Any]:
    """Return the note of the checkout at `root`; nothing where there is none that can be read."""
    try:
        found = json.loads((root / ".habari" / NOTE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    wanted = {"id", "path", "inode", "device"}
    return found if isinstance(found, dict) and wanted <= set(found) else {}


def of_the_same_path(one: str, other: str) -> bool:
    """Whether two ids were made in the same place, one after the other."""
    return one[:SHARED] == other[:SHARED]


def _digest(text: str, length: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def is_locked(folder: Path) -> bool:
    """Whether somebody holds the lock of `folder` just now."""
    try:
        with checkout_lock(folder, "look"):
            return False
    except Busy:
        return True


@contextmanager
def checkout_lock(folder: Path, doing: str) -> Iterator[None]:
    """Hold the lock of `folder` for the block; the file says who holds it and why.

    The lock is flock(2)'s: killing the holder frees it, so a stale one can't exist.

    Raises:
        Busy: somebody else holds it.
    """
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.read(handle, 200).decode(errors="replace") or "another habari-local"
            raise Busy(owner) from error
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"habari-local {doing} (pid {os.getpid()})".encode(), 0)
        yield
        os.ftruncate(handle, 0)
    finally:
        os.close(handle)
