"""Owns uploads that come in chunks: they are spooled here, so that S3 sees a whole file or none.

Protocol: JupyterLab PUTs `chunk` 1, 2, … and -1 for the last, each after the answer to the other.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from dataclasses import dataclass
from typing import IO

from .errors import ContentsError

ABANDONED_SECONDS = 3600.0
AT_ONCE = 16


@dataclass(slots=True)
class Upload:
    """One unfinished upload: a file without a name, gone with the process."""

    file: IO[bytes]
    chunks: int = 0
    size: int = 0
    touched: float = 0.0

    def append(self, data: bytes) -> None:
        """Add a chunk. Raises 507 if the disk is full."""
        try:
            self.file.write(data)
            self.file.flush()
        except OSError as error:
            self.file.close()
            raise ContentsError(507, "Upload: the disk of this server is full.") from error
        self.chunks += 1
        self.size += len(data)
        self.touched = time.monotonic()


class Uploads:
    """The unfinished uploads by API path."""

    def __init__(self) -> None:
        self._uploads: dict[str, Upload] = {}

    def __contains__(self, path: str) -> bool:
        return path in self._uploads

    async def add(self, path: str, chunk: int, data: bytes) -> Upload:
        """Append a chunk: 1 starts anew, -1 ends, and the rest must come in order.

        Raises 409 if one is missing (after a restart of the server), 429 if too many are open.
        """
        if chunk == 1:
            self._start(path)
        upload = self._uploads.get(path)
        if upload is None or chunk not in (upload.chunks + 1, -1):
            self.drop(path)
            raise ContentsError(409, f"{path}: the upload was interrupted. Try: upload it again.")
        try:
            await asyncio.to_thread(upload.append, data)
        except ContentsError:
            self.drop(path)
            raise
        if chunk == -1:
            del self._uploads[path]
            upload.file.seek(0)
        return upload

    def _start(self, path: str) -> None:
        self.drop(path)
        limit = time.monotonic() - ABANDONED_SECONDS
        for old in [p for p, upload in self._uploads.items() if upload.touched < limit]:
            self.drop(old)
        if len(self._uploads) >= AT_ONCE:
            raise ContentsError(
                429, f"{path}: {AT_ONCE} uploads are under way. Try: again when one has ended."
            )
        spool = tempfile.TemporaryFile()  # noqa: SIM115 - it lives until its last chunk
        self._uploads[path] = Upload(spool, touched=time.monotonic())

    def drop(self, path: str) -> None:
        """Forget the upload of this path, if there is one."""
        upload = self._uploads.pop(path, None)
        if upload is not None:
            upload.file.close()
