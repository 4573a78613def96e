"""Single files on the disk, as a move needs them: version, partial file, checksum."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from pathlib import Path
from typing import IO


def version(file: Path) -> str:
    """What is another after each change of the file. Raises OSError if it is gone."""
    found = file.stat()
    return f"{found.st_mtime_ns}:{found.st_size}:{found.st_ino}"


def partial_path(file: Path) -> Path:
    """Where a file is while it comes in; the name stays within the 255 bytes that a disk has."""
    mark = hashlib.md5(os.fsencode(file.name), usedforsecurity=False).hexdigest()
    return file.with_name(f".{mark}.habari-half")


def create_partial(partial: Path) -> IO[bytes]:
    """A new file under the half-written name, also where a killed server left one.

    Raises FileExistsError while somebody writes it.
    """
    file = partial.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise FileExistsError(partial) from error
    except OSError:
        pass  # some network disks have no locks
    file.truncate(0)
    return file


def publish(partial: Path, file: Path) -> None:
    """Give the whole file its name. Raises FileExistsError if something has it."""
    try:
        os.link(partial, file)
    except FileExistsError:
        raise
    except OSError as error:
        # Some network disks have no links: a look, and then the name.
        if os.path.lexists(file):
            raise FileExistsError(file) from error
        partial.rename(file)


def md5(file: Path) -> str:
    """The content's MD5 in hexadecimal digits. Raises OSError if the file is gone."""
    with file.open("rb") as body:
        return md5_of(body)


def md5_of(file: IO[bytes]) -> str:
    """The MD5 of an open file, from its start."""
    file.seek(0)
    return hashlib.file_digest(
        file,  # type: ignore[arg-type]  # it is a file with a number
        lambda: hashlib.md5(usedforsecurity=False),
    ).hexdigest()


def remove_empty_parents(file: Path, root: Path) -> None:
    """Remove the folders that the file was the last one in, the root included."""
    with contextlib.suppress(OSError):
        while file != root:
            file = file.parent
            file.rmdir()
