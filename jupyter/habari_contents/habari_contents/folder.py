"""Owns one S3 folder as Jupyter sees it: list, open, save, new folder, delete."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal

import nbformat

from . import bulk, errors, models
from .models import Model
from .objects import Condition, Listing, Stat
from .served import ABSENT, Served
from .uploads import Uploads

if TYPE_CHECKING:
    from .store import Bucket

Kind = Literal["file", "directory"]
CHECKPOINTS = ".ipynb_checkpoints"


class Folder:
    """The contents API of one S3 folder. Paths are API paths that begin with the folder's name.

    `host` is the contents manager: its hooks, its notary and its rules for hidden names apply.
    Every method raises ContentsError, with a sentence for the browser.
    """

    def __init__(self, name: str, bucket: Bucket, prefix: str, host: Any) -> None:
        self.name = name
        self.bucket = bucket
        self._base = f"{prefix}/" if prefix else ""
        self._host = host
        self.served = Served()
        self._uploads = Uploads()

    def key(self, path: str) -> str:
        """The object key of an API path; the prefix is joined and stripped by whole components."""
        rest = path.partition("/")[2]
        if any(part in {"", ".", ".."} for part in rest.split("/")) and rest:
            raise errors.ContentsError(400, f"{path}: has an empty or dotted part, expected names.")
        return self._base + rest

    def under(self, path: str) -> str:
        """The key prefix of what is in the folder at an API path."""
        key = self.key(path)
        return key if key == self._base else f"{key}/"

    async def stat(self, path: str) -> Stat | None:
        """The facts of the file at the path, or None."""
        return None if path == self.name else await self.bucket.head(self.key(path), path)

    async def kind(self, path: str) -> Kind | None:
        """What is at the path. The folder itself is always there, S3 or not."""
        if path == self.name or path in self._uploads:
            return "directory" if path == self.name else "file"
        stat, listing = await asyncio.gather(
            self.stat(path), self.bucket.find(self.under(path), path, limit=1)
        )
        if stat:
            return "file"
        return "directory" if listing else None

    async def file_exists(self, path: str) -> bool:
        """Is there a file? One call, and none for an upload that is under way."""
        return path in self._uploads or await self.stat(path) is not None

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
        if kind is None and await self.kind(path) == "directory":
            return await self._directory(path, content=True)
        return await self._content(path, kind, form)

    async def _facts(self, path: str, kind: str | None) -> Model:
        saved = self.served.take_saved(path)
        stat = saved or await self.stat(path)
        if stat is None:
            self.served.forget(path)
            if not await self.bucket.find(self.under(path), path, limit=1):
                self.served.show(path, ABSENT)
                raise errors.missing(path)
            if kind is not None:
                raise errors.ContentsError(400, f"{path}: is a folder, not a {kind}.")
            return models.directory(path)
        self.served.show(path, stat.etag)
        return models.file(path, stat, kind)

    async def _content(self, path: str, kind: str | None, form: str | None) -> Model:
        try:
            content, stat = await self.bucket.get(
                self.key(path), path, limit=self._host.max_open_bytes
            )
        except errors.ContentsError as error:
            if error.status_code == 404:
                await self._facts(path, kind)
            raise
        model = models.file(path, stat, kind)
        if model["type"] == "notebook":
            notebook, problems = await models.read_notebook(path, content)
            # The notary's database belongs to the thread that opened it: this one.
            self._host.mark_trusted_cells(notebook, path)
            model |= {"content": notebook, "format": "json"}
            self._host.home.validate_notebook_model(model, validation_error=problems)
        else:
            model |= models.decode_file(path, content, form)
        self.served.show(path, stat.etag)
        return model

    async def _directory(self, path: str, *, content: bool) -> Model:
        under = self.under(path)
        limit = 0 if content else 1
        listing = await self.bucket.find(under, path, delimiter="/", limit=limit)
        if not listing and path != self.name:
            raise errors.missing(path)
        return models.directory(path, self._entries(path, under, listing) if content else None)

    def _entries(self, path: str, under: str, listing: Listing) -> list[Model]:
        entries = []
        for prefix in listing.prefixes:
            name = prefix[len(under) : -1]
            if self._shown(name):
                entries.append(models.directory(f"{path}/{name}"))
        for stat in listing.objects:
            # `dir/` objects, which consoles make, are the folder itself and no entry of it.
            name = stat.key[len(under) :]
            if self._shown(name):
                entries.append(models.file(f"{path}/{name}", stat))
        return entries

    def _shown(self, name: str) -> bool:
        """Is the name listed? Not if it cannot be in a path at all, or is hidden."""
        if name in {"", ".", ".."}:
            return False
        hidden = name.startswith(".") and not self._host.allow_hidden
        return not hidden and bool(self._host.should_list(name))

    async def save(self, model: Model, path: str) -> Model:
        """Write a file, notebook or folder, and return its model without content.

        A file is written over the version that its model's `hash` names, else over the one last
        served here, else over what is there now. Raises 409 if that is no longer the version;
        who saves again without looking, overwrites.
        """
        kind, chunk = model.get("type"), model.get("chunk")
        if kind not in {"file", "notebook", "directory"}:
            raise errors.ContentsError(400, f"{path}: came as {kind}, expected file or notebook.")
        if chunk in {None, 1}:
            self._host.run_pre_save_hooks(model=model, path=path)
        if kind == "directory":
            return await self._make(path)
        if path == self.name or "content" not in model:
            raise errors.ContentsError(400, f"{path}: came without content, expected a file.")
        if chunk is not None:
            return await self._chunk(model, path, int(chunk))
        answer: Model = {}
        if kind == "notebook":
            notebook = nbformat.from_dict(model["content"])  # type: ignore[no-untyped-call]
            self._host.check_and_sign(notebook, path)
            body, problems = await models.write_notebook(path, notebook)
            self._host.home.validate_notebook_model(answer, validation_error=problems)
        else:
            body = models.encode_file(path, model)
        stat = await self._write(path, body, model.get("hash"))
        return models.file(path, stat, kind) | answer

    async def _write(self, path: str, body: bytes, seen: str | None) -> Stat:
        key, mime = self.key(path), models.content_type(path)
        condition = await self._condition(path, seen)
        try:
            stat = await self.bucket.put(key, path, body, mime, condition)
        except errors.ContentsError as error:
            if error.status_code == 409:
                # Told once: what is saved after that is meant to overwrite.
                self.served.forget(path)
            if error.status_code != 404 or condition.absent:
                raise
            # Deleted since it was served: there is no version to lose, so it is made again.
            stat = await self.bucket.put(key, path, body, mime, Condition(absent=True))
        self.served.save(path, stat)
        return stat

    async def _condition(self, path: str, seen: str | None = None) -> Condition:
        known = seen or self.served.etag(path)
        if known:
            return Condition(etag=known)
        stat, listing = await asyncio.gather(
            self.stat(path), self.bucket.find(self.under(path), path, limit=1)
        )
        if stat is None and listing:
            raise errors.ContentsError(409, f"{path}: is a folder, and no file can replace it.")
        if stat is None or known == ABSENT:
            return Condition(absent=True)
        return Condition(etag=stat.etag)

    async def _chunk(self, model: Model, path: str, chunk: int) -> Model:
        upload = await self._uploads.add(path, chunk, models.encode_file(path, model))
        if chunk != -1:
            return models.file(path, Stat("", "", upload.size, models.UNKNOWN_TIME), "file")
        with upload.file as file:
            self.served.forget(path)
            condition = await self._condition(path)
            mime = models.content_type(path)
            stat = await bulk.upload(
                self.bucket, self.key(path), path, file, upload.size, mime, condition
            )
        self.served.save(path, stat)
        return models.file(path, stat, "file")

    async def _make(self, path: str) -> Model:
        """A folder is an empty object whose key ends with a slash."""
        kind = await self.kind(path)
        if kind == "file":
            raise errors.ContentsError(409, f"{path}: is a file, and no folder can replace it.")
        if kind is None:
            await self.mark(self.under(path), path)
        return models.directory(path)

    async def mark(self, under: str, path: str) -> None:
        """Put a folder's marker object, so that it is there while it is empty."""
        if under != self._base:
            await self.bucket.put(under, path, b"", "application/x-directory", Condition())

    async def keep_parent(self, path: str) -> None:
        """Keep the folder that a path was the last one in: only its objects held it."""
        parent = path.rpartition("/")[0]
        if parent != self.name and not await self.bucket.find(self.under(parent), path, limit=1):
            await self.mark(self.under(parent), path)

    async def delete(self, path: str, *, full: bool) -> None:
        """Delete a file, or a folder: one that is not empty only if `full` is true (else 400)."""
        if path == self.name:
            raise errors.ContentsError(403, f"{path}: is a bucket's folder and cannot be deleted.")
        stat = await self.stat(path)
        keys = [stat.key] if stat else await self._keys_under(path, full=full)
        refused = await self.bucket.delete(keys, path)
        self.served.forget(path)
        if refused:
            raise errors.ContentsError(
                403, f"{path}: S3 kept {len(refused)} of {len(keys)} objects. Try: ask for access."
            )
        await self.keep_parent(path)

    async def _keys_under(self, path: str, *, full: bool) -> list[str]:
        under = self.under(path)
        found = [stat.key for stat in (await self.bucket.find(under, path)).objects]
        if not found:
            raise errors.missing(path)
        real = [k for k in found if k != under and not k.startswith(f"{under}{CHECKPOINTS}/")]
        if real and not full:
            raise errors.ContentsError(
                400, f"{path}: is not empty. Try: delete what is in it first."
            )
        return found
