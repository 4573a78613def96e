"""One S3 folder as Jupyter sees it: listings, files and notebooks, read, saved and deleted."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Literal

from habari_contents import delete, errors, models, multipart
from habari_contents.bucket import Bucket
from habari_contents.conditional_writes import ConditionalWrites
from habari_contents.content import Fingerprint
from habari_contents.etag_cache import ABSENT, EtagCache
from habari_contents.models import CHECKPOINTS, Model
from habari_contents.settings import FolderSettings
from habari_contents.types import Condition, ETag, Listing, Patience, Stat
from habari_contents.uploads import Uploads

Kind = Literal["file", "directory"]

# What a request found right now where no file is, so that its next steps need not ask again.
FRESH_SECONDS = 1.0
NOTHING: tuple[float, Mapping[str, Kind | None]] = (0.0, {})
_found = ContextVar("found", default=NOTHING)
# Entries of a listing that are made in one turn of the event loop.
ENTRIES_PER_TURN = 500


def forget_found() -> None:
    """Something is changed: what was found before is not what is there."""
    _found.set(NOTHING)


def _note_found(path: str, kind: Kind | None) -> None:
    _found.set((time.monotonic(), {**_found_now(), path: kind}))


def _found_now() -> Mapping[str, Kind | None]:
    """What this request found, by path, if that is not long ago."""
    seen, found = _found.get()
    return found if time.monotonic() - seen < FRESH_SECONDS else {}


class S3Folder:
    """The contents API of one S3 folder. Paths are API paths that begin with the folder's name.

    `manager` is the contents manager: its hooks, its notary and its rules for hidden names apply.
    Every method raises ContentsError, with a sentence for the browser.
    """

    def __init__(self, name: str, bucket: Bucket, manager: Any, settings: FolderSettings) -> None:
        self.name = name
        self.bucket = bucket
        self.key_prefix = bucket.key_prefix
        self.manager = manager
        self.readonly = settings.readonly
        self.checkpoints = settings.checkpoints
        self.conditional_writes = ConditionalWrites(bucket, manager.log)
        self.etags = EtagCache()
        self.uploads = Uploads()

    def key_of(self, path: str) -> str:
        """The object key of an API path; the prefix is joined and stripped by whole components."""
        rest = path.partition("/")[2]
        if any(part in {"", ".", ".."} for part in rest.split("/")) and rest:
            raise errors.ContentsError(404, f"{path}: has an empty or dotted part, expected names.")
        return self.key_prefix + rest

    def prefix_of(self, path: str) -> str:
        """The key prefix of what is in the folder at an API path."""
        key = self.key_of(path)
        return key if key == self.key_prefix else f"{key}/"

    async def stat(self, path: str) -> Stat | None:
        """The facts of the file at the path, or None."""
        return None if path == self.name else await self.bucket.head(self.key_of(path), path)

    async def kind(self, path: str) -> Kind | None:
        """What is at the path. The folder itself is always there, S3 or not."""
        if path == self.name or path in self.uploads:
            return "directory" if path == self.name else "file"
        found = _found_now()
        return found[path] if path in found else await self._find_kind(path)

    async def _find_kind(self, path: str) -> Kind | None:
        stat, folder = await self.bucket.find(self.key_of(path), path)
        if stat:
            return "file"
        kind: Kind | None = "directory" if folder else None
        _note_found(path, kind)
        return kind

    async def names_beginning(self, path: str, begin: str) -> tuple[set[str], bool]:
        """The names in a folder, of files and folders, that begin so; are there more than these?"""
        prefix = self.prefix_of(path)
        found = await self._list_directory(prefix + begin, path, content=True)
        keys = [stat.key for stat in found.objects] + [each[:-1] for each in found.prefixes]
        return {key[len(prefix) :] for key in keys}, found.partial

    def note_free(self, path: str) -> None:
        """A listing of this request showed that nothing is at the path."""
        _note_found(path, None)

    async def file_exists(self, path: str) -> bool:
        """Is there a file? One call, and none for an upload that is under way.

        What has no extension may be a folder, which Jupyter asks next where something is to be
        made in it: both in one.
        """
        if path in self.uploads or path == self.name or "." in path.rpartition("/")[2]:
            return path in self.uploads or await self.stat(path) is not None
        return await self._find_kind(path) == "file"

    async def get(self, path: str, *, content: bool, kind: str | None, form: str | None) -> Model:
        """The model of a file, notebook or folder.

        Raises 404 where there is none, 400 if it is another kind than the one asked for.
        """
        if path == self.name or kind == "directory":
            if kind not in {None, "directory"}:
                raise errors.ContentsError(400, f"{path}: is a folder, not a {kind}.")
            return await self._get_directory(path, content=content)
        if not content:
            return await self._get_metadata(path, kind)
        try:
            return await self._get_content(path, kind, form)
        except errors.ContentsError as error:
            if kind is not None or error.status_code != 404:
                raise
        # Nobody said which kind it is, and it is no file.
        return await self._get_directory(path, content=True)

    async def _get_metadata(self, path: str, kind: str | None) -> Model:
        saved = self.etags.pop_saved(path)
        stat = saved or await self.stat(path)
        if stat is None:
            if not await self._is_directory(path):
                self.etags.mark_absent(path)
                raise errors.not_found(path)
            if self.etags.get(path):
                self.etags.remember(path, ABSENT)
            if kind is not None:
                raise errors.ContentsError(400, f"{path}: is a folder, not a {kind}.")
            return models.directory(path)
        stat = self.etags.as_shown(path, stat)
        self.etags.remember(path, stat.etag, stat.modified)
        return models.file(path, stat, kind)

    async def _is_directory(self, path: str) -> bool:
        """Is a folder there, or anything that begins so where the path ends with a star?"""
        if await self.bucket.list_objects(self.prefix_of(path), path, limit=1):
            return True
        if not path.endswith("*"):
            return False
        return bool(await self.bucket.list_objects(self.key_of(path)[:-1], path, limit=1))

    async def _get_content(self, path: str, kind: str | None, form: str | None) -> Model:
        try:
            content, stat = await self.bucket.get(
                self.key_of(path), path, limit=self.manager.max_open_bytes
            )
        except errors.ContentsError as error:
            if error.status_code == 404:
                await self._get_metadata(path, kind)
            raise
        stat = self.etags.as_shown(path, stat)
        model = models.file(path, stat, kind)
        if model["type"] == "notebook":
            notebook, problems = await models.read_notebook(path, content)
            self.run_notary(self.manager.mark_trusted_cells, notebook, path)
            model |= {"content": notebook, "format": "json"}
            self.manager.validate_notebook_model(model, validation_error=problems)
        else:
            model |= models.decode_file(path, content, form)
        self.etags.remember(path, stat.etag, stat.modified)
        return model

    def run_notary(self, work: Callable[[Any, str], None], notebook: Any, path: str) -> None:
        """Have the manager's notary sign or trust; a notebook is opened and saved without it too.

        Its database is on the home's disk, which may be full, and belongs to this thread.
        """
        try:
            work(notebook, path)
        except Exception as error:  # noqa: BLE001 - whatever a database does
            self.manager.log.warning("%s: whether it is trusted could not be kept: %s", path, error)
            try:
                self.manager.notary.mark_cells(notebook, False)
            except models.UNREADABLE as broken:
                raise errors.ContentsError(
                    400, f"{path}: is no notebook ({models.reason_of(broken)})."
                ) from broken

    async def _get_directory(self, path: str, *, content: bool) -> Model:
        listing = await self._list_directory(self.prefix_of(path), path, content=content)
        shown = path
        if not listing and path != self.name:
            if await self.stat(path):
                raise errors.ContentsError(400, f"{path}: is a file, not a folder.")
            # Of a folder that is too large to be listed, what begins so.
            shown, begin = path.rpartition("/")[0], path.rpartition("/")[2]
            if not begin.endswith("*") or not shown:
                raise errors.not_found(path)
            at = self.prefix_of(shown) + begin[:-1]
            listing = await self._list_directory(at, path, content=content)
            if not listing:
                raise errors.not_found(path)
        if not content:
            return models.directory(path)
        entries = await self._entries(shown, self.prefix_of(shown), listing)
        notes = [
            f"{each['name']} can't be opened under this name; rename it with another program"
            for each in entries
            if models.is_reserved(each["path"])
        ]
        if listing.partial:
            notes.append(
                f"only the first {len(entries):,} are listed; open others by their path, and all "
                "that begin with ABC by the path ABC*"
            )
        model = models.directory(path, [*entries, *(models.note(path, said) for said in notes)])
        return model | ({"message": "; ".join(notes)} if notes else {})

    async def _list_directory(self, prefix: str, path: str, *, content: bool) -> Listing:
        patience = Patience(self.manager.partial_seconds, self.manager.max_listed)
        limit = 0 if content else 1
        return await self.bucket.list_objects(
            prefix, path, delimiter="/", limit=limit, patience=patience
        )

    async def _entries(self, path: str, prefix: str, listing: Listing) -> list[Model]:
        entries = []
        for folder in listing.prefixes:
            name = folder[len(prefix) : -1]
            if self._is_listed(name):
                entries.append(models.directory(f"{path}/{name}"))
        for number, stat in enumerate(listing.objects):
            if number % ENTRIES_PER_TURN == 0:
                await asyncio.sleep(0)
            # `dir/` objects, which consoles make, are the folder itself and no entry of it.
            name = stat.key[len(prefix) :]
            if self._is_listed(name):
                shown = self.etags.as_shown(f"{path}/{name}", stat)
                entries.append(models.file(f"{path}/{name}", shown))
        return entries

    def _is_listed(self, name: str) -> bool:
        """Is the name listed? Not if it cannot be in a path at all, or is hidden."""
        if name in {"", ".", ".."}:
            return False
        hidden = name.startswith(".") and not self.manager.allow_hidden
        return not hidden and bool(self.manager.should_list(name))

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
            self.manager.run_pre_save_hooks(model=model, path=path)
        if kind == "directory":
            return await self._create_directory(path)
        if path == self.name or "content" not in model:
            raise errors.ContentsError(400, f"{path}: came without content, expected a file.")
        if chunk is not None:
            return await self._save_chunk(model, path, int(chunk))
        answer: Model = {}
        if kind == "notebook":
            notebook = await models.as_notebook(path, model["content"])
            self.run_notary(self.manager.check_and_sign, notebook, path)
            body, problems = await models.write_notebook(path, notebook)
            self.manager.validate_notebook_model(answer, validation_error=problems)
        else:
            body = models.encode_file(path, model)
        seen = model.get("hash") if model.get("hash_algorithm") == "etag" else None
        seen = ETag.parse(str(seen)) if seen else None
        stat = await self._write(path, body, seen)
        return models.file(path, stat, kind) | answer

    async def _write(self, path: str, body: bytes, seen: ETag | None) -> Stat:
        condition = await self._save_condition(path, seen)
        forget_found()
        try:
            stat = await self._put(path, body, condition)
        except errors.Unconfirmed:
            self.etags.remember_unconfirmed(path, await asyncio.to_thread(Fingerprint.of, body))
            raise
        except errors.ContentsError as error:
            stat = await self._put_again(error, path, body, condition)
        self.etags.remember_saved(path, stat)
        return stat

    async def _put(self, path: str, body: bytes, condition: Condition) -> Stat:
        key = self.key_of(path)
        held = await self.conditional_writes.condition_to_send(key, path, condition)
        return await self.bucket.put(key, path, body, models.content_type(path), held)

    async def _put_again(
        self, error: errors.ContentsError, path: str, body: bytes, condition: Condition
    ) -> Stat:
        """Save over one's own save that was not confirmed, or where the file was deleted since.

        Raises the error if it is neither.
        """
        own = self.etags.unconfirmed(path) if error.status_code == 409 else None
        found = await self.bucket.find_content(self.key_of(path), path, own) if own else None
        if found is not None:
            return await self._put(path, body, Condition(etag=found.etag))
        if error.status_code == 409:
            # Told once: what is saved after that is meant to overwrite.
            self.etags.forget(path)
        if error.status_code != 404 or condition.absent:
            raise error
        # Deleted since it was served: there is no version to lose, so it is made again.
        self.etags.forget(path)
        condition = await self._save_condition(path)
        if not condition.absent:
            raise errors.version_conflict(path) from error
        return await self.bucket.put(
            self.key_of(path), path, body, models.content_type(path), condition
        )

    async def _save_condition(self, path: str, seen: ETag | None = None) -> Condition:
        known = seen or self.etags.get(path)
        if known:
            return Condition(etag=known)
        found = _found_now()
        if found.get(path, "") is None and found.get(path.rpartition("/")[0]) == "directory":
            return Condition(absent=True)
        (stat, folder), _ = await asyncio.gather(
            self.bucket.find(self.key_of(path), path), self.require_no_file_above(path)
        )
        if stat is None and folder:
            raise errors.ContentsError(409, f"{path}: is a folder, and no file can replace it.")
        if stat is None or known == ABSENT:
            return Condition(absent=True)
        return Condition(etag=stat.etag)

    async def require_no_file_above(self, path: str) -> None:
        """Raise 409 if a part of the path is a file: S3 would take it, and no browser show it.

        And 404 in a folder that is none, but what begins like its name, as listings offer it.
        """
        parts = path.split("/")
        above = path.rpartition("/")[0]
        if _found_now().get(above) == "directory":
            return
        if above.endswith("*") and not await self.bucket.list_objects(
            self.prefix_of(above), path, limit=1
        ):
            raise errors.not_found(above)
        folders = ["/".join(parts[:end]) for end in range(2, len(parts))]
        stats = await asyncio.gather(*(self.stat(folder) for folder in folders))
        for folder, stat in zip(folders, stats, strict=True):
            if stat is not None:
                raise errors.ContentsError(409, f"{folder}: is a file, and nothing can be in it.")

    async def _save_chunk(self, model: Model, path: str, chunk: int) -> Model:
        upload = await self.uploads.add(path, chunk, models.encode_file(path, model))
        if chunk != -1:
            return models.file(path, Stat("", ETag(), upload.size, models.UNKNOWN_TIME), "file")
        async with self.uploads.open_complete(path, upload) as file:
            self.etags.forget(path)
            condition = await self._save_condition(path)
            condition = await self.conditional_writes.condition_to_send(
                self.key_of(path), path, condition
            )
            mime = models.content_type(path)
            stat = await multipart.upload(
                self.bucket, self.key_of(path), path, file, upload.size, mime, condition
            )
        self.etags.remember_saved(path, stat)
        return models.file(path, stat, "file")

    async def _create_directory(self, path: str) -> Model:
        """A folder is an empty object whose key ends with a slash."""
        kind, _ = await asyncio.gather(self.kind(path), self.require_no_file_above(path))
        if kind == "file":
            raise errors.ContentsError(409, f"{path}: is a file, and no folder can replace it.")
        if kind is None:
            await self.put_marker(self.prefix_of(path), path)
        return models.directory(path)

    async def put_marker(self, prefix: str, path: str) -> None:
        """Put a folder's marker object, so that it is there while it is empty."""
        forget_found()
        if prefix != self.key_prefix:
            await self.bucket.put(prefix, path, b"", "application/x-directory", Condition())

    async def keep_parent(self, path: str) -> None:
        """Keep the folder that a path was the last one in: only its objects held it."""
        parent = path.rpartition("/")[0]
        prefix = self.prefix_of(parent)
        # What was asked for is done by now: an error here would say otherwise.
        with contextlib.suppress(errors.ContentsError):
            if parent != self.name and not await self.bucket.list_objects(prefix, path, limit=1):
                await self.put_marker(prefix, path)

    async def delete(self, path: str, *, full: bool) -> None:
        """Delete a file, or a folder: one that is not empty only if `full` is true (else 400)."""
        forget_found()
        if path == self.name:
            raise errors.ContentsError(403, f"{path}: is a bucket's folder and cannot be deleted.")
        stat, folder = await self.bucket.find(self.key_of(path), path)
        if stat and folder:
            raise errors.ambiguous(path)
        found = [stat] if stat else await self._list_for_deletion(path, full=full)
        kept = await delete.delete(self.bucket, found, path)
        if not kept:
            self.etags.mark_absent(path)
        if not errors.CONFLICT.isdisjoint(kept.values()):
            raise errors.ContentsError(
                409,
                f"{path}: was saved by someone else just now, and {len(kept)} of {len(found)} "
                "objects were not deleted. Try: look at it, and delete it again.",
            )
        if kept:
            raise errors.ContentsError(
                403, f"{path}: S3 kept {len(kept)} of {len(found)} objects. Try: ask for access."
            )

    async def _list_for_deletion(self, path: str, *, full: bool) -> list[Stat]:
        prefix = self.prefix_of(path)

        def require_empty(found: list[Stat]) -> None:
            # A folder's marker is empty: an object of its name that is not is somebody's work.
            if not full and any(
                (stat.key != prefix or stat.size)
                and not stat.key.startswith(f"{prefix}{CHECKPOINTS}/")
                for stat in found
            ):
                raise errors.ContentsError(
                    400, f"{path}: is not empty. Try: delete what is in it first."
                )

        # The first page tells of most folders that they are not empty, however large they are.
        listing = await self.bucket.list_objects(prefix, path, limit=delete.BATCH)
        require_empty(listing.objects)
        if listing.partial:
            listing = await self.bucket.list_objects(prefix, path)
            require_empty(listing.objects)
        if not listing:
            raise errors.not_found(path)
        return listing.objects
