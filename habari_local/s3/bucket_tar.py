"""The objects of a bucket as one tar, and back into a bucket.

Members are numbered; what an object is called, its type and its metadata are in their pax headers,
since a key may be anything, and a name in a tar may not.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from habari_local.core.errors import HabariError
from habari_local.s3.s3_client import NO_OBJECT, error_code

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEY, ABOUT, ETAG = "HABARI.key", "HABARI.about", "HABARI.etag"
# What is kept of an object beside its bytes, as put_object takes it and head_object tells it.
FIELDS = ("ContentType", "ContentEncoding", "ContentDisposition", "CacheControl", "Metadata")
CHUNK = 1 << 20  # bytes


@dataclass(frozen=True)
class StoredObject:
    """One object of a tar: its key, size in bytes and ETag, and where it is in there."""

    key: str
    size: int
    etag: str
    about: dict[str, Any]
    member: tarfile.TarInfo


def pack(s3: S3Client, bucket: str, out: IO[bytes]) -> int:
    """Write every object of a bucket; return how many there are.

    One that is deleted or replaced meanwhile is left out, or is as it is when its turn comes.
    """
    count = 0
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for entry in page.get("Contents", ()):
                count += _add(s3, bucket, entry["Key"], tar, count)
    return count


def _add(s3: S3Client, bucket: str, key: str, tar: tarfile.TarFile, number: int) -> int:
    from botocore.exceptions import ClientError

    try:
        found: Any = s3.get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error_code(error) in NO_OBJECT:
            return 0
        raise
    if "LastModified" not in found:  # some S3 read a key of slashes as a request for a list
        found["Body"].close()
        raise HabariError(
            f"{bucket}: the object with the key {key!r} is answered with something else, its bytes"
            " were expected.",
            f"habari-local s3 ls s3://{bucket}/",
        )
    info = tarfile.TarInfo(f"{number:08}")
    info.size = found["ContentLength"]
    info.mtime = found["LastModified"].timestamp()
    about = {name: found[name] for name in FIELDS if found.get(name)}
    info.pax_headers = {KEY: key, ABOUT: json.dumps(about), ETAG: found["ETag"]}
    with found["Body"] as body:
        tar.addfile(info, body)
    return 1


def list_members(tar: tarfile.TarFile) -> Iterator[StoredObject]:
    """Yield the objects of a tar."""
    for member in tar:
        headers = member.pax_headers
        about = json.loads(headers[ABOUT])
        yield StoredObject(headers[KEY], member.size, headers[ETAG], about, member)


def conflicts(s3: S3Client, bucket: str, tar: tarfile.TarFile) -> Iterator[str]:
    """Yield the keys of a tar under which the bucket has something else."""
    for each in list_members(tar):
        if _seen(s3, bucket, tar, each) == "another":
            yield each.key


def unpack(s3: S3Client, bucket: str, tar: tarfile.TarFile) -> int:
    """Put the objects of a tar into a bucket, over what is there; return how many differed."""
    from boto3.s3.transfer import TransferConfig

    count = 0
    for each in list_members(tar):
        if _seen(s3, bucket, tar, each) == "same":
            continue
        body = tar.extractfile(each.member)
        if body is None:
            raise HabariError(
                f"{each.key}: the backup has no bytes of this object.",
                "habari-local backup create",
            )
        s3.upload_fileobj(
            body, bucket, each.key, ExtraArgs=each.about, Config=TransferConfig(use_threads=False)
        )
        count += 1
    return count


def _seen(s3: S3Client, bucket: str, tar: tarfile.TarFile, one: StoredObject) -> str:
    """Return "same", "another" or "" (nothing): what a bucket has under an object's key."""
    from botocore.exceptions import ClientError

    try:
        there = s3.head_object(Bucket=bucket, Key=one.key)
    except ClientError as error:
        if error_code(error) in NO_OBJECT:
            return ""
        raise
    if there["ContentLength"] != one.size:
        return "another"
    # The ETag of an object that was sent in parts tells nothing of its bytes.
    if "-" not in there["ETag"] and "-" not in one.etag:
        return "same" if there["ETag"] == one.etag else "another"
    mine = tar.extractfile(one.member)
    with s3.get_object(Bucket=bucket, Key=one.key)["Body"] as theirs:
        while mine is not None and (chunk := mine.read(CHUNK)):
            if theirs.read(len(chunk)) != chunk:
                return "another"
    return "same"
