"""What a bucket may hold that a copy may lose: odd keys and bodies, and what objects have beside.

`make` puts it all into a bucket, `look` tells of each object all that has to come back. The key
must be one that may read and set tags.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from itertools import cycle
from typing import TYPE_CHECKING, Any

from habari_local.s3 import bucket_tar

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEYS = (
    *("a/b", "a", "a/", "/", "//", "/odd", "odd//twice", "../up", "..", ".", "./here", "x/../y"),
    *("folder/", "folder/inner", "body/", " space ", "trailing ", "a b/c d", "new\nline", "tab\t"),
    *("\x01\x7f", "\u00e9", "e\u0301", "u\u0308", "日本語", "\U0001f40d", "50%", "%2E%2E", "%"),
    *("a%", "a%2Fb", "a+b&c=d", "+", "back\\slash", "#hash", "?query=1", "*", "'quote'", '"'),
    *("<xml/>", "~", "k" * 900, "d/" * 200 + "deep", "UPPER", "upper", "semi;colon", "a:b@c,d"),
)
EMPTY = ("folder/", "empty")  # folders as some tools make them, and a file of no bytes
LARGE, LARGE_SIZE = "large", 17 << 20  # bytes: sent in three parts
ABOUT: tuple[dict[str, Any], ...] = (
    {"ContentType": "text/x-odd", "Metadata": {"who": "ada", "empty": ""}},
    {"ContentEncoding": "gzip", "CacheControl": "no-cache", "Metadata": {"a-b": "c = d; e"}},
    {"ContentDisposition": 'attachment; filename="x.csv"', "ContentLanguage": "rn"},
    {"Tagging": "project=soil&year=2026%20on", "ContentType": "application/x-ipynb+json"},
    {"StorageClass": "STANDARD_IA"},
    {},
)


def make(s3: S3Client, bucket: str) -> None:
    """Make them all: each key, with one after the other of what objects have beside their bytes."""
    abouts = cycle(ABOUT)
    for number, key in enumerate((*KEYS, "empty")):
        body = b"" if key in EMPTY else f"{number} {key}".encode()
        s3.put_object(Bucket=bucket, Key=key, Body=body, **next(abouts))
    body = bytes(range(256)) * (LARGE_SIZE // 256)
    s3.upload_fileobj(io.BytesIO(body), bucket, LARGE, ExtraArgs=ABOUT[0])


def look(s3: S3Client, bucket: str) -> dict[str, Any]:
    """Return what is there: bytes, type, metadata, tags and storage class of each object."""
    return {key: _told(s3, bucket, key) for key in _listed(s3, bucket)}


def _listed(s3: S3Client, bucket: str) -> Iterator[str]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        yield from (entry["Key"] for entry in page.get("Contents", ()))


def _told(s3: S3Client, bucket: str, key: str) -> dict[str, Any]:
    found: Any = s3.get_object(Bucket=bucket, Key=key)
    tags = s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
    body = found["Body"].read()
    return {
        "size": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
        **{name: found[name] for name in bucket_tar.FIELDS if found.get(name)},
        "tags": {each["Key"]: each["Value"] for each in tags},
    }
