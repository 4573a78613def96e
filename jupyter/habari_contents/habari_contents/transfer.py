"""Owns moving and copying files and folders between the home and buckets without losing any.

Order: take stock of the source, refuse a target that is there, copy create-only, verify every copy,
and only then delete what is still the version that was copied. Until then a failure leaves the
source as it was, and takes back the copies that were made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from . import errors
from .bulk import at_once


@dataclass(frozen=True, slots=True)
class Item:
    """One file or folder beneath a place.

    `relative` is "" for a file that is the place itself, else begins with a slash, and ends with
    one for a folder. `version` is what must still hold when the source is deleted.
    """

    relative: str
    size: int
    version: str

    @property
    def is_folder(self) -> bool:
        """Is it a folder's marker rather than a file?"""
        return self.relative.endswith("/")


class Place(Protocol):
    """A file or folder in the home or in a bucket, there or not yet."""

    @property
    def path(self) -> str:
        """Its API path."""

    async def stock(self) -> list[Item]:
        """All that is here now, folders before what they hold; empty if nothing is.

        Raises 400 for what cannot be carried (links, names that a disk cannot have).
        """

    async def receive(self, item: Item, source: Place) -> str:
        """Make the item here from the source, create-only, and verify it; its version here.

        Raises 409 if it is there.
        """

    async def discard(self, items: Sequence[Item]) -> list[Item]:
        """Delete the items that still have their version; the others are returned."""


async def copy(source: Place, target: Place) -> list[Item]:
    """Copy a file or folder, whole or not at all. Raises 404 and 409 for source and target."""
    items = await source.stock()
    if not items:
        raise errors.missing(source.path)
    if await target.stock():
        raise errors.taken(target.path)
    made: list[Item] = []

    async def one(item: Item) -> None:
        made.append(replace(item, version=await target.receive(item, source)))

    try:
        # Folders first: on a disk they must be there before what they hold.
        for folder in [item for item in items if item.is_folder]:
            await one(folder)
        await at_once([one(item) for item in items if not item.is_folder])
    except errors.ContentsError as error:
        raise await _undone(error, made, target) from error
    return items


async def _undone(
    error: errors.ContentsError, made: list[Item], target: Place
) -> errors.ContentsError:
    """Take back the copies; the sentence says if some stayed."""
    try:
        await target.discard(made)
        kept = bool(await target.stock())
    except errors.ContentsError:
        kept = True
    said = f" Copies stayed in {target.path}." if kept else ""
    return errors.ContentsError(
        error.status_code, f"{error.log_message} Nothing was moved or deleted.{said}"
    )


async def move(source: Place, target: Place) -> None:
    """Copy, and then delete the source.

    Raises as `copy` does, and 409 if a part of the source changed meanwhile: that part stays.
    """
    items = await copy(source, target)
    try:
        left = await source.discard(items)
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
