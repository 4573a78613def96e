"""A folder or an SQLite database as one stream, and back: a program that runs in pods too.

Standard library only: `python3 -c SOURCE VERB PATH` reads standard input or writes standard output.
"""

from __future__ import annotations

import io
import os
import sqlite3
import sys
import tarfile
from contextlib import closing
from pathlib import Path
from typing import IO, Any

BESIDE = ("-journal", "-wal", "-shm")  # what SQLite puts beside a database


class _Whole:
    """A file that gives just as many bytes as were announced, whatever is written meanwhile."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.file, self.left = file, size

    def read(self, count: int = -1) -> bytes:
        wanted = self.left if count < 0 else min(count, self.left)
        self.left -= wanted
        return self.file.read(wanted).ljust(wanted, b"\0")


def pack(folder: str, out: IO[bytes]) -> None:
    """Write all that is in a folder as tar; links stay links; sockets and devices are left out.

    Raises:
        OSError: something may not be read.
    """
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for path in _inside(folder):
            try:
                info = tar.gettarinfo(path, arcname=os.path.relpath(path, folder))
                if info is None or info.isdev():
                    continue
                if not info.isreg():
                    tar.addfile(info)
                    continue
                with open(path, "rb") as file:  # noqa: PTH123 (as os.walk names it)
                    whole: Any = _Whole(file, info.size)
                    tar.addfile(info, whole)
            except FileNotFoundError:  # gone since it was listed
                continue


def _inside(folder: str) -> list[str]:
    found = []
    for here, folders, files in os.walk(folder, onerror=_raise):
        found += [os.path.join(here, name) for name in sorted([*folders, *files])]  # noqa: PTH118
    return found


def _raise(error: OSError) -> None:
    raise error


def unpack(folder: str, source: IO[bytes]) -> None:
    """Lay what `pack` wrote over a folder; nothing in it is deleted, nothing outside is written."""
    with tarfile.open(fileobj=source, mode="r|") as tar:
        tar.extractall(folder, filter=_kept)  # noqa: S202 (filtered)


def _kept(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo:
    """Refuse what would be outside; a link that is in the way is replaced, not followed.

    tarfile's own filters follow it, and so refuse to put a link that is there already.
    """
    names = [member.name, *([member.linkname] if member.islnk() else [])]
    for name in names:
        above = os.path.realpath(os.path.dirname(os.path.join(folder, name)))  # noqa: PTH118, PTH120
        inside = Path(above).is_relative_to(os.path.realpath(folder))
        if not inside or ".." in name.split("/"):
            raise tarfile.OutsideDestinationError(member, name)
    target = Path(folder) / member.name
    if target.is_symlink():
        target.unlink()
    return member.replace(mode=member.mode & 0o777, deep=False)


def pack_database(path: str, out: IO[bytes]) -> None:
    """Write a database as it is at one moment, while others write to it."""
    uri = f"{Path(path).resolve().as_uri()}?mode=ro"
    with (
        closing(sqlite3.connect(uri, uri=True, timeout=30)) as of,
        closing(sqlite3.connect(":memory:")) as to,
    ):
        of.backup(to)
        content = to.serialize()
    info = tarfile.TarInfo(Path(path).name)
    info.size = len(content)
    # In a tar, since who reads a stream in a pod must know by itself where it ends.
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(info, io.BytesIO(content))


def unpack_database(path: str, source: IO[bytes]) -> None:
    """Put a database in the place of another one that nobody has open.

    Raises:
        tarfile.TarError: there is none in the stream.
    """
    part = Path(f"{path}.part")
    with tarfile.open(fileobj=source, mode="r|") as tar:
        info = tar.next()
        content = tar.extractfile(info) if info else None
        if content is None:
            raise tarfile.ReadError("no database")
        part.write_bytes(content.read())
    for suffix in BESIDE:
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    part.replace(path)


VERBS = {
    "pack": (pack, sys.stdout),
    "unpack": (unpack, sys.stdin),
    "pack-database": (pack_database, sys.stdout),
    "unpack-database": (unpack_database, sys.stdin),
}

if __name__ == "__main__":
    verb, stream = VERBS[sys.argv[1]]
    verb(sys.argv[2], stream.buffer)
    stream.buffer.flush() if stream is sys.stdout else None
