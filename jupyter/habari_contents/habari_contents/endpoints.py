"""The two kinds of endpoint that `transfer` moves between: the disk, and keys in a bucket."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from habari_contents import copy, delete, disk, errors, multipart
from habari_contents.bucket import Bucket, read_stat
from habari_contents.content import Digest, Fingerprint
from habari_contents.models import UNKNOWN_TIME, content_type
from habari_contents.types import Condition, ETag, Item, MoveEndpoint, Stat

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html ; Linux: limits.h
KEY_BYTES = 1024
NAME_BYTES = 255
PATH_BYTES = 4095


@dataclass(frozen=True, slots=True)
class BucketEndpoint:
    """A file or folder in a bucket; `key` has no slash at its end."""

    bucket: Bucket
    key: str
    path: str
    # What was made here, by the item that it was made of.
    made: dict[str, Stat] = field(default_factory=dict, compare=False)

    async def list_items(self, *, only: bool = False) -> list[Item]:
        """The object, else all objects under it; folder markers first.

        With `only`, raises 409 if there is both: whoever asks can't say which is meant.
        """
        stat, folder = await self.bucket.find(self.key, self.path)
        if only and stat and folder:
            raise errors.ambiguous(self.path)
        if stat:
            return [Item("", stat.size, str(stat.etag), stat.storage_class)]
        if not folder:
            return []
        found = (await self.bucket.list_objects(f"{self.key}/", self.path)).objects
        items = [Item(s.key[len(self.key) :], s.size, str(s.etag), s.storage_class) for s in found]
        return sorted(items, key=lambda item: (not item.is_folder, item.relative))

    async def is_free(self) -> bool:
        """Is nothing here?"""
        stat, folder = await self.bucket.find(self.key, self.path)
        return stat is None and not folder

    def require_takes(self, items: Sequence[Item]) -> None:
        """Raise 400 for a name that is too long for S3."""
        for item in items:
            if len((self.key + item.relative).encode()) > KEY_BYTES:
                raise errors.ContentsError(
                    400, f"{self.path}{item.relative}: has a name that is too long for S3."
                )

    def stat(self, item: Item) -> Stat:
        """The object of an item of this place."""
        return Stat(
            self.key + item.relative,
            ETag.parse(item.version),
            item.size,
            UNKNOWN_TIME,
            storage_class=item.storage_class,
        )

    async def receive(self, item: Item, source: MoveEndpoint) -> str:
        """Server-side copy from a bucket, upload from the disk; the copy's ETag."""
        key, path = self.key + item.relative, self.path + item.relative
        if item.is_folder and not item.size:
            # Not copied: some stores (versitygw) take no copy of a folder.
            kind = "application/x-directory"
            made = await self.bucket.put(key, path, b"", kind, Condition(absent=True))
            return str(made.etag)
        if isinstance(source, BucketEndpoint):
            stat, absent = source.stat(item), Condition(absent=True)
            made = await copy.copy(source.bucket, stat, self.bucket, key, path, absent)
            # The same ETag is the same content; another one may be too (encryption, parts).
            found = made if made.etag == stat.etag else await self.bucket.head(key, path)
            if found is None or found.size != item.size or found.etag != made.etag:
                raise errors.ContentsError(502, f"{path}: the copy is not what was copied.")
            self.made[item.relative] = made
            return str(made.etag)
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
        self.made[item.relative] = made
        return str(made.etag)

    async def find_copies(self, items: Sequence[Item], source: MoveEndpoint) -> list[Item]:
        """What has the content of the item: by its version, by S3's checksums, or as it is read."""
        here = {item.relative: item for item in await self.list_items()}
        found = []
        for item in items:
            mine = here.get(item.relative)
            if mine is None or mine.size != item.size:
                continue
            if not item.is_folder or item.size:
                same = (
                    await self._is_copy_of_object(mine, source.stat(item), source.bucket)
                    if isinstance(source, BucketEndpoint)
                    else await self._is_copy_of_file(mine, source, item)
                )
                if not same:
                    continue
            found.append(mine)
        return found

    async def _is_copy_of_object(self, mine: Item, stat: Stat, source: Bucket) -> bool:
        if mine.version == str(stat.etag):
            return True
        one, other = await asyncio.gather(
            source.head(stat.key, self.path), self.bucket.head(self.key + mine.relative, self.path)
        )
        if one is None or other is None or one.etag != stat.etag or str(other.etag) != mine.version:
            return False
        return await copy.same_content(source, one, self.bucket, other, self.path)

    async def _is_copy_of_file(self, mine: Item, source: MoveEndpoint, item: Item) -> bool:
        if not isinstance(source, DiskEndpoint):
            raise TypeError(source)
        stat = self.stat(mine)
        md5 = await asyncio.to_thread(disk.md5, source.file(item))
        if md5 == stat.etag.value:
            return True
        return await self.bucket.read_back(stat, self.path) == Fingerprint(item.size, md5)

    async def delete_unchanged(self, items: Sequence[Item]) -> list[Item]:
        """Delete what a last look shows unchanged."""
        now = {item.relative: item.version for item in await self._look_at(items)}
        same = [item for item in items if now.get(item.relative) == item.version]
        refused = await delete.delete(self.bucket, [self.stat(item) for item in same], self.path)
        gone = {item for item in same if self.key + item.relative not in refused}
        return [item for item in items if item not in gone and item.relative in now]

    async def _look_at(self, items: Sequence[Item]) -> list[Item]:
        """What is there of the items now: a single file takes one look."""
        if [item.relative for item in items] != [""]:
            return await self.list_items()
        stat = await self.bucket.head(self.key, self.path)
        return [Item("", stat.size, str(stat.etag))] if stat else []


@dataclass(frozen=True, slots=True)
class DiskEndpoint:
    """A file or folder on the disk of this server."""

    root: Path
    path: str

    def file(self, item: Item) -> Path:
        """Where an item of this place is. Raises 400 for a name that would lead elsewhere."""
        parts = [part for part in item.relative.split("/") if part]
        if any(
            part in {".", ".."} or "\0" in part or len(os.fsencode(part)) > NAME_BYTES
            for part in parts
        ):
            raise errors.ContentsError(
                400, f"{self.path}{item.relative}: no disk can have this name."
            )
        return self.root.joinpath(*parts)

    async def list_items(self, *, only: bool = False) -> list[Item]:  # noqa: ARG002 - as in S3
        """The file, or all folders and files under it."""
        return await asyncio.to_thread(self._list_items)

    async def is_free(self) -> bool:
        """Is nothing here?"""
        return not await asyncio.to_thread(os.path.lexists, self.root)

    def require_takes(self, items: Sequence[Item]) -> None:
        """Raise 400 for what no disk can have: long names, and folders that have a content."""
        for item in items:
            if item.is_folder and item.size:
                raise errors.ContentsError(
                    400,
                    f"{self.path}{item.relative}: has a content under a folder's name, which no "
                    "disk can have. Try: give it another name in S3.",
                )
            file = self.file(item)
            if len(os.fsencode(file)) > PATH_BYTES or len(os.fsencode(file.name)) > NAME_BYTES:
                raise errors.ContentsError(
                    400, f"{self.path}{item.relative}: has a name that is too long for a disk."
                )

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
        found = []
        for item in items:
            if not isinstance(source, BucketEndpoint):
                raise TypeError(source)
            file = self.file(item)
            await asyncio.to_thread(disk.partial_path(file).unlink, missing_ok=True)
            if item.is_folder:
                found += [item] if file.is_dir() else []
                continue
            here = await asyncio.to_thread(_facts, file)
            if here is None or here[0].size != item.size:
                continue
            content, version = here
            stat = source.stat(item)
            if content.md5 == stat.etag.value or (
                await source.bucket.read_back(stat, source.path) == content
            ):
                found.append(Item(item.relative, item.size, version))
        return found

    async def _download(self, item: Item, source: BucketEndpoint, write: object) -> None:
        stat, path = source.stat(item), source.path + item.relative
        answer = await source.bucket.open(stat.key, path)
        seen, digest = read_stat(stat.key, path, answer), Digest()
        async for piece in source.bucket.iter_chunks(answer, path):
            digest.update(piece)
            try:
                await asyncio.to_thread(write, piece)  # type: ignore[arg-type]
            except OSError as error:
                raise errors.ContentsError(507, f"{self.path}: the disk took no more.") from error
        if seen.etag != stat.etag or seen.size != stat.size:
            raise errors.ContentsError(409, f"{path}: changed meanwhile.")
        await source.bucket.require_content(seen, path, digest.fingerprint())

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


def _facts(file: Path) -> tuple[Fingerprint, str] | None:
    """What is in a file, and which version that is; None if it is none."""
    if not file.is_file() or file.is_symlink():
        return None
    before = disk.version(file)
    content = Fingerprint(file.stat().st_size, disk.md5(file))
    return (content, before) if disk.version(file) == before else None
