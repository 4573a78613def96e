"""Checkpoints: one per file, kept beside it, in the home or in its bucket, and never shared.

In a bucket it is the object `FOLDER/.ipynb_checkpoints/NAME-checkpoint.EXT`, as Jupyter has it on a
disk: it outlives the server, moves with its folder, and is hidden from listings.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from jupyter_server.services.contents.checkpoints import AsyncCheckpoints
from tornado.web import HTTPError

from habari_contents import copy, delete, errors, models, transfer
from habari_contents.endpoints import BucketEndpoint, DiskEndpoint
from habari_contents.models import CHECKPOINTS
from habari_contents.s3_folder import S3Folder
from habari_contents.types import Condition, MoveEndpoint, Stat

ID = "checkpoint"


class FolderLookup(Protocol):
    """What the checkpoints ask of the contents manager: which folder a path is in."""

    home: Any

    def folder_of(self, path: str) -> S3Folder | None:
        """The S3 folder that an API path is in, or None for the home."""

    def require_writable(self, *paths: str) -> None:
        """Raise 403 if one of the paths is in a folder that is set to be read only."""


class RoutedCheckpoints(AsyncCheckpoints):
    """The checkpoints of every folder; `parent` is the contents manager."""

    parent: FolderLookup

    async def create_checkpoint(self, _manager: Any, path: str) -> dict[str, Any]:
        """Keep the file as it is now. Raises 404 if there is none."""
        path = path.strip("/")
        self.parent.require_writable(path)
        folder = self.parent.folder_of(path)
        if folder is None:
            home = self.parent.home
            model: dict[str, Any] = await home.checkpoints.create_checkpoint(home, path)
            return model
        now = await folder.stat(path)
        if now is None:
            raise errors.not_found(path)
        # Whatever is there by then: a save in between is no reason to refuse a checkpoint.
        kept = replace(now, etag="")
        bucket, key = folder.bucket, checkpoint_key(folder, path)
        made = await copy.copy(bucket, kept, bucket, key, path, Condition())
        return {"id": ID, "last_modified": made.modified}

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
        now, kept = await asyncio.gather(
            folder.stat(path), folder.bucket.head(checkpoint_key(folder, path), path)
        )
        if kept is None:
            raise errors.not_found(path)
        over = Condition(etag=now.etag) if now else Condition(absent=True)
        bucket = folder.bucket
        await copy.copy(bucket, kept, bucket, folder.key_of(path), path, over)
        folder.etags.forget(path)

    async def list_checkpoints(self, path: str) -> list[dict[str, Any]]:
        """The checkpoint of the file, if it has one."""
        path = path.strip("/")
        folder = self.parent.folder_of(path)
        if folder is None:
            found: list[dict[str, Any]] = await self.parent.home.list_checkpoints(path)
            return found
        stat = await folder.bucket.head(checkpoint_key(folder, path), path)
        return [{"id": ID, "last_modified": stat.modified}] if stat else []

    async def delete_checkpoint(self, checkpoint_id: str, path: str) -> None:
        """Drop the checkpoint. Raises 404 without such a one."""
        path = path.strip("/")
        self.parent.require_writable(path)
        await self._check(checkpoint_id, path)
        folder = self.parent.folder_of(path)
        if folder is None:
            await self.parent.home.delete_checkpoint(checkpoint_id, path)
            return
        key = checkpoint_key(folder, path)
        await delete.delete(folder.bucket, [Stat(key, "", 0, models.UNKNOWN_TIME)], path)

    def _endpoint(self, path: str) -> MoveEndpoint:
        folder = self.parent.folder_of(path)
        if folder is None:
            return DiskEndpoint(Path(self.parent.home.checkpoints.checkpoint_path(ID, path)), path)
        return BucketEndpoint(folder.bucket, checkpoint_key(folder, path), path)

    async def _check(self, checkpoint_id: str, path: str) -> None:
        if checkpoint_id not in {found["id"] for found in await self.list_checkpoints(path)}:
            raise errors.ContentsError(404, f"{path}: has no checkpoint {checkpoint_id}.")

    async def delete_all_checkpoints(self, path: str) -> None:
        """Drop what the file at the path has."""
        for found in await self.list_checkpoints(path):
            await self.delete_checkpoint(found["id"], path)

    async def rename_all_checkpoints(self, old_path: str, new_path: str) -> None:
        """Let a file's checkpoint follow it, between home and buckets too.

        The file has moved by then, so a failure here is logged and no more.
        """
        folders = self.parent.folder_of(old_path), self.parent.folder_of(new_path)
        if folders == (None, None):
            await self.parent.home.checkpoints.rename_all_checkpoints(old_path, new_path)
            return
        try:
            if not await self.list_checkpoints(old_path):
                return
            # One that is at the target already belongs to a file that is gone.
            await self.delete_all_checkpoints(new_path)
            # Without a record: one whose server is killed stays beside a file that is gone.
            await transfer.copy(self._endpoint(old_path), self._endpoint(new_path))
            await self.delete_all_checkpoints(old_path)
        except HTTPError as error:
            self.log.warning("The checkpoint of %s did not follow it: %s", old_path, error)


def checkpoint_key(folder: S3Folder, path: str) -> str:
    """The object key of the checkpoint of the file at an API path."""
    parent, _, name = path.rpartition("/")
    stem, extension = os.path.splitext(name)  # noqa: PTH122 - a key is no path of this machine
    return f"{folder.prefix_of(parent)}{CHECKPOINTS}/{stem}-{ID}{extension}"
