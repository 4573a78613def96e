"""Owns reading one S3 folder as Jupyter sees it: what is there, listings, files and notebooks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from habari_contents.conditional_writes import ConditionalWrites
from habari_contents.etag_cache import ABSENT, EtagCache
from habari_contents.types import Listing, Stat

from . import errors, models
from .models import Model
from .uploads import Uploads

if TYPE_CHECKING:
    from habari_contents.bucket import Bucket

Kind = Literal["file", "directory"]


# Entries of a listing that are made in one turn of the event loop.
AT_ONCE = 500


class Reading:
    """The half of a folder that reads. Paths are API paths that begin with the folder's name.

    `host` is the contents manager: its hooks, its notary and its rules for hidden names apply.
    Every method raises ContentsError, with a sentence for the browser.
    """

    def __init__(self, name: str, bucket: Bucket, host: Any, *, readonly: bool = False) -> None:
        self.name = name
        self.bucket = bucket
        self.base = bucket.base
        self.host = host
        self.readonly = readonly
        self.conditions = ConditionalWrites(bucket, host.log)
        self.served = EtagCache()
        self.uploads = Uploads()

    def key(self, path: str) -> str:
        """The object key of an API path; the prefix is joined and stripped by whole components."""
        rest = path.partition("/")[2]
        if any(part in {"", ".", ".."} for part in rest.split("/")) and rest:
            raise errors.ContentsError(404, f"{path}: has an empty or dotted part, expected names.")
        return self.base + rest

    def under(self, path: str) -> str:
        """The key prefix of what is in the folder at an API path."""
        key = self.key(path)
        return key if key == self.base else f"{key}/"

    async def stat(self, path: str) -> Stat | None:
        """The facts of the file at the path, or None."""
        return None if path == self.name else await self.bucket.head(self.key(path), path)

    async def kind(self, path: str) -> Kind | None:
        """What is at the path. The folder itself is always there, S3 or not."""
        if path == self.name or path in self.uploads:
            return "directory" if path == self.name else "file"
        stat, listing = await asyncio.gather(
            self.stat(path), self.bucket.find(self.under(path), path, limit=1)
        )
        if stat:
            return "file"
        return "directory" if listing else None

    async def file_exists(self, path: str) -> bool:
        """Is there a file? One call, and none for an upload that is under way."""
        return path in self.uploads or await self.stat(path) is not None

    async def get(self, path: str, *, content: bool, kind: str | None, form: str | None) -> Model:
        """The model of a file, notebook or folder.

        Raises 404 where there is none, 400 if it is another kind than the one asked for.
        """
        if path == self.name or kind == "directory":
            if kind not in {None, "directory"}:
                raise errors.ContentsError(400, f"{path}: is a folder, not a {kind}.")
            return await self._directory(path, content=content)
        if not content:
            return await self._facts(path, kind)
        try:
            return await self._content(path, kind, form)
        except errors.ContentsError as error:
            if kind is not None or error.status_code != 404:
                raise
        # Nobody said which kind it is, and it is no file.
        return await self._directory(path, content=True)

    async def _facts(self, path: str, kind: str | None) -> Model:
        saved = self.served.take_saved(path)
        stat = saved or await self.stat(path)
        if stat is None:
            if not await self.bucket.find(self.under(path), path, limit=1):
                self.served.gone(path)
                raise errors.missing(path)
            if self.served.etag(path):
                self.served.show(path, ABSENT)
            if kind is not None:
                raise errors.ContentsError(400, f"{path}: is a folder, not a {kind}.")
            return models.directory(path)
        self.served.show(path, stat.etag)
        return models.file(path, stat, kind)

    async def _content(self, path: str, kind: str | None, form: str | None) -> Model:
        try:
            content, stat = await self.bucket.get(
                self.key(path), path, limit=self.host.max_open_bytes
            )
        except errors.ContentsError as error:
            if error.status_code == 404:
                await self._facts(path, kind)
            raise
        model = models.file(path, stat, kind)
        if model["type"] == "notebook":
            notebook, problems = await models.read_notebook(path, content)
            self.trust(self.host.mark_trusted_cells, notebook, path)
            model |= {"content": notebook, "format": "json"}
            self.host.validate_notebook_model(model, validation_error=problems)
        else:
            model |= models.decode_file(path, content, form)
        self.served.show(path, stat.etag)
        return model

    def trust(self, work: Callable[[Any, str], None], notebook: Any, path: str) -> None:
        """Let the host's notary do its work; a notebook is opened and saved without it too.

        Its database is on the home's disk, which may be full, and belongs to this thread.
        """
        try:
            work(notebook, path)
        except Exception as error:  # noqa: BLE001 - whatever a database does
            self.host.log.warning("%s: whether it is trusted could not be kept: %s", path, error)
            self.host.notary.mark_cells(notebook, False)

    async def _directory(self, path: str, *, content: bool) -> Model:
        under = self.under(path)
        limit = 0 if content else 1
        listing = await self.bucket.find(under, path, delimiter="/", limit=limit)
        if not listing and path != self.name:
            if await self.stat(path):
                raise errors.ContentsError(400, f"{path}: is a file, not a folder.")
            raise errors.missing(path)
        entries = await self._entries(path, under, listing) if content else None
        return models.directory(path, entries)

    async def _entries(self, path: str, under: str, listing: Listing) -> list[Model]:
        entries = []
        for prefix in listing.prefixes:
            name = prefix[len(under) : -1]
            if self._shown(name):
                entries.append(models.directory(f"{path}/{name}"))
        for number, stat in enumerate(listing.objects):
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
            # `dir/` objects, which consoles make, are the folder itself and no entry of it.
            name = stat.key[len(under) :]
            if self._shown(name):
                entries.append(models.file(f"{path}/{name}", stat))
        return entries

    def _shown(self, name: str) -> bool:
        """Is the name listed? Not if it cannot be in a path at all, or is hidden."""
        if name in {"", ".", ".."}:
            return False
        hidden = name.startswith(".") and not self.host.allow_hidden
        return not hidden and bool(self.host.should_list(name))
