"""Looking into the buckets from the command line: list, copy in and out, print."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from habari_local.core.errors import USAGE, HabariError
from habari_local.s3.s3_client import NO_OBJECT, Buckets, error_code, translate_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CHUNK = 1 << 20  # bytes


@dataclass(frozen=True)
class Entry:
    """One line of a listing: an object, or a common prefix (then size and time are None)."""

    path: str
    size: int | None = None
    modified: datetime | None = None


@dataclass(frozen=True)
class S3Path:
    """A bucket and a key or prefix in it, as people write it: lake/..., notebooks/..., s3://..."""

    bucket: str
    key: str
    folder: str

    @property
    def shown(self) -> str:
        """Return it as people write it."""
        return f"{self.folder}/{self.key}"


def parse(path: str, buckets: Buckets) -> S3Path | None:
    """Return the place that `path` names; None if it names a local file."""
    folders = {"lake": buckets.lake, "notebooks": buckets.notebooks}
    if path.startswith("s3://"):
        bucket, _, key = path.removeprefix("s3://").partition("/")
        return S3Path(bucket, key, f"s3://{bucket}")
    folder, _, key = path.partition("/")
    return S3Path(folders[folder], key, folder) if folder in folders else None


def listing(s3: S3Client, place: S3Path, *, deep: bool = False) -> Iterator[Entry]:
    """Yield what is under a place: one level, or with `deep` all objects."""
    pages = s3.get_paginator("list_objects_v2")
    with _about(place):
        for page in pages.paginate(
            Bucket=place.bucket, Prefix=place.key, Delimiter="" if deep else "/"
        ):
            for prefix in page.get("CommonPrefixes", ()):
                yield Entry(f"{place.folder}/{prefix.get('Prefix', '')}")
            for found in page.get("Contents", ()):
                path = f"{place.folder}/{found['Key']}"
                yield Entry(path, found["Size"], found["LastModified"])


def read(s3: S3Client, place: S3Path) -> Iterator[bytes]:
    """Yield an object's bytes, a mebibyte at a time."""
    with _about(place):
        body = s3.get_object(Bucket=place.bucket, Key=place.key)["Body"]
        yield from body.iter_chunks(CHUNK)


def copy(s3: S3Client, source: str, target: str, buckets: Buckets) -> str:
    """Copy a file into a bucket, out of one, or between them; return where it went.

    A target that ends with a slash, or is a folder, keeps the source's name.
    """
    from_, to = parse(source, buckets), parse(target, buckets)
    name = source.rstrip("/").rpartition("/")[2]
    if to is not None and (not to.key or to.key.endswith("/")):
        to = S3Path(to.bucket, f"{to.key}{name}", to.folder)
    if to is None:
        if from_ is None:
            raise HabariError(
                f"{source} and {target}: both on this machine; one must start with lake/ or"
                " notebooks/.",
                f"habari-local s3 cp {source} lake/",
                USAGE,
            )
        path = Path(target)
        path = path / name if path.is_dir() else path
        with _about(from_):
            s3.download_file(from_.bucket, from_.key, str(path))
        return str(path)
    with _about(to):
        if from_ is None:
            if not Path(source).is_file():
                raise HabariError(f"{source}: no such file.", "ls -l", USAGE)
            s3.upload_file(source, to.bucket, to.key)
        else:
            s3.copy({"Bucket": from_.bucket, "Key": from_.key}, to.bucket, to.key)
    return to.shown


@contextmanager
def _about(place: S3Path) -> Iterator[None]:
    """Turn what S3 answers into a sentence about `place`."""
    from botocore.exceptions import ClientError

    with translate_errors(place.shown):
        try:
            yield
        except ClientError as error:
            code = error_code(error)
            if code in NO_OBJECT:
                parent = place.shown.rpartition("/")[0]
                raise HabariError(
                    f"{place.shown}: no such object.",
                    f"habari-local s3 ls {parent}/",
                ) from error
            raise HabariError(
                f"{place.shown}: S3 answered {code}.", "habari-local status"
            ) from error
