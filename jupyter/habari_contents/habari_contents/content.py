"""What a content is known by: its MD5, and the checksums that S3 keeps of whole objects.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from habari_contents.types import Stat

# Those that botocore compares by itself while a body is read (CRC64NVME needs more than it has).
COMPARED_WHILE_READING = frozenset({"ChecksumSHA256", "ChecksumSHA1", "ChecksumCRC32"})


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A content by its size in bytes and its MD5 in hexadecimal digits."""

    size: int
    md5: str

    @classmethod
    def of(cls, content: bytes) -> Fingerprint:
        """That of bytes in memory."""
        return cls(len(content), hashlib.md5(content, usedforsecurity=False).hexdigest())

    @property
    def content_md5(self) -> str:
        """The header Content-MD5, by which a store checks what it received."""
        return base64.b64encode(bytes.fromhex(self.md5)).decode()


class Digest:
    """Takes a content piece by piece."""

    def __init__(self) -> None:
        self._size = 0
        self._md5 = hashlib.md5(usedforsecurity=False)

    def update(self, piece: bytes) -> None:
        """Take the next piece."""
        self._size += len(piece)
        self._md5.update(piece)

    def fingerprint(self) -> Fingerprint:
        """Of all that was taken."""
        return Fingerprint(self._size, self._md5.hexdigest())


def checksums_of(answer: Mapping[str, Any]) -> dict[str, str]:
    """The checksums of the whole object in S3's answer; those of parts say nothing of it."""
    if answer.get("ChecksumType", "FULL_OBJECT") != "FULL_OBJECT":
        return {}
    found = {name: str(value) for name, value in answer.items() if name.startswith("Checksum")}
    return {n: value for n, value in found.items() if n != "ChecksumType" and "-" not in value}


def is_verified(read: Fingerprint, stat: Stat) -> bool:
    """Is what was read of an object compared with something that S3 says of its content?

    An ETag that is the MD5 proves it. One that is not proves nothing, however it looks.
    """
    return read.md5 == stat.etag.value or not COMPARED_WHILE_READING.isdisjoint(stat.checksums)


def same_by_facts(one: Stat, other: Stat) -> bool | None:
    """Do two objects have the same content, by what S3 says of them? None if that does not tell."""
    if one.size != other.size:
        return False
    if one.etag == other.etag or not one.size:
        return True
    for name in one.checksums.keys() & other.checksums.keys():
        return one.checksums[name] == other.checksums[name]
    return None
