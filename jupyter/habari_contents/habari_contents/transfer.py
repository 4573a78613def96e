"""Moves and copies of files and folders between the home and buckets without losing any.

Order: take stock of the source, refuse a target that is there, copy create-only, verify every copy,
and only then delete what is still the version that was copied. Until then a failure leaves the
source as it was, and takes back the copies that were made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from habari_contents import errors
from habari_contents.journal import MoveJournal
from habari_contents.multipart import run_limited
from habari_contents.types import Item, MoveEndpoint

SMALL = 1 << 20  # bytes
# Half of the connections to S3: saves go on beside it.
CONCURRENT_SMALL, CONCURRENT_LARGE = 16, 8
# What is done beside the deletion of the source.
Meanwhile = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Moved:
    """What was moved: the items of the source, and those that were made of them."""

    items: Sequence[Item]
    made: Sequence[Item]


async def copy(source: MoveEndpoint, target: MoveEndpoint, *, free: bool = False) -> None:
    """Copy a file or folder, whole or not at all. Raises 404 and 409 for source and target.

    `free` says that a listing just showed nothing at the target.
    """
    items = await _list_source(source, target, free=free)
    await _copy(items, source, target)


async def _list_source(
    source: MoveEndpoint, target: MoveEndpoint, *, free: bool = False
) -> list[Item]:
    if free:
        items = await source.list_items(only=True)
    else:
        items, free = await asyncio.gather(source.list_items(only=True), target.is_free())
    if not items:
        raise errors.not_found(source.path)
    if not free:
        raise errors.already_exists(target.path)
    target.require_takes(items)
    return items


async def _copy(items: Sequence[Item], source: MoveEndpoint, target: MoveEndpoint) -> list[Item]:
    """The copies, each with its version at the target."""
    made: list[Item] = []

    async def copy_item(item: Item) -> None:
        made.append(replace(item, version=await target.receive(item, source)))

    try:
        # Folders first: on a disk they must be there before what they hold.
        for folder in [item for item in items if item.is_folder]:
            await copy_item(folder)
        files = [item for item in items if not item.is_folder]
        await run_limited(map(copy_item, files), limit=_at_once(files))
    except errors.ContentsError as error:
        raise await _roll_back(error, made, target) from error
    except Exception:
        # A bug is no reason to leave half a copy.
        await target.delete_unchanged(made)
        raise
    return made


def _at_once(files: Sequence[Item]) -> int:
    """Return how many to copy side by side: a store may have each go through this process."""
    largest = max((item.size for item in files), default=0)
    return CONCURRENT_SMALL if largest <= SMALL else CONCURRENT_LARGE


async def _roll_back(
    error: errors.ContentsError, made: list[Item], target: MoveEndpoint
) -> errors.ContentsError:
    """Take back the copies; the sentence says if some stayed."""
    try:
        kept = bool(await target.delete_unchanged(made)) or not await target.is_free()
    except errors.ContentsError:
        kept = True
    said = f" Copies stayed in {target.path}." if kept else ""
    return errors.ContentsError(
        error.status_code, f"{error.cause} Nothing was moved or deleted.{said}"
    )


async def move(
    source: MoveEndpoint,
    target: MoveEndpoint,
    journal: MoveJournal,
    meanwhile: Meanwhile | None = None,
) -> Moved:
    """Copy, and then delete the source; beside that, of a single file, `meanwhile`, which raises
    nothing.

    Raises as `copy` does, and 409 if a part of the source changed meanwhile: that part stays.
    """
    items = await _list_source(source, target)
    record = await journal.start(source, target, items)
    try:
        made = await _copy(items, source, target)
        await record.mark_copied(made)
        beside = [meanwhile()] if meanwhile and [item.relative for item in items] == [""] else []
        deleted, *_ = await asyncio.gather(
            _delete_source(items, source, target), *beside, return_exceptions=True
        )
        if isinstance(deleted, BaseException):
            raise deleted
    except errors.ContentsError:
        record.remove()
        raise
    # Whatever else ends it (the server stops, say) leaves the record, and the next server settles.
    record.remove()
    return Moved(items, made)


async def _delete_source(items: Sequence[Item], source: MoveEndpoint, target: MoveEndpoint) -> None:
    try:
        left = await source.delete_unchanged(items)
    except errors.ContentsError as error:
        raise errors.ContentsError(
            error.status_code,
            f"{source.path}: is whole in {target.path}, but could not be deleted here. "
            "Try: delete it when S3 answers again.",
        ) from error
    if left:
        raise errors.ContentsError(
            409,
            f"{source.path}: {len(left)} of {len(items)} entries changed during the move and were "
            f"left here; {target.path} has the versions from before.",
        )


async def undo(items: Sequence[Item], source: MoveEndpoint, target: MoveEndpoint) -> bool:
    """Take back the copies of a move that was interrupted before all were there; are all gone?

    Only what still is in the source, as it was, and equals it at the target, is deleted.
    """
    whole = {item.relative: item for item in await source.list_items()}
    kept = [item for item in items if whole.get(item.relative) == item]
    copies = await target.find_copies(kept, source)
    last_first = sorted(copies, key=lambda item: item.relative, reverse=True)
    return not await target.delete_unchanged(last_first)


async def finish(
    items: Sequence[Item], made: Sequence[Item], source: MoveEndpoint, target: MoveEndpoint
) -> None:
    """Delete the source of a move whose copies were all verified, where they still are there."""
    there = {(item.relative, item.version) for item in await target.list_items()}
    sure = {item.relative for item in made if (item.relative, item.version) in there}
    await source.delete_unchanged([item for item in items if item.relative in sure])
