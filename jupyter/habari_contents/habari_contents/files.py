"""The handler of `/files/`: the home by Jupyter's own, S3 folders streamed and with ranges."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import AuthenticatedFileHandler
from tornado import web

from habari_contents import errors, multipart

if TYPE_CHECKING:
    from .s3_folder import S3Folder


class FilesHandler(AuthenticatedFileHandler):
    """Serves one file; its memory is one chunk of the body, whatever the file's size."""

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
            self._set_headers(path, {"ETag": stat.etag, "LastModified": stat.modified}, stat.size)
            return
        byte_range = self.request.headers.get("Range", "")
        answer = await folder.bucket.open(folder.key_of(path), path, byte_range=byte_range)
        if self.request.headers.get("If-None-Match") == answer["ETag"]:
            answer["Body"].close()
            self.set_status(304)
            return
        if byte_range and answer.get("ContentRange"):
            self.set_status(206)
            self.set_header("Content-Range", answer["ContentRange"])
        self._set_headers(path, answer, answer["ContentLength"])
        async with aclosing(multipart.iter_chunks(folder.bucket, answer, path)) as pieces:
            async for piece in pieces:
                self.write(piece)
                await self.flush()

    def _set_headers(self, path: str, facts: dict[str, Any], size: int) -> None:
        name = path.rsplit("/", 1)[-1]
        if name.endswith(".ipynb") or self.get_argument("download", None):
            self.set_attachment_header(name)
        self.set_header("Content-Type", self.get_content_type())
        self.set_header("Content-Length", size)
        self.set_header("ETag", facts["ETag"])
        self.set_header("Last-Modified", facts["LastModified"])
        self.set_header("Accept-Ranges", "bytes")
        self.set_header("Cache-Control", "no-cache")
