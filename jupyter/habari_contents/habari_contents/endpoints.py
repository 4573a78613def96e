"""The two kinds of endpoint that `transfer` moves between: the disk, and keys in a bucket."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from habari_contents import copy, delete, disk, errors, multipart
from habari_contents.bucket import Bucket
from habari_contents.models import UNKNOWN_TIME, content_type
from habari_contents.types import Condition, Item, MoveEndpoint, Stat


@dataclass(frozen=True, slots=True)
class BucketEndpoint:
    """A file or folder in a bucket; `key` has no slash at its end."""

    bucket: Bucket
    key: str
    path: str

    async def list_items(self) -> list[Item]:
        """The object, else all objects under it; folder markers first."""
        stat = await self.bucket.head(self.key, self.path)
        if stat:
            return [Item("", stat.size, stat.etag)]
        found = (await self.bucket.list_objects(f"{self.key}/", self.path)).objects
        items = [Item(s.key[len(self.key) :], s.size, s.etag) for s in found]
        return sorted(items, key=lambda item: (not item.is_folder, item.relative))

    def stat(self, item: Item) -> Stat:
        """The object of an item of this place."""
        return Stat(self.key + item.relative, item.version, item.size, UNKNOWN_TIME)

    async def receive(self, item: Item, source: MoveEndpoint) -> str:
        """Server-side copy from a bucket, upload from the disk; the copy's ETag."""
        key, path = self.key + item.relative, self.path + item.relative
        if item.is_folder and not item.size:
            # Not copied: some stores (versitygw) take no copy of a folder.
            kind = "application/x-directory"
            return (await self.bucket.put(key, path, b"", kind, Condition(absent=True))).etag
        if isinstance(source, BucketEndpoint):
            stat, absent = source.stat(item), Condition(absent=True)
            made = await copy.copy(source.bucket, stat, self.bucket, key, path, absent)
            # The same ETag is the same content; another one may be too (encryption, parts).
            found = made if made.etag == item.version else await self.bucket.head(key, path)
            if found is None or found.size != item.size or found.etag != made.etag:
                raise errors.ContentsError(502, f"{path}: the copy is not what was copied.")
            return made.etag
        if not isinstance(source, DiskEndpoint):
            raise TypeError(source)
        return await self._upload(item, source, key, path)

    async def _upload(self, item: Item, source: DiskEndpoint, key: str, path: str) -> str:
        try:
            file = await asyncio.to_thread(source.file(item).open, "rb")
        except OSError as error:
            raise errors.ContentsError(403, f"{source.path}{item.relative}: unreadable.") from error
        with file:
            made = await multipart.upload(
                self.bucket, key, path, file, item.size, content_type(key), Condition(absent=True)
            )
        if made.size != item.size or disk.version(source.file(item)) != item.version:
            raise errors.ContentsError(409, f"{source.path}{item.relative}: changed meanwhile.")
        return made.etag

    async def find_copies(self, items: Sequence[Item], source: MoveEndpoint) -> list[Item]:
        """What has the same ETag as the item in a bucket, or the MD5 of the one on a disk."""
        here = {item.relative: item for item in await self.list_items()}
        found = []
        for item in items:
            mine = here.get(item.relative)
            if mine is None or mine.size != item.size:
                continue
            version = item.version
            if isinstance(source, DiskEndpoint) and not item.is_folder:
                version = f'"{await asyncio.to_thread(disk.md5, source.file(item))}"'
            if item.is_folder or mine.version == version:
                found.append(mine)
        return found

    async def delete_unchanged(self, items: Sequence[Item]) -> list[Item]:
        """Delete what a last look shows unchanged."""
        now = {item.relative: item.version for item in await self.list_items()}
        same = [item for item in items if now.get(item.relative) == item.version]
        refused = await delete.delete(self.bucket, [self.stat(item) for item in same], self.path)
        gone = {item for item in same if self.key + item.relative not in refused}
        return [item for item in items if item not in gone and item.relative in now]


@dataclass(frozen=True, slots=True)
class DiskEndpoint:
    """A file or folder on the disk of this server."""

    root: Path
    path: str

    def file(self, item: Item) -> Path:
        """Where an item of this place is. Raises 400 for a name that would lead elsewhere."""
        parts = [part for part in item.relative.split("/") if part]
        if any(
            part in {".", ".."} or "\0" in part or len(os.fsencode(part)) > 255 for part in parts
        ):
            raise errors.ContentsError(
                400, f"{self.path}{item.relative}: no disk can have this name."
            )
        return self.root.joinpath(*parts)

    async def list_items(self) -> list[Item]:
        """The file, or all folders and files under it."""
        return await asyncio.to_thread(self._list_items)

    def _list_items(self) -> list[Item]:
        if not os.path.lexists(self.root):
            return []
        if not self.root.is_dir() or self.root.is_symlink():
            return [self._item(self.root, "")]
        items = [Item("/", 0, "")]
        for folder, folders, files in os.walk(self.root):
            base = "/" + Path(folder).relative_to(self.root).as_posix() + "/"
            base = base.replace("/./", "/")
            items += [self._item(Path(folder) / name, f"{base}{name}/") for name in sorted(folders)]
            items += [self._item(Path(folder) / name, f"{base}{name}") for name in sorted(files)]
        return items

    def _item(self, file: Path, relative: str) -> Item:
        try:
            relative.encode("utf-8")
        except UnicodeEncodeError as error:
            raise errors.ContentsError(
                400, f"{self.path}: has a name that is not UTF-8."
            ) from error
        if file.is_symlink() or not (file.is_file() or file.is_dir()):
            raise errors.ContentsError(
                400, f"{self.path}{relative}: is a link or a device and cannot be moved to S3."
            )
        if relative.endswith("/"):
            return Item(relative, 0, "")
        return Item(relative, file.stat().st_size, disk.version(file))

    async def receive(self, item: Item, source: MoveEndpoint) -> str:
        """Download from a bucket into a new file; its version."""
        if not isinstance(source, BucketEndpoint):
            raise TypeError(source)
        file = self.file(item)
        try:
            if item.is_folder:
                await asyncio.to_thread(file.mkdir, parents=True, exist_ok=item.relative != "/")
                return ""
            await asyncio.to_thread(file.parent.mkdir, parents=True, exist_ok=True)
            # Half a file never has the name of a whole one, should the server be killed now.
            partial = disk.partial_path(file)
            target = await asyncio.to_thread(disk.create_partial, partial)
        except FileExistsError as error:
            raise errors.already_exists(self.path + item.relative) from error
        except OSError as error:
            raise errors.ContentsError(507, f"{self.path}: the disk took no more.") from error
        try:
            with target:
                await self._download(item, source, target.write)
            await asyncio.to_thread(disk.publish, partial, file)
        except FileExistsError as error:
            raise errors.already_exists(self.path + item.relative) from error
        finally:
            partial.unlink(missing_ok=True)
            disk.remove_empty_parents(file, self.root)
        return disk.version(file)

    async def find_copies(self, items: Sequence[Item], source: MoveEndpoint) -> list[Item]:
        """What has the content of the item in the bucket; halves are deleted."""
        return await asyncio.to_thread(self._find_copies, items, source)

    def _find_copies(self, items: Sequence[Item], source: MoveEndpoint) -> list[Item]:
        found = []
        for item in items:
            file = self.file(item)
            disk.partial_path(file).unlink(missing_ok=True)
            if item.is_folder and file.is_dir():
                found.append(item)
            elif file.is_file() and not file.is_symlink() and file.stat().st_size == item.size:
                md5 = source.stat(item).md5 if isinstance(source, BucketEndpoint) else None
                if md5 == disk.md5(file):
                    found.append(Item(item.relative, item.size, disk.version(file)))
        return found

    async def _download(self, item: Item, source: BucketEndpoint, write: object) -> None:
        stat, path = source.stat(item), source.path + item.relative
        answer = await source.bucket.open(stat.key, path)
        digest, size = hashlib.md5(usedforsecurity=False), 0
        async for piece in multipart.iter_chunks(source.bucket, answer, path):
            digest.update(piece)
            size += len(piece)
            try:
                await asyncio.to_thread(write, piece)  # type: ignore[arg-type]
            except OSError as error:
                raise errors.ContentsError(507, f"{self.path}: the disk took no more.") from error
        if answer["ETag"] != stat.etag or size != stat.size:
            raise errors.ContentsError(409, f"{path}: changed meanwhile.")
        if stat.md5 and stat.md5 != digest.hexdigest():
            raise errors.ContentsError(502, f"{path}: the copy is not what was copied.")

    async def delete_unchanged(self, items: Sequence[Item]) -> list[Item]:
        """Delete the files that are unchanged, and then the folders that are empty.

        Folders that no item names are those that a bucket has no marker for: made with their files.
        """
        return await asyncio.to_thread(self._delete_unchanged, items)

    def _delete_unchanged(self, items: Sequence[Item]) -> list[Item]:
        left = []
        for item in sorted(items, key=lambda item: item.relative, reverse=True):
            file = self.file(item)
            try:
                if item.is_folder:
                    file.rmdir()
                elif disk.version(file) == item.version:
                    file.unlink()
                    disk.remove_empty_parents(file, self.root)
                else:
                    left.append(item)
            except FileNotFoundError:
                continue
            except OSError:
                left.append(item)
        return left
