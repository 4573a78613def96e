"""The types that the other modules pass around: S3 objects, and what a move works on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Stat:
    """One object: its key, ETag (with its quotes), size in bytes and time of change (UTC)."""

    key: str
    etag: str
    size: int
    modified: datetime

    @property
    def md5(self) -> str | None:
        """The MD5 of the content where the ETag is one (not for multipart uploads), in hex."""
        plain = self.etag.strip('"')
        return plain if len(plain) == 32 and "-" not in plain else None


@dataclass(frozen=True, slots=True)
class Condition:
    """When a write may happen: over this ETag, or where nothing is (`absent`), or always."""

    etag: str | None = None
    absent: bool = False

    def headers(self) -> dict[str, str]:
        """The request's conditional parameters."""
        if self.absent:
            return {"IfNoneMatch": "*"}
        return {"IfMatch": self.etag} if self.etag else {}


@dataclass(slots=True)
class Listing:
    """What is under a prefix: objects, and with a delimiter the common prefixes."""

    objects: list[Stat] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.objects or self.prefixes)


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


class MoveEndpoint(Protocol):
    """A file or folder in the home or in a bucket, there or not yet."""

    @property
    def path(self) -> str:
        """Its API path."""

    async def list_items(self) -> list[Item]:
        """All that is here now, folders before what they hold; empty if nothing is.

        Raises 400 for what cannot be carried (links, names that a disk cannot have).
        """

    async def receive(self, item: Item, source: MoveEndpoint) -> str:
        """Make the item here from the source, create-only, and verify it; its version here.

        Raises 409 if it is there.
        """

    async def delete_unchanged(self, items: Sequence[Item]) -> list[Item]:
        """Delete the items that still have their version; the others are returned."""

    async def find_copies(self, items: Sequence[Item], source: MoveEndpoint) -> list[Item]:
        """What is here and is a copy of the items of the source, with its version here.

        Half a copy, under a name that only this server gives, is deleted.
        """
