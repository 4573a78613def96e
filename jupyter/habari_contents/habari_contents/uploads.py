"""Uploads that come in chunks are spooled on the disk, so that S3 sees a whole file or none.

Protocol: JupyterLab PUTs `chunk` 1, 2, … and -1 for the last, each after the answer to the other.
The last has no number, so what is missing before it can't be seen there: it is refused before.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import IO

from .errors import ContentsError

ABANDONED_SECONDS = 3600.0
# Longer than the next chunk of a window that still uploads takes to come.
CONTESTED_SECONDS = 15.0
# How long one that S3 did not take waits for its last chunk to be sent again.
RETRY_SECONDS = 60.0
MAX_UPLOADS = 16


@dataclass(slots=True)
class Upload:
    """One upload that S3 does not have yet: a file without a name, gone with the process."""

    file: IO[bytes]
    chunks: int = 0
    size: int = 0
    touched: float = field(default_factory=time.monotonic)
    complete: bool = False
    last: bytes = b""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def append(self, data: bytes, digest: bytes) -> None:
        """Add a chunk. Raises OSError if the disk is full."""
        self.file.write(data)
        self.file.flush()
        self.chunks += 1
        self.size += len(data)
        self.last = digest
        self.touched = time.monotonic()

    def idle(self) -> float:
        """Seconds since its last chunk."""
        return time.monotonic() - self.touched


class Uploads:
    """The uploads under way by API path."""

    def __init__(self) -> None:
        self._uploads: dict[str, Upload] = {}

    def __contains__(self, path: str) -> bool:
        return path in self._uploads and not self._uploads[path].complete

    async def add(self, path: str, chunk: int, data: bytes) -> Upload:
        """Append a chunk: 1 begins, -1 ends, the others come in order; the same twice counts once.

        Raises 409 if a chunk is missing (after a restart of the server, say), or if another upload
        of this name is under way; 429 if too many are; 507 if the disk is full.
        """
        digest = await asyncio.to_thread(lambda: hashlib.sha256(data).digest())
        if chunk == 1:
            self._start(path)
        upload = self._uploads.get(path)
        if upload is None:
            raise _interrupted(path)
        async with upload.lock:
            again = upload.last == digest
            if again and (upload.complete if chunk == -1 else upload.chunks == chunk):
                return upload
            if upload.file.closed or upload.complete or chunk not in (upload.chunks + 1, -1):
                self._drop(path, upload)
                raise _interrupted(path)
            try:
                await asyncio.to_thread(upload.append, data, digest)
            except OSError as error:
                self._drop(path, upload)
                raise ContentsError(507, "Upload: the disk of this server is full.") from error
            upload.complete = chunk == -1
        return upload

    def _start(self, path: str) -> None:
        old = self._uploads.get(path)
        if old and (old.lock.locked() or (not old.complete and old.idle() < CONTESTED_SECONDS)):
            # Nothing tells the chunks of two windows apart: they would become one file.
            raise ContentsError(
                409,
                f"{path}: another upload of this name is under way. "
                f"Try: again in {CONTESTED_SECONDS:.0f} s.",
            )
        for other, upload in list(self._uploads.items()):
            if other == path or (upload.idle() > ABANDONED_SECONDS and not upload.lock.locked()):
                self._drop(other, upload)
        if len(self._uploads) >= MAX_UPLOADS:
            raise ContentsError(
                429, f"{path}: {MAX_UPLOADS} uploads are under way. Try: again when one has ended."
            )
        spool = tempfile.TemporaryFile()  # noqa: SIM115 - it lives until S3 has it
        self._uploads[path] = Upload(spool)

    @asynccontextmanager
    async def open_complete(self, path: str, upload: Upload) -> AsyncIterator[IO[bytes]]:
        """The whole file, at its start; on success it is gone, else kept a moment.

        Meanwhile a last chunk that comes again has S3 tried again.
        """
        async with upload.lock:
            if upload.file.closed:
                raise _interrupted(path)
            upload.file.seek(0)
            try:
                yield upload.file
            except BaseException:
                later = asyncio.get_running_loop().call_later
                later(RETRY_SECONDS, self._drop_idle, path, upload)
                raise
            self._drop(path, upload)

    def _drop_idle(self, path: str, upload: Upload) -> None:
        if not upload.lock.locked():
            self._drop(path, upload)

    def _drop(self, path: str, upload: Upload) -> None:
        upload.file.close()
        if self._uploads.get(path) is upload:
            del self._uploads[path]


def _interrupted(path: str) -> ContentsError:
    return ContentsError(409, f"{path}: the upload was interrupted. Try: upload it again.")
