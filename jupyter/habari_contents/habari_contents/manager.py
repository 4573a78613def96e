"""The contents manager: home and S3 folders as one tree, by first path component."""

from __future__ import annotations

import itertools
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_data_dir
from jupyter_core.utils import ensure_async
from jupyter_server.services.contents.checkpoints import AsyncCheckpoints
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from jupyter_server.services.contents.manager import AsyncContentsManager, copy_pat
from traitlets import Bool, Dict, Float, Instance, Integer, Type, Unicode, default

from habari_contents import errors, models, operation, transfer
from habari_contents.bucket import Bucket
from habari_contents.checkpoints import RoutedCheckpoints
from habari_contents.client import S3Client
from habari_contents.endpoints import BucketEndpoint, DiskEndpoint
from habari_contents.files import FilesHandler
from habari_contents.journal import MoveJournal
from habari_contents.models import Model
from habari_contents.recovery import MoveRecovery
from habari_contents.s3_folder import S3Folder, forget_found
from habari_contents.settings import FOLDERS_VARIABLE, Deadlines, FolderSettings, parse_folders
from habari_contents.types import MoveEndpoint

# Its methods have no types; as Any they can be called from typed code.
_AsyncContentsManager: Any = AsyncContentsManager


class HabariContentsManager(_AsyncContentsManager):  # type: ignore[misc]
    """Jupyter contents: `NAME/…` is in the S3 folder NAME, all else is in the home.

    Starting needs no S3 and asks none. A folder of the home with the name of an S3 folder is
    hidden by it, which is logged.
    """

    folders = Dict(config=True, help="S3 folders: {name: {'bucket': …, 'prefix': …}}.")
    look_seconds = Float(4.0, config=True, help="Deadline of a look at one object.")
    listing_seconds = Float(15.0, config=True, help="Deadline of a listing.")
    partial_seconds = Float(1.5, config=True, help="After it, what is there is listed.")
    max_listed = Integer(20_000, config=True, help="How many entries a listing has at most.")
    transfer_seconds = Float(6.0, config=True, help="Deadline of a read or save, plus its size.")
    rest_seconds = Float(3.0, config=True, help="How long a bucket that failed is left alone.")
    max_open_bytes = Integer(256 * 1024 * 1024, config=True, help="The largest file to open.")
    always_delete_dir = Bool(False, config=True, help="May S3 folders be deleted that are full?")
    freeze_garbage_collector = Bool(
        False, config=True, help="Freeze Python's collector when S3 is loaded: 80 ms less to stall."
    )
    journal_dir = Unicode(config=True, help="Where moves under way are recorded, in the home.")
    checkpoints_dir = Unicode(config=True, help="Checkpoints of folders with them at home.")
    home: Any = Instance(AsyncLargeFileManager, help="What serves the home.")
    checkpoints_class = Type(RoutedCheckpoints, klass=AsyncCheckpoints, config=True)
    files_handler_class = Type(FilesHandler, config=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        deadlines = Deadlines(
            self.look_seconds, self.listing_seconds, self.transfer_seconds, self.rest_seconds
        )
        folders = parse_folders(self.folders)
        self._client = S3Client(
            requester_pays={each.bucket for each in folders.values() if each.requester_pays},
            freeze_garbage_collector=self.freeze_garbage_collector,
        )
        self._folders: dict[str, S3Folder] = {}
        for name, entry in folders.items():
            self._folders[name] = self._create_folder(name, entry, deadlines)
            if Path(self.root_dir, name).exists():
                self.log.warning("The home's own %s/ is hidden by the S3 folder %s/.", name, name)
        self._journal = MoveJournal(Path(self.journal_dir), self.log)
        self._recovery = MoveRecovery(Path(self.journal_dir), self.endpoint, self.log)

    def _create_folder(self, name: str, entry: FolderSettings, deadlines: Deadlines) -> S3Folder:
        key_prefix = f"{entry.prefix}/" if entry.prefix else ""
        bucket = Bucket(entry.bucket, self._client, deadlines, entry.write_parameters(), key_prefix)
        return S3Folder(name, bucket, self, entry)

    @default("folders")
    def _default_folders(self) -> dict[str, Any]:
        found = parse_folders(os.environ.get(FOLDERS_VARIABLE) or "{}")
        return {name: asdict(folder) for name, folder in found.items()}

    @default("root_dir")
    def _default_root_dir(self) -> str:
        return str(getattr(self.parent, "root_dir", "") or Path.cwd())

    @default("journal_dir")
    def _default_journal_dir(self) -> str:
        return str(Path(jupyter_data_dir(), "habari_contents", "moves"))

    @default("checkpoints_dir")
    def _default_checkpoints_dir(self) -> str:
        return str(Path(jupyter_data_dir(), "habari_contents", "checkpoints"))

    @default("preferred_dir")
    def _default_preferred_dir(self) -> str:
        return str(self.home.preferred_dir)

    @default("home")
    def _default_home(self) -> AsyncLargeFileManager:
        return AsyncLargeFileManager(
            parent=self.parent, log=self.log, root_dir=self.root_dir, allow_hidden=self.allow_hidden
        )

    @default("files_handler_params")
    def _default_files_handler_params(self) -> dict[str, str]:
        return {"path": self.root_dir}

    async def close(self) -> None:
        """Close the connections to S3."""
        await self._client.close()

    def folder_of(self, path: str) -> S3Folder | None:
        """The S3 folder that an API path is in, or None for the home."""
        return self._folders.get(path.strip("/").partition("/")[0])

    def info_string(self) -> str:
        """What the server logs when it starts."""
        return f"{self.home.info_string()}; S3 folders: {', '.join(self._folders) or 'none'}"

    def register_pre_save_hook(self, hook: Any) -> None:
        """Register a hook for saves everywhere; post-save hooks need a disk and are the home's."""
        super().register_pre_save_hook(hook)
        self.home.register_pre_save_hook(hook)

    def register_post_save_hook(self, hook: Any) -> None:
        """Register a hook for what was saved to the home's disk."""
        self.home.register_post_save_hook(hook)

    async def is_hidden(self, path: str) -> bool:
        """Is a part of the path hidden? Never asks S3."""
        if self.folder_of(path) is None:
            return bool(await self.home.is_hidden(path))
        return any(part.startswith(".") for part in path.split("/"))

    async def file_exists(self, path: str) -> bool:
        """Is there a file?"""
        path = path.strip("/")
        folder = self.folder_of(path)
        if folder is None:
            return bool(await self.home.file_exists(path))
        # Each save begins with it.
        with operation.changing("save"):
            return await folder.file_exists(path)

    async def dir_exists(self, path: str) -> bool:
        """Is there a folder?"""
        path = path.strip("/")
        folder = self.folder_of(path)
        if folder is None:
            return bool(await self.home.dir_exists(path))
        return await folder.kind(path) == "directory"

    async def exists(self, path: str) -> bool:
        """Is there anything?"""
        path = path.strip("/")
        folder = self.folder_of(path)
        if folder is None:
            return bool(await ensure_async(self.home.exists(path)))
        return await folder.kind(path) is not None

    async def get(
        self,
        path: str,
        content: bool = True,
        type: str | None = None,
        format: str | None = None,
        require_hash: bool = False,
    ) -> Model:
        """The model at the path; S3 files always have their ETag as `hash`."""
        path = path.strip("/")
        folder = self.folder_of(path)
        if folder is None:
            model: Model = await self.home.get(path, content, type, format, require_hash)
            return self._add_s3_folders(model) if not path and content else model
        # Not at start: that asks S3 nothing.
        self._recovery.schedule()
        model = await folder.get(path, content=bool(content), kind=type, form=format)
        self.emit(data={"action": "get", "path": path})
        return _mark_read_only(model) if folder.readonly else model

    def _add_s3_folders(self, root: Model) -> Model:
        """The root's listing with the S3 folders in it, from what is configured alone."""
        own = [entry for entry in root["content"] if entry["name"] not in self._folders]
        root["content"] = own + [
            models.directory(name) | {"writable": not folder.readonly}
            for name, folder in self._folders.items()
        ]
        return root

    def require_writable(self, *paths: str) -> None:
        """Raise 403 if one of the paths is in a folder that is set to be read only."""
        for path in paths:
            folder = self.folder_of(path)
            if folder is not None and folder.readonly:
                raise errors.read_only(path)

    async def save(self, model: Model, path: str = "") -> Model:
        """Save a file, notebook, folder or chunk."""
        path = path.strip("/")
        folder = self.folder_of(path)
        if folder is None:
            saved: Model = await self.home.save(model, path)
            return saved
        self.require_writable(path)
        with operation.changing("save"):
            saved = await folder.save(model, path)
        self.emit(data={"action": "save", "path": path})
        return saved

    async def delete(self, path: str) -> None:
        """Delete a file or folder and its checkpoints."""
        if self.folder_of(path) is None:
            await self.home.delete(path)
        else:
            with operation.changing("deletion"):
                await self._delete(path.strip("/"))

    async def _delete(self, path: str) -> None:
        folder = self.folder_of(path)
        await self.delete_file(path)
        await self.checkpoints.delete_all_checkpoints(path)
        if folder is not None:
            # Its checkpoint held the folder, too.
            await folder.keep_parent(path)
        self.emit(data={"action": "delete", "path": path})

    async def delete_file(self, path: str) -> None:
        """Delete a file or folder of an S3 folder."""
        folder = self.folder_of(path)
        self.require_writable(path)
        if folder is None:
            await self.home.delete_file(path)
        else:
            with operation.changing("deletion"):
                await folder.delete(path, full=self.always_delete_dir)

    async def rename(self, old_path: str, new_path: str) -> None:
        """Move a file and its checkpoint, or a folder, which has those of its files in it."""
        old, new = old_path.strip("/"), new_path.strip("/")
        if self.folder_of(old) is None and self.folder_of(new) is None:
            await super().rename(old, new)
            return
        known = isinstance(self.checkpoints, RoutedCheckpoints)
        checkpoint = self.checkpoints.follower(old, new) if known else None
        single = await self._rename_file(old, new, checkpoint.copy if checkpoint else None)
        # At once: until they hear of it, others look for the file where it was.
        self.emit(data={"action": "rename", "path": new, "source_path": old})
        if single and checkpoint:
            await checkpoint.follow()
        elif single:
            await self.checkpoints.rename_all_checkpoints(old, new)

    async def rename_file(self, old_path: str, new_path: str) -> None:
        """Move a file or folder, between home and buckets too. Raises 409 with a target."""
        await self._rename_file(old_path.strip("/"), new_path.strip("/"))

    async def _rename_file(
        self, old: str, new: str, meanwhile: transfer.Meanwhile | None = None
    ) -> bool:
        """Move; is it a file? Then `meanwhile` runs beside the deletion of the source."""
        if old == new:
            return False
        self._require_movable(old, new)
        if self.folder_of(new) is not None:
            models.require_usable(new)
        self.require_writable(old, new)
        if self.folder_of(old) is None and self.folder_of(new) is None:
            await self.home.rename_file(old, new)
            return True
        with operation.changing("move"):
            return await self._move(old, new, meanwhile)

    async def _move(self, old: str, new: str, meanwhile: transfer.Meanwhile | None) -> bool:
        forget_found()
        source, target = self.folder_of(old), self.folder_of(new)
        beside = old.rpartition("/")[0] == new.rpartition("/")[0]
        if not beside:
            await self._require_no_file_above(new)
        end = self.endpoint(new)
        moved = await transfer.move(self.endpoint(old), end, self._journal, meanwhile)
        if target is not None:
            target.etags.forget(new)
            self._remember_made(end)
        if source is not None and target is not None:
            target.etags.carry(source.etags, old, new, moved.items, moved.made)
        if source is not None:
            source.etags.mark_absent(old)
            if not beside:
                await source.keep_parent(old)
        return [item.relative for item in moved.items] == [""]

    def _remember_made(self, end: MoveEndpoint) -> None:
        """Jupyter asks next for the model of the file that was made."""
        folder = self.folder_of(end.path)
        if folder is not None and isinstance(end, BucketEndpoint) and "" in end.made:
            folder.etags.remember_made(end.path, end.made[""])

    def _require_movable(self, old: str, new: str) -> None:
        if old in self._folders or not old:
            raise errors.ContentsError(403, f"{old}: is a bucket's folder and cannot be moved.")
        if new in self._folders or not new:
            raise errors.already_exists(new)
        if new.startswith(old + "/"):
            raise errors.ContentsError(409, f"{old}: cannot be moved into itself.")

    async def _require_no_file_above(self, path: str) -> None:
        folder = self.folder_of(path)
        if folder is not None:
            await folder.require_no_file_above(path)

    def endpoint(self, path: str) -> MoveEndpoint:
        """The file or folder at an API path, as a transfer takes it."""
        folder = self.folder_of(path)
        if folder is None:
            return DiskEndpoint(Path(self.home._get_os_path(path)), path)
        return BucketEndpoint(folder.bucket, folder.key_of(path), path)

    async def trust_notebook(self, path: str) -> None:
        """Sign what is in a notebook; what a browser asks for a folder `trust` comes here, too."""
        path = path.strip("/")
        folder = self.folder_of(path)
        if folder is not None and await folder.kind(path) == "directory":
            raise errors.reserved(f"{path}/trust")
        await super().trust_notebook(path)

    async def copy(self, from_path: str, to_path: str | None = None) -> Model:
        """Copy a file or folder into the folder `to_path`, or to that very path."""
        source = from_path.strip("/")
        target = source.rpartition("/")[0] if to_path is None else to_path.strip("/")
        if self.folder_of(source) is None and self.folder_of(target) is None:
            model: Model = await self.home.copy(source, target)
            return model
        self._require_movable(source, f"{target}/")
        self.require_writable(target)
        with operation.changing("copy"):
            target = await self._copy(source, target)
        self.emit(data={"action": "copy", "path": target, "source_path": source})
        return await self.get(target, content=False)

    async def _copy(self, source: str, target: str) -> str:
        """Where the copy is."""
        listed = False
        if await self.dir_exists(target):
            listed = self.folder_of(target) is not None
            target = f"{target}/{await self._name_of_copy(source.rpartition('/')[2], target)}"
        else:
            if await self.dir_exists(source):
                # As on a disk: the folder that a folder is copied into is made.
                target = f"{target}/{source.rpartition('/')[2]}"
            await self._require_no_file_above(target)
        target = target.strip("/")
        if self.folder_of(target) is not None:
            models.require_usable(target)
        forget_found()
        end = self.endpoint(target)
        await transfer.copy(self.endpoint(source), end, free=listed)
        self._remember_made(end)
        return target

    async def _name_of_copy(self, name: str, path: str) -> str:
        """The name itself where it is free, else one with a number."""
        folder = self.folder_of(path)
        if folder is None:
            if not await self.exists(f"{path}/{name}"):
                return name
            return await self.increment_filename(copy_pat.sub(".", name), path, insert="-Copy")
        plain = copy_pat.sub(".", name)
        # `x` of both `x.txt` and `x-Copy1.txt`: one listing tells of all names there may be.
        begin = _split_name(plain)[0]
        begin = begin if name.startswith(begin) else name.partition("-Copy")[0]
        taken, more = await folder.names_beginning(path, begin)
        if name not in taken and not (more and await folder.kind(f"{path}/{name}")):
            return name
        return await self._free_name(plain, path, "-Copy", taken, more=more)

    async def increment_filename(self, filename: str, path: str = "", insert: str = "") -> str:
        """A name that is free in a folder; in S3 by one listing of all that begin like it."""
        folder = self.folder_of(path)
        if folder is None:
            name: str = await super().increment_filename(filename, path, insert)
            return name
        path = path.strip("/")
        taken, more = await folder.names_beginning(path, _split_name(filename)[0])
        found = await self._free_name(filename, path, insert, taken, more=more)
        folder.note_free(f"{path}/{found}")
        return found

    async def _free_name(
        self, filename: str, path: str, insert: str, taken: set[str], *, more: bool
    ) -> str:
        """The first name that is free; if `more` are taken than is known, one that is asked for."""
        base, rest = _split_name(filename)
        folder = self._folders[path.partition("/")[0]]
        # Of a million names the twentieth that is asked for is free.
        doubled = (2**power for power in itertools.count())
        for number in itertools.chain((0,), doubled) if more else itertools.count():
            name = f"{base}{f'{insert}{number}' if number else ''}{rest}"
            if name in taken or f"{path}/{name}" in folder.uploads:
                continue
            if not more or await folder.kind(f"{path}/{name}") is None:
                return name
        raise AssertionError  # there is no last number

    async def get_kernel_path(self, path: str, model: Model | None = None) -> str:
        """Where a notebook's kernel starts: in the home if it is in S3, which is no directory."""
        if self.folder_of(path) is not None:
            return ""
        return str(await self.home.get_kernel_path(path, model))

    async def resolve_path(self, path: str) -> str | None:
        """The API path of a path on this server's disk, or None."""
        found: str | None = await ensure_async(self.home.resolve_path(path))
        return found


def _split_name(filename: str) -> tuple[str, str]:
    """A name in front of where a number goes in, and the rest, as Jupyter does it on a disk."""
    base, dot, extension = filename.rpartition(".")
    if extension != "ipynb":
        base, dot, extension = filename.partition(".")
    return base, dot + extension


def _mark_read_only(model: Model) -> Model:
    entries = model["content"] if model["type"] == "directory" and model["content"] else ()
    for each in (model, *entries):
        each["writable"] = False
    return model
