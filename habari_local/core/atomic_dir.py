"""What is being made, in a folder beside its place: it appears there whole or not at all."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = ".making-"


@contextmanager
def atomic_dir(place: Path) -> Iterator[Path]:
    """Give an empty folder in `place`, on its file system, that is gone after the block.

    A killed maker can't remove its own: the next one does. Each holds flock(2) on its folder, which
    the kernel drops with its holder, so that one that is still at work is left alone.
    """
    with _opened(place) as here:
        fcntl.flock(here, fcntl.LOCK_EX)  # no folder of another is there and not held yet
        for left in place.glob(f"{PREFIX}*"):
            _remove_unless_held(left)
        folder = Path(tempfile.mkdtemp(dir=place, prefix=PREFIX))
        handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _remove_unless_held(folder: Path) -> None:
    try:
        with _opened(folder) as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
    except (BlockingIOError, FileNotFoundError):
        return  # at work, or just done


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)
