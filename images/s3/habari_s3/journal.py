"""The data folder: a database of what is kept, files of large bodies, a lock for one owner.

A save is durable when `save` returns (SQLite's write-ahead log with synchronous=FULL), atomic for
all its entities, and takes the bodies that it replaced off the disk.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from habari_s3.blobs import BlobStore, digest
from habari_s3.entities import Entity, Snapshot

FORMAT = 1
LOG_BYTES = 8 << 20  # of the write-ahead log, which grows to a save's size and is then cut to this
SCHEMA = """
CREATE TABLE IF NOT EXISTS entity (
    kind TEXT NOT NULL, bucket TEXT NOT NULL, name TEXT NOT NULL,
    state BLOB NOT NULL, bodies TEXT NOT NULL, checksum TEXT NOT NULL,
    PRIMARY KEY (kind, bucket, name)
)
"""


class StartupError(Exception):
    """The service can't start: one sentence, and one command to try."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Journal:
    """The data folder of one S3 service.

    `state` is what all but objects and uploads is known by: it changes when they do.
    `damaged`: entities whose state or bodies are not what was written → a sentence that says so.
    """

    def __init__(self, folder: Path, backend: str) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self.damaged: dict[Entity, str] = {}
        self._lock = _lock(folder)
        path = folder / "journal.sqlite"
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._prepare(backend)
            self.blobs = BlobStore(folder / "bodies", self._db)
            self.state = self._read_state()
        except sqlite3.DatabaseError as error:
            raise StartupError(
                f"{path}: {error}, an intact journal was expected. Nothing was changed.",
                f"cp -r {folder} {folder}.copy && sqlite3 {path} .recover",
            ) from error

    def _prepare(self, backend: str) -> None:
        db = self._db
        db.execute("PRAGMA auto_vacuum=FULL")  # what is deleted makes room on the disk
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute(f"PRAGMA journal_size_limit={LOG_BYTES}")
        found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(found)
        db.execute(SCHEMA)
        db.execute("CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT)")
        wanted = {"format": str(FORMAT), "backend": backend}
        kept = {**wanted, **dict(db.execute("SELECT name, value FROM about"))}
        if kept != wanted:
            raise StartupError(
                f"{self.folder}: written by {kept}, {wanted} was expected.",
                "habari-local down --wipe",
            )
        db.executemany("INSERT OR IGNORE INTO about VALUES (?, ?)", wanted.items())

    def load(self) -> Iterator[tuple[Entity, Snapshot]]:
        """Yield what is kept, buckets first; note in `damaged` what is not as it was written.

        Bodies that no entity refers to, left by a save that did not end, are deleted at the end.
        """
        sizes = self.blobs.sizes()
        referred: set[str] = set()
        rows = self._db.execute(
            "SELECT kind, bucket, name, state, bodies, checksum FROM entity"
            " ORDER BY kind != 'bucket', bucket, name"
        )
        for kind, bucket, name, state, bodies, checksum in rows:
            entity = Entity(kind, bucket, name)
            if digest(state + bodies.encode()) != checksum:
                self.damaged[entity] = "its state has another checksum than when it was written"
                continue
            snapshot = Snapshot(state, json.loads(bodies))
            referred |= snapshot.bodies.keys()
            for id_, size in snapshot.bodies.items():
                if sizes.get(id_) != size:
                    self.damaged[entity] = (
                        f"body {id_} has {sizes.get(id_, 'no')} bytes, not {size}"
                    )
            yield entity, snapshot
        if not self.damaged:
            unused = sizes.keys() - referred
            self.blobs.drop_rows(unused)
            self.blobs.drop_files(unused)

    def get(self, entity: Entity) -> Snapshot | None:
        """Return what is kept of an entity."""
        row = self._db.execute(
            "SELECT state, bodies FROM entity WHERE kind=? AND bucket=? AND name=?", _key(entity)
        ).fetchone()
        return Snapshot(row[0], json.loads(row[1])) if row else None

    def _read_state(self) -> str:
        rows = self._db.execute(
            "SELECT checksum FROM entity WHERE kind IN ('bucket', 'iam') ORDER BY kind, bucket"
        )
        return digest("".join(checksum for (checksum,) in rows).encode())

    def save(self, changes: Mapping[Entity, Snapshot | None]) -> None:
        """Make all changes durable, or none; None means that the entity is gone.

        A bucket that is gone takes its unfinished uploads with it.

        Raises:
            sqlite3.Error: the disk is full, or can't be written; the new bodies are deleted.
        """
        new = _bodies_of(changes.values())
        try:
            old = self._commit(changes, new)
        except BaseException:
            kept = _bodies_of(self.get(entity) for entity in changes)
            self.blobs.drop_files(new - kept)
            raise
        finally:
            self.blobs.saved()
        self.blobs.drop_files(old - new)
        for entity in changes:
            self.damaged.pop(entity, None)
        if any(entity.kind in ("bucket", "iam") for entity in changes):
            self.state = self._read_state()

    def _commit(
        self, changes: Mapping[Entity, Snapshot | None], new: set[str], last: bool = False
    ) -> set[str]:
        """Write all changes in one transaction; return the bodies that they replaced."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            old = {id_ for each in changes.items() for id_ in self._write(*each)}
            self.blobs.save(new)
            self.blobs.drop_rows(old - new)
            self._db.execute("COMMIT")
        except BaseException as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            if last or getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_FULL:
                raise
            # The log may hold the room that is missing.
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return self._commit(changes, new, last=True)
        return old

    def _write(self, entity: Entity, snapshot: Snapshot | None) -> set[str]:
        key = _key(entity)
        where = "kind=? AND bucket=? AND name=?"
        if entity.kind == "bucket" and snapshot is None:
            where, key = "bucket=?", (entity.bucket,)
        rows = self._db.execute(f"SELECT bodies FROM entity WHERE {where}", key)  # noqa: S608
        old = {id_ for (bodies,) in rows for id_ in json.loads(bodies)}
        if snapshot is None:
            self._db.execute(f"DELETE FROM entity WHERE {where}", key)  # noqa: S608
        else:
            bodies = json.dumps(snapshot.bodies)
            checksum = digest(snapshot.state + bodies.encode())
            self._db.execute(
                "INSERT OR REPLACE INTO entity VALUES (?, ?, ?, ?, ?, ?)",
                (*key, snapshot.state, bodies, checksum),
            )
        return old

    def close(self) -> None:
        """Fold the write-ahead log in and give the folder free."""
        self._db.close()
        os.close(self._lock)


def _key(entity: Entity) -> tuple[str, ...]:
    return entity.kind, entity.bucket, entity.name


def _bodies_of(snapshots: Iterable[Snapshot | None]) -> set[str]:
    return {id_ for snapshot in snapshots if snapshot for id_ in snapshot.bodies}


def _lock(folder: Path) -> int:
    """Return the open lock file; the kernel frees it when the process ends, however it ends."""
    path = folder / "lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(handle, 20).decode() or "another"
        os.close(handle)
        raise StartupError(
            f"{folder}: held by process {owner}, expected to be free.", "habari-local down"
        ) from None
    os.ftruncate(handle, 0)
    os.write(handle, str(os.getpid()).encode())
    return handle
