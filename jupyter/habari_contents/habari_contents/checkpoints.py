"""Checkpoints: one per file, kept beside it, in the home or in its bucket, and never shared.

In a bucket it is the object `FOLDER/.ipynb_checkpoints/NAME-checkpoint.EXT`, as Jupyter has it on a
disk: it outlives the server, moves with its folder, and is hidden from listings.
"""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ParamSpec, Protocol, TypeVar

from jupyter_server.services.contents.checkpoints import AsyncCheckpoints
from tornado.web import HTTPError

from habari_contents import copy, delete, errors, models, multipart, operation, transfer
from habari_contents.endpoints import BucketEndpoint, DiskEndpoint
from habari_contents.models import CHECKPOINTS
from habari_contents.s3_folder import S3Folder
from habari_contents.types import Condition, ETag, MoveEndpoint, Stat

ID = "checkpoint"


P = ParamSpec("P")
T = TypeVar("T")


def _changing(method: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """What it asks of S3 is for a checkpoint, unless it is part of a larger change."""

    @functools.wraps(method)
    async def named(*args: P.args, **kwargs: P.kwargs) -> T:
        with operation.changing("checkpoint"):
            return await method(*args, **kwargs)

    return named


class FolderLookup(Protocol):
    """What the checkpoints ask of the contents manager: which folder a path is in."""

    home: Any
    checkpoints_dir: str

    def folder_of(self, path: str) -> S3Folder | None:
        """The S3 folder that an API path is in, or None for the home."""

    def require_writable(self, *paths: str) -> None:
        """Raise 403 if one of the paths is in a folder that is set to be read only."""


class RoutedCheckpoints(AsyncCheckpoints):
    """The checkpoints of every folder; `parent` is the contents manager."""

    parent: FolderLookup

    @_changing
    async def create_checkpoint(self, _manager: Any, path: str) -> dict[str, Any]:
        """Keep the file as it is now. Raises 404 if there is none."""
        path = path.strip("/")
        self.parent.require_writable(path)
        folder = self.parent.folder_of(path)
        if folder is None:
            home = self.parent.home
            model: dict[str, Any] = await home.checkpoints.create_checkpoint(home, path)
            return model
        self._require_kept(folder, path)
        now = await folder.stat(path)
        if now is None:
            raise errors.not_found(path)
        if folder.checkpoints == "home":
            return await self._keep_at_home(folder, path)
        # Whatever is there by then: a save in between is no reason to refuse a checkpoint.
        kept = replace(now, etag=ETag())
        bucket, key = folder.bucket, checkpoint_key(folder, path)
        made = await copy.copy(bucket, kept, bucket, key, path, Condition())
        return {"id": ID, "last_modified": made.modified}

    def _require_kept(self, folder: S3Folder, path: str) -> None:
        """Raise 403, which JupyterLab takes silently, if the file gets no checkpoint (yet).

        JupyterLab makes one when a file is opened: looking would write into the bucket.
        """
        if folder.checkpoints == "off":
            raise errors.ContentsError(403, f"{path}: is in a folder that keeps no checkpoints.")
        if not folder.etags.was_saved(path):
            raise errors.ContentsError(403, f"{path}: gets a checkpoint once it is saved here.")

    async def _keep_at_home(self, folder: S3Folder, path: str) -> dict[str, Any]:
        source = BucketEndpoint(folder.bucket, folder.key_of(path), path)
        [item] = [each for each in await source.list_items() if not each.relative]
        file = self._file_at_home(folder, path)
        fresh = DiskEndpoint(file.with_name(f"{file.name}.new"), path)
        await asyncio.to_thread(fresh.root.unlink, missing_ok=True)
        await fresh.receive(item, source)
        await asyncio.to_thread(fresh.root.replace, file)
        return {"id": ID, "last_modified": _time_of(file)}

    def _file_at_home(self, folder: S3Folder, path: str) -> Path:
        """Where the checkpoint of a bucket's file is in the home. Raises 404 for dotted parts."""
        folder.key_of(path)
        return Path(self.parent.checkpoints_dir, *path.split("/"))

    @_changing
    async def restore_checkpoint(self, _manager: Any, checkpoint_id: str, path: str) -> None:
        """Put the kept version back over the file. Raises 404 without such a checkpoint."""
        path = path.strip("/")
        self.parent.require_writable(path)
        await self._check(checkpoint_id, path)
        folder = self.parent.folder_of(path)
        if folder is None:
            home = self.parent.home
            await home.checkpoints.restore_checkpoint(home, checkpoint_id, path)
            return
        if folder.checkpoints == "home":
            await self._restore_from_home(folder, path)
            return
        now, kept = await asyncio.gather(
            folder.stat(path), folder.bucket.head(checkpoint_key(folder, path), path)
        )
        if kept is None:
            raise errors.not_found(path)
        over = Condition(etag=now.etag) if now else Condition(absent=True)
        bucket = folder.bucket
        await copy.copy(bucket, kept, bucket, folder.key_of(path), path, over)
        folder.etags.forget(path)

    async def _restore_from_home(self, folder: S3Folder, path: str) -> None:
        file, now = self._file_at_home(folder, path), await folder.stat(path)
        over = Condition(etag=now.etag) if now else Condition(absent=True)
        key, kind = folder.key_of(path), models.content_type(path)
        with await asyncio.to_thread(file.open, "rb") as body:
            size = file.stat().st_size
            await multipart.upload(folder.bucket, key, path, body, size, kind, over)
        folder.etags.forget(path)

    async def list_checkpoints(self, path: str) -> list[dict[str, Any]]:
        """The checkpoint of the file, if it has one."""
        path = path.strip("/")
        folder = self.parent.folder_of(path)
        # What a browser asks for a folder `checkpoints` comes here, too.
        unseen = folder is not None and not folder.etags.get(path)
        if folder is not None and unseen and await folder.kind(path) == "directory":
            raise errors.reserved(f"{path}/checkpoints")
        if folder is None:
            found: list[dict[str, Any]] = await self.parent.home.list_checkpoints(path)
            return found
        if folder.checkpoints == "off":
            return []
        if folder.checkpoints == "home":
            file = self._file_at_home(folder, path)
            return [{"id": ID, "last_modified": _time_of(file)}] if file.is_file() else []
        stat = await folder.bucket.head(checkpoint_key(folder, path), path)
        return [{"id": ID, "last_modified": stat.modified}] if stat else []

    @_changing
    async def delete_checkpoint(self, checkpoint_id: str, path: str) -> None:
        """Drop the checkpoint. Raises 404 without such a one."""
        path = path.strip("/")
        self.parent.require_writable(path)
        await self._check(checkpoint_id, path)
        folder = self.parent.folder_of(path)
        if folder is None:
            await self.parent.home.delete_checkpoint(checkpoint_id, path)
            return
        await self._drop(folder, path)

    async def _drop(self, folder: S3Folder, path: str) -> None:
        """Delete the checkpoint in the bucket or in the home, if there is one."""
        if folder.checkpoints == "home":
            await asyncio.to_thread(self._file_at_home(folder, path).unlink, missing_ok=True)
        elif folder.checkpoints == "beside":
            key = checkpoint_key(folder, path)
            stat = Stat(key, ETag(), 0, models.UNKNOWN_TIME)
            await delete.delete(folder.bucket, [stat], path)

    def endpoint(self, path: str) -> MoveEndpoint:
        """Where the checkpoint of the file at the path is, as a transfer takes it."""
        folder = self.parent.folder_of(path)
        if folder is None:
            return DiskEndpoint(Path(self.parent.home.checkpoints.checkpoint_path(ID, path)), path)
        if folder.checkpoints == "home":
            return DiskEndpoint(self._file_at_home(folder, path), path)
        return BucketEndpoint(folder.bucket, checkpoint_key(folder, path), path)

    async def _check(self, checkpoint_id: str, path: str) -> None:
        if checkpoint_id not in {found["id"] for found in await self.list_checkpoints(path)}:
            raise errors.ContentsError(404, f"{path}: has no checkpoint {checkpoint_id}.")

    async def delete_all_checkpoints(self, path: str) -> None:
        """Drop what the file at the path has."""
        folder = self.parent.folder_of(path)
        if folder is None:
            await self.parent.home.checkpoints.delete_all_checkpoints(path)
        else:
            await self._drop(folder, path.strip("/"))

    async def rename_all_checkpoints(self, old_path: str, new_path: str) -> None:
        """Let a file's checkpoint follow it, between home and buckets too.

        The file has moved by then, so a failure here is logged and no more.
        """
        old, new = self.parent.folder_of(old_path), self.parent.folder_of(new_path)
        if old is None and new is None:
            await self.parent.home.checkpoints.rename_all_checkpoints(old_path, new_path)
            return
        await self.follower(old_path.strip("/"), new_path.strip("/")).follow()

    def follower(self, old: str, new: str) -> CheckpointFollower:
        """What lets the checkpoint of a file that is moved follow it."""
        return CheckpointFollower(self, old, new)

    def is_off(self, path: str) -> bool:
        """Does a file at the path have no checkpoint?"""
        folder = self.parent.folder_of(path)
        return folder is not None and folder.checkpoints == "off"


class CheckpointFollower:
    """The checkpoint of a file that is moved: `copy` once the file was copied, then `follow`.

    The file has moved, or does, so a failure here is logged and no more.
    """

    def __init__(self, checkpoints: RoutedCheckpoints, old: str, new: str) -> None:
        self._checkpoints = checkpoints
        self._old = old
        self._new = new
        self._is_off = checkpoints.is_off(old) or checkpoints.is_off(new)
        # Whether there is one to drop; None until a copy was tried.
        self._copied: bool | None = None

    async def copy(self) -> None:
        """Copy it from bucket to bucket, beside the deletion of the file that it is of."""
        source, target = self._endpoints()
        between = isinstance(source, BucketEndpoint) and isinstance(target, BucketEndpoint)
        if between and not self._is_off:
            await self._or_log(self._copy)

    async def follow(self) -> None:
        """Drop it where it was, once it is where the file is."""
        if not self._is_off:
            await self._or_log(self._follow)

    def _endpoints(self) -> tuple[MoveEndpoint, MoveEndpoint]:
        return self._checkpoints.endpoint(self._old), self._checkpoints.endpoint(self._new)

    async def _or_log(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            with operation.changing("move"):
                await work()
        except HTTPError as error:
            self._copied = False
            log = self._checkpoints.log
            log.warning("The checkpoint of %s did not follow it: %s", self._old, error)

    async def _follow(self) -> None:
        if self._copied is None:
            await self._copy()
        if self._copied:
            await self._checkpoints.delete_all_checkpoints(self._old)

    async def _copy(self) -> None:
        source, target = self._endpoints()
        self._copied = True
        if isinstance(source, BucketEndpoint) and isinstance(target, BucketEndpoint):
            # Over one that is at the target: it belongs to a file that is gone.
            kept = Stat(source.key, ETag(), 0, models.UNKNOWN_TIME)
            try:
                await copy.copy(
                    source.bucket, kept, target.bucket, target.key, self._new, Condition()
                )
            except errors.ContentsError as error:
                if error.status_code != 404:
                    raise
                self._copied = False
        elif await source.is_free():
            self._copied = False
        elif isinstance(source, DiskEndpoint) and isinstance(target, DiskEndpoint):
            await asyncio.to_thread(target.root.parent.mkdir, parents=True, exist_ok=True)
            await asyncio.to_thread(source.root.replace, target.root)
            self._copied = False
        else:
            await self._checkpoints.delete_all_checkpoints(self._new)
            # Without a record: one whose server is killed stays beside a file that is gone.
            await transfer.copy(source, target)


def _time_of(file: Path) -> datetime:
    return datetime.fromtimestamp(file.stat().st_mtime, UTC)


def checkpoint_key(folder: S3Folder, path: str) -> str:
    """The object key of the checkpoint of the file at an API path."""
    parent, _, name = path.rpartition("/")
    stem, extension = os.path.splitext(name)  # noqa: PTH122 - a key is no path of this machine
    return f"{folder.prefix_of(parent)}{CHECKPOINTS}/{stem}-{ID}{extension}"
