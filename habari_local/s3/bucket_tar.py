"""The objects of a bucket as one tar, and back into a bucket.

A member is called as its object's key is, so that any tar finds it. A key may be anything, and a
name in a tar may not: what can't be a name is written with a `%` in it (`member_name`), and the key
itself is in the member's pax headers, with the object's type, metadata and tags.
"""

from __future__ import annotations

import json
import sqlite3
import tarfile
from collections.abc import Container, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlencode

from habari_local.core.errors import HabariError
from habari_local.drivers.tar_stream import Report, Sink
from habari_local.s3.s3_client import NO_OBJECT, error_code

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# As attributes of files, which any tar knows of, and sets where it is asked to.
KEY, ABOUT, ETAG, TAGS = (
    f"SCHILY.xattr.user.habari.{name}" for name in ("key", "about", "etag", "tags")
)
# What is kept of an object beside its bytes, as put_object takes it and head_object tells it.
FIELDS = (
    *("ContentType", "ContentEncoding", "ContentDisposition", "ContentLanguage", "CacheControl"),
    *("Metadata", "StorageClass"),
)
CHUNK = 1 << 20  # bytes
IN_MEMORY = 8 << 20  # bytes of an object, above which it is on disk until it is whole
GIVEN_UP = 3  # objects without any answer, one after the other: then nobody answers


@dataclass(frozen=True)
class StoredObject:
    """One object of a tar: its key, size in bytes and ETag, and where it is in there."""

    key: str
    size: int
    etag: str
    about: dict[str, Any]
    tags: dict[str, str]
    member: tarfile.TarInfo


class _Keys:
    """Keys of a bucket, on disk: there may be millions. The file has no name, and goes with this.

    `in` asks for those that other keys are in, as in folders.
    """

    def __init__(self) -> None:
        self._base = sqlite3.connect("")
        self._base.execute("PRAGMA journal_mode = OFF")
        self._base.execute("CREATE TABLE keys (key BLOB PRIMARY KEY) WITHOUT ROWID")

    def add(self, keys: Iterable[str]) -> None:
        """Keep them; one that is kept already, too."""
        rows = ((key.encode(),) for key in keys)
        self._base.executemany("INSERT OR IGNORE INTO keys VALUES (?)", rows)

    def __iter__(self) -> Iterator[str]:
        """Yield them in the order in which S3 lists them."""
        for (key,) in self._base.execute("SELECT key FROM keys ORDER BY key"):
            yield key.decode()

    def __contains__(self, folder: object) -> bool:
        """Whether a key is in that folder."""
        begin = f"{folder}/".encode()
        found = self._base.execute("SELECT key FROM keys WHERE key >= ? LIMIT 1", (begin,))
        return any(key.startswith(begin) for (key,) in found)

    def has(self, key: str) -> bool:
        """Whether it is kept."""
        found = self._base.execute("SELECT 1 FROM keys WHERE key = ?", (key.encode(),))
        return found.fetchone() is not None

    def close(self) -> None:
        """Have the file go."""
        self._base.close()


def member_name(key: str, folders: Container[str] = ()) -> str:
    """Return what an object is called in a tar: its key, if that is the path of a file.

    No two keys have the same name. `folders` are those that other keys are in: an object that is
    called as one of them has a `%` at its end.
    """
    parts = [_part(each) for each in key.split("/")]
    return "/".join(parts) + ("%" if key in folders else "")


def _part(name: str) -> str:
    if name in {"", ".", ".."}:
        return {"": "%", ".": "%2E", "..": "%2E%2E"}[name]
    return "".join(
        f"%{ord(each):02X}" if each == "%" or ord(each) < 32 or ord(each) == 127 else each
        for each in name
    )


def pack(s3: S3Client, bucket: str, out: Sink) -> Report:
    """Write every object of a bucket that can be read, in its newest version.

    One that is deleted or replaced meanwhile is left out, or is as it is when its turn comes.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: the bucket itself can't be read.
    """
    from botocore.exceptions import HTTPClientError

    report, silent = Report(), 0
    report.older = _older_versions(s3, bucket)
    with (
        closing(_Keys()) as keys,
        tarfile.open(
            fileobj=_file(out), mode="w|", format=tarfile.PAX_FORMAT, bufsize=CHUNK
        ) as tar,
    ):
        for page in _pages(s3, bucket):
            keys.add(page)
        for key in keys:
            with SpooledTemporaryFile(IN_MEMORY) as body:
                try:
                    info = _fetch(s3, bucket, key, body, report)
                except HTTPClientError as error:
                    silent += 1
                    if silent == GIVEN_UP:
                        raise
                    report.lack(key, f"no whole answer ({type(error).__name__})")
                    continue
                silent = 0
                if info:
                    info.name = member_name(key, keys)
                    tar.addfile(info, body)
                    forget_members(tar)
                    report.entries += 1
    return report


def _pages(s3: S3Client, bucket: str) -> Iterator[list[str]]:
    """Yield the keys of a bucket, a page at a time."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        yield [entry["Key"] for entry in page.get("Contents", ())]


def _older_versions(s3: S3Client, bucket: str) -> int | None:
    """Return how many versions are not the newest of an object, those of deleted ones among them.

    None: S3 does not tell, as it tells servers' key at AWS nothing of versions.
    """
    from botocore.exceptions import ClientError

    try:
        if "Status" not in s3.get_bucket_versioning(Bucket=bucket):
            return 0
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
        return sum(not each["IsLatest"] for page in pages for each in page.get("Versions", ()))
    except ClientError:
        return None


def _file(out: Sink) -> Any:
    """Return it as what tarfile calls a file: of one that it streams to, it only writes."""
    return out


def _fetch(
    s3: S3Client, bucket: str, key: str, body: IO[bytes], report: Report
) -> tarfile.TarInfo | None:
    """Read an object into `body`, whole; return what a tar is to know of it. None: it is not there.

    Raises:
        botocore.exceptions.HTTPClientError: there was no answer, or it ended early.
    """
    from botocore.exceptions import ClientError, IncompleteReadError, ReadTimeoutError
    from urllib3.exceptions import HTTPError

    try:
        found: Any = s3.get_object(Bucket=bucket, Key=key)
        if "LastModified" not in found:  # some S3 read a key of slashes as a request for a list
            found["Body"].close()
            report.lack(key, "S3 answers with something else than the object")
            return None
        with closing(found["Body"]) as answer:  # which, entered itself, checks no length
            while chunk := answer.read(CHUNK):
                body.write(chunk)
        tags = _tags(s3, bucket, key) if found.get("TagCount") else {}
    except ClientError as error:
        if error_code(error) not in NO_OBJECT:
            report.lack(key, f"S3 answers {error_code(error)}")
        return None
    except (IncompleteReadError, HTTPError) as error:
        raise ReadTimeoutError(endpoint_url=bucket, error=error) from error
    info = tarfile.TarInfo()
    info.size, info.mode = body.tell(), 0o600
    info.mtime = found["LastModified"].timestamp()
    about = {name: found[name] for name in FIELDS if found.get(name)}
    info.pax_headers = {KEY: key, ABOUT: json.dumps(about), ETAG: found["ETag"]}
    if tags:
        info.pax_headers[TAGS] = json.dumps(tags)
    body.seek(0)
    return info


def _tags(s3: S3Client, bucket: str, key: str) -> dict[str, str]:
    found = s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
    return {each["Key"]: each["Value"] for each in found}


def forget_members(tar: tarfile.TarFile) -> None:
    """Have a tar that is written, or iterated once, keep nothing of what it went past.

    It keeps a kilobyte of each member otherwise; the attribute is the only way before Python 3.13.
    """
    vars(tar)["members"].clear()


def list_members(tar: tarfile.TarFile) -> Iterator[StoredObject]:
    """Yield the objects of a tar that was just opened; it is read once, and keeps none."""
    for member in tar:
        forget_members(tar)
        headers = member.pax_headers
        about, tags = json.loads(headers[ABOUT]), json.loads(headers.get(TAGS, "{}"))
        yield StoredObject(headers[KEY], member.size, headers[ETAG], about, tags, member)


def conflicts(s3: S3Client, bucket: str, file: Path) -> Iterator[str]:
    """Yield the keys of a tar under which the bucket has something else."""
    with tarfile.open(file) as tar:
        for each in list_members(tar):
            if _seen(s3, bucket, tar, each) == "another":
                yield each.key


def unpack(s3: S3Client, bucket: str, file: Path, *, exact: bool = False) -> int:
    """Put the objects of a tar into a bucket, over what is there; return how many differed.

    With `exact`, what else is in the bucket is deleted after that, and counts.
    """
    with closing(_Keys()) as keys, tarfile.open(file) as tar:
        count = 0
        for each in list_members(tar):
            if exact:
                keys.add([each.key])
            if _seen(s3, bucket, tar, each) != "same":
                _put(s3, bucket, tar, each)
                count += 1
        return count + (_delete_others(s3, bucket, keys) if exact else 0)


def _put(s3: S3Client, bucket: str, tar: tarfile.TarFile, one: StoredObject) -> None:
    from boto3.s3.transfer import TransferConfig

    body = tar.extractfile(one.member)
    if body is None:
        raise HabariError(
            f"{one.key}: the backup has no bytes of this object.",
            "habari-local backup create",
        )
    tagging = {"Tagging": urlencode(one.tags)} if one.tags else {}
    s3.upload_fileobj(
        body,
        bucket,
        one.key,
        ExtraArgs={**one.about, **tagging},
        Config=TransferConfig(use_threads=False),
    )


def _delete_others(s3: S3Client, bucket: str, kept: _Keys) -> int:
    count = 0
    for page in _pages(s3, bucket):  # the next one begins after its last key, deleted or not
        for key in (key for key in page if not kept.has(key)):
            s3.delete_object(Bucket=bucket, Key=key)
            count += 1
    return count


def _seen(s3: S3Client, bucket: str, tar: tarfile.TarFile, one: StoredObject) -> str:
    """Return "same", "another" or "" (nothing): what a bucket has under an object's key."""
    from botocore.exceptions import ClientError

    try:
        there: Any = s3.head_object(Bucket=bucket, Key=one.key)
    except ClientError as error:
        if error_code(error) in NO_OBJECT:
            return ""
        raise
    about = {name: there[name] for name in FIELDS if there.get(name)}
    if there["ContentLength"] != one.size or about != one.about:
        return "another"
    if one.tags and _tags(s3, bucket, one.key) != one.tags:
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
