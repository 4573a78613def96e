"""One habari-local at a time changes a checkout: a lock that the kernel drops with its holder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from habari_local.core.errors import Busy


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
