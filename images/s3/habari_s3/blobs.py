"""Objects' bodies: written once, never changed, read when asked for, checked when first read.

A small body is a row of the journal's database, so that a save of a notebook costs one fsync, not
three; a larger one is a file of its own, fsynced before the row that refers to it.
"""

from __future__ import annotations

import os
import sqlite3
import uuid
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

INLINE = 128 * 1024  # bytes; up to here SQLite is as fast as a file, and needs no fsync of its own
SCHEMA = "CREATE TABLE IF NOT EXISTS body (id TEXT PRIMARY KEY, data BLOB NOT NULL)"


class DamagedBlob(Exception):
    """A body is gone, or is not what was written."""


class BlobStore:
    """All bodies of a data folder, by random id; one thread at a time, the journal's."""

    def __init__(self, folder: Path, db: sqlite3.Connection) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self.folder = folder
        self._db = db
        self._new: dict[str, bytes] = {}  # small ones that the next save writes
        db.execute(SCHEMA)

    def add(self, data: bytes) -> StoredBlob:
        """Return a new body: a large one is on the disk, durably, a small one with the next save.

        Raises:
            OSError: the disk is full, or can't be written; nothing is left behind.
        """
        body = StoredBlob(self, uuid.uuid4().hex, len(data), digest(data))
        if body.size <= INLINE:
            self._new[body.id] = data
        else:
            self._write(self.folder / body.id, data)
        return body

    def save(self, ids: Iterable[str]) -> None:
        """Write the small new ones of `ids`; the caller holds a transaction."""
        rows = [(id_, self._new[id_]) for id_ in ids if id_ in self._new]
        self._db.executemany("INSERT INTO body VALUES (?, ?)", rows)

    def saved(self) -> None:
        """Forget what `save` wrote: its transaction ended."""
        self._new.clear()

    def drop_rows(self, ids: Iterable[str]) -> None:
        """Delete small bodies; the caller holds a transaction."""
        self._db.executemany("DELETE FROM body WHERE id=?", [(id_,) for id_ in ids])

    def drop_files(self, ids: Iterable[str]) -> None:
        """Delete large bodies."""
        for id_ in ids:
            (self.folder / id_).unlink(missing_ok=True)

    def sizes(self) -> dict[str, int]:
        """Return id → bytes of all bodies."""
        found = dict(self._db.execute("SELECT id, length(data) FROM body"))
        with os.scandir(self.folder) as entries:
            found.update((entry.name, entry.stat().st_size) for entry in entries)
        return found

    def load(self, id_: str, size: int) -> bytes | None:
        """Return a body's bytes, None if it is gone."""
        if id_ in self._new:
            return self._new[id_]
        if size <= INLINE:
            row = self._db.execute("SELECT data FROM body WHERE id=?", (id_,)).fetchone()
            return row[0] if row else None
        path = self.folder / id_
        return path.read_bytes() if path.is_file() else None

    def _write(self, path: Path, data: bytes) -> None:
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb", buffering=0) as file:
                view = memoryview(data)
                while view:
                    view = view[file.write(view) :]
                os.fsync(handle)
            folder = os.open(self.folder, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except BaseException:
            path.unlink(missing_ok=True)
            raise


class StoredBlob:
    """A body, with as much of a file's interface as moto needs of an object's buffer."""

    def __init__(self, store: BlobStore, id_: str, size: int, checksum: str) -> None:
        self.store = store
        self.id = id_
        self.size = size
        self.checksum = checksum
        self._position = 0
        self._checked = False

    def seek(self, position: int) -> int:
        """Set where the next `read` begins."""
        self._position = position
        return position

    def read(self, size: int = -1) -> bytes:
        """Return the next `size` bytes, or all that are left.

        Raises:
            DamagedBlob: the body is not what was written.
        """
        data = self.load()
        end = len(data) if size < 0 else self._position + size
        part = data[self._position : end]
        self._position = min(end, len(data))
        return part

    def load(self) -> bytes:
        """Return all bytes; they are compared with the checksum when read for the first time.

        Raises:
            DamagedBlob: the body is not what was written.
        """
        data = self.store.load(self.id, self.size)
        if data is None:
            raise DamagedBlob(f"body {self.id}: gone, {self.size} bytes expected")
        if not self._checked and (len(data) != self.size or digest(data) != self.checksum):
            raise DamagedBlob(f"body {self.id}: {len(data)} other bytes than were written")
        self._checked = True
        return data

    def close(self) -> None:
        """Do nothing: the journal deletes a body when nothing refers to it any more."""


def digest(data: bytes) -> str:
    """Return the checksum that a body or a row is kept with, in hexadecimal digits."""
    return blake2b(data, digest_size=16).hexdigest()
