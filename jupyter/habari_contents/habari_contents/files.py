"""The handler of `/files/`: the home by Jupyter's own, S3 folders streamed and with ranges."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import AuthenticatedFileHandler
from tornado import web

from habari_contents import errors
from habari_contents.bucket import read_stat
from habari_contents.types import ETag

if TYPE_CHECKING:
    from .s3_folder import S3Folder
    from .types import Stat


class FilesHandler(AuthenticatedFileHandler):
    """Serves one file; its memory is one chunk of the body, whatever the file's size."""

    _unsatisfied = ""

    @web.authenticated
    @authorized
    async def get(self, path: str, include_body: bool = True) -> None:  # type: ignore[override]
        """Answer with the file at an API path: 200, 206 for a range, 304, 404 or 416."""
        manager: Any = self.contents_manager
        path = path.strip("/")
        folder: S3Folder | None = manager.folder_of(path)
        if folder is None:
            home: Any = super()
            await home.get(path, include_body=include_body)
            return
        self.check_xsrf_cookie()
        if path == folder.name or (not manager.allow_hidden and await manager.is_hidden(path)):
            raise web.HTTPError(404)
        self.absolute_path = path
        await self._stream(folder, path, include_body=include_body)

    async def _stream(self, folder: S3Folder, path: str, *, include_body: bool) -> None:
        if not include_body:
            stat = await folder.stat(path)
            if stat is None:
                raise errors.not_found(path)
            self._set_headers(path, stat)
            return
        answer, byte_range = await self._open(folder, path)
        stat = read_stat(folder.key_of(path), path, answer)
        if self.request.headers.get("If-None-Match") == str(stat.etag):
            answer["Body"].close()
            self.set_status(304)
            return
        if byte_range and answer.get("ContentRange"):
            self.set_status(206)
            self.set_header("Content-Range", answer["ContentRange"])
        self._set_headers(path, stat)
        async with aclosing(folder.bucket.iter_chunks(answer, path)) as pieces:
            async for piece in pieces:
                self.write(piece)
                await self.flush()

    async def _open(self, folder: S3Folder, path: str) -> tuple[Any, str]:
        """S3's answer, and the range of it that was asked for: all of it if that is of a version
        that is no longer there (https://www.rfc-editor.org/rfc/rfc9110#section-13.1.5).
        """
        key, bucket = folder.key_of(path), folder.bucket
        byte_range, held = (self.request.headers.get(n, "") for n in ("Range", "If-Range"))
        # A time is no version here: S3 tells whole seconds, and two saves can be within one.
        version = ETag.parse(held) if held.startswith('"') else None
        if held and version is None:
            byte_range = ""
        try:
            if byte_range and version:
                answer = await self._open_version(folder, path, byte_range, version)
                if answer is not None:
                    return answer, byte_range
                byte_range = ""
            return await bucket.open(key, path, byte_range=byte_range), byte_range
        except errors.ContentsError as error:
            if error.status_code == 416:
                await self._tell_size(folder, path)
            raise

    async def _open_version(
        self, folder: S3Folder, path: str, byte_range: str, version: ETag
    ) -> Any:
        key = folder.key_of(path)
        try:
            answer = await folder.bucket.open(key, path, byte_range=byte_range, version=version)
        except errors.ContentsError as error:
            if error.status_code != 409:
                raise
            return None
        if ETag.parse(answer["ETag"]) != version:
            answer["Body"].close()
            return None
        return answer

    async def _tell_size(self, folder: S3Folder, path: str) -> None:
        stat = await folder.stat(path)
        if stat is not None:
            self._unsatisfied = f"bytes */{stat.size}"

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Jupyter's page, with the size that a 416 tells."""
        if status_code == 416 and self._unsatisfied:
            self.set_header("Content-Range", self._unsatisfied)
        super().write_error(status_code, **kwargs)

    def _set_headers(self, path: str, stat: Stat) -> None:
        name = path.rsplit("/", 1)[-1]
        if name.endswith(".ipynb") or self.get_argument("download", None):
            self.set_attachment_header(name)
        self.set_header("Content-Type", self.get_content_type())
        self.set_header("Content-Length", stat.size)
        self.set_header("ETag", str(stat.etag))
        self.set_header("Last-Modified", stat.modified)
        self.set_header("Accept-Ranges", "bytes")
        self.set_header("Cache-Control", "no-cache")
