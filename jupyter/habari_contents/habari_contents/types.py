"""The types that the other modules pass around: S3 objects, and what a move works on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ETag:
    """A version of an object, without quotes; false where none is known or meant.

    Stores write the same ETag with quotes, without (Ceph and ONTAP in some answers), or as a weak
    one behind a proxy that compresses. What it is made of is the store's business: with SSE-KMS it
    has 32 hexadecimal digits and is no MD5.
    """

    value: str = ""

    @classmethod
    def parse(cls, text: str) -> ETag:
        """The ETag as an answer or a request has it."""
        return cls(text.strip().removeprefix("W/").strip('"'))

    def __str__(self) -> str:
        """As requests, models and records have it: with quotes."""
        return f'"{self.value}"' if self.value else ""

    def __bool__(self) -> bool:
        return bool(self.value)


@dataclass(frozen=True, slots=True)
class Stat:
    """One object: its key, ETag, size in bytes and time of change (UTC).

    `checksums` are those that S3 keeps of the whole content, by S3's names (`ChecksumSHA256`).
    """

    key: str
    etag: ETag
    size: int
    modified: datetime
    checksums: Mapping[str, str] = field(default_factory=dict, compare=False)
    storage_class: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Condition:
    """When a write may happen: over this ETag, or where nothing is (`absent`), or always."""

    etag: ETag = field(default_factory=ETag)
    absent: bool = False

    def headers(self) -> dict[str, str]:
        """The request's conditional parameters."""
        if self.absent:
            return {"IfNoneMatch": "*"}
        return {"IfMatch": str(self.etag)} if self.etag else {}


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a listing is waited for, and how many entries of it."""

    seconds: float
    entries: int


@dataclass(slots=True)
class Listing:
    """What is under a prefix: objects, and with a delimiter the common prefixes."""

    objects: list[Stat] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    # There is more, which was not waited for.
    partial: bool = False

    def __len__(self) -> int:
        return len(self.objects) + len(self.prefixes)


@dataclass(frozen=True, slots=True)
class Item:
    """One file or folder beneath a place.

    `relative` is "" for a file that is the place itself, else begins with a slash, and ends with
    one for a folder. `version` is what must still hold when the source is deleted.
    """

    relative: str
    size: int
    version: str
    storage_class: str = field(default="", compare=False)

    @property
    def is_folder(self) -> bool:
        """Is it a folder's marker rather than a file?"""
        return self.relative.endswith("/")


class MoveEndpoint(Protocol):
    """A file or folder in the home or in a bucket, there or not yet."""

    @property
    def path(self) -> str:
        """Its API path."""

    async def list_items(self, *, only: bool = False) -> list[Item]:
        """All that is here now, folders before what they hold; empty if nothing is.

        Raises 400 for what cannot be carried (links, names that a disk cannot have), and with
        `only` 409 if both a file and a folder are here.
        """

    async def is_free(self) -> bool:
        """Is nothing here?"""

    def require_takes(self, items: Sequence[Item]) -> None:
        """Raise 400 if there is one of the items that can't be here, before any is."""

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
