"""Owns the small facts about S3 objects that the other modules pass around."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


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
