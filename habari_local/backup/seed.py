"""Putting a folder of one's own into buckets and homes, and nothing over what is newer there.

=====================  ==============================================================
`FOLDER/lake/…`        objects of the bucket lake, by their paths
`FOLDER/notebooks/…`   objects of the bucket notebooks
`FOLDER/homes/USER/…`  files of that user's home, where homes are folders here
=====================  ==============================================================

What is there with the same bytes is left alone, so the same again changes nothing. What differs is
written if the folder's file was edited after it, and kept otherwise.
"""

from __future__ import annotations

import filecmp
import hashlib
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from habari_local.core.errors import USAGE, HabariError, pasteable
from habari_local.platform.mode import Context, Mode, SupportsLocalHomes
from habari_local.s3.s3_client import NO_OBJECT, error_code, translate_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKETS = ("lake", "notebooks")
HOMES = "homes"
CHUNK = 1 << 20  # bytes
# What S3 answers to a write whose condition does not hold (any more).
CHANGED = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})


@dataclass
class Seeded:
    """What was written, what was there already, and what is newer there and was kept."""

    written: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


def require_seed(folder: Path, mode: Mode, again: str) -> None:
    """Refuse a folder that can't be seeded from.

    Raises:
        HabariError: it is none, has nothing to seed or more than that, or homes for a mode that
            has none here.
    """
    if not folder.is_dir():
        raise HabariError(f"{folder}: no such folder.", again, USAGE)
    known = {*BUCKETS, HOMES}
    found = {each.name for each in folder.iterdir() if each.is_dir()}
    if not found & known:
        raise HabariError(
            f"{folder}: has none of {', '.join([*BUCKETS, HOMES])}, which are what is seeded.",
            pasteable("ls", folder),
            USAGE,
        )
    if HOMES in found and not isinstance(mode, SupportsLocalHomes):
        raise HabariError(
            f"{folder / HOMES}: homes are volumes in mode {mode.name}, and seeded in mode process"
            " only.",
            pasteable("mv", folder / HOMES, folder.with_name(f"{folder.name}-{HOMES}")),
            USAGE,
        )


def seed(mode: Mode, ctx: Context, folder: Path, *, overwrite: bool = False) -> Seeded:
    """Put the folder's files where they belong.

    Args:
        mode: that is up.
        ctx: its context.
        folder: with what `require_seed` wants.
        overwrite: whether to write over what is newer there, too.

    Raises:
        HabariError: S3 refused. What was written stays; the same again goes on.
    """
    done = Seeded()
    where = mode.endpoints(ctx).s3
    names = {"lake": where.lake_bucket, "notebooks": where.notebooks_bucket}
    with (
        closing(where.client(ctx.settings.s3_backend)) as s3,
        translate_errors(f"S3 at {where.endpoint_url or 'AWS'}"),
    ):
        for place in BUCKETS:
            for path, name in _files(folder / place):
                _object(s3, names[place], name, path, f"{place}/{name}", done, overwrite)
    if isinstance(mode, SupportsLocalHomes):
        for home in sorted((folder / HOMES).iterdir()) if (folder / HOMES).is_dir() else ():
            target = mode.home_folder(ctx, home.name)
            for path, name in _files(home):
                _file(path, target / name, f"{HOMES}/{home.name}/{name}", done, overwrite)
    return done


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the files under a folder, and their paths in it; links lead elsewhere, and are none."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path, path.relative_to(folder).as_posix()


def _object(
    s3: S3Client, bucket: str, key: str, path: Path, shown: str, done: Seeded, overwrite: bool
) -> None:
    from botocore.exceptions import ClientError

    there = _head(s3, bucket, key)
    condition: dict[str, Any] = {"IfNoneMatch": "*"}
    if there is not None:
        if there["ContentLength"] == path.stat().st_size and _same(s3, bucket, key, path):
            done.same.append(shown)
            return
        if not overwrite and there["LastModified"].timestamp() >= path.stat().st_mtime:
            done.kept.append(shown)
            return
        condition = {"IfMatch": there["ETag"]}
    try:
        with path.open("rb") as body:
            s3.put_object(Bucket=bucket, Key=key, Body=body, **condition)
    except ClientError as error:
        if error_code(error) not in CHANGED:
            raise
        done.kept.append(shown)  # written by somebody else just now
        return
    done.written.append(shown)


def _head(s3: S3Client, bucket: str, key: str) -> Any:
    from botocore.exceptions import ClientError

    try:
        return s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error_code(error) in NO_OBJECT:
            return None
        raise


def _same(s3: S3Client, bucket: str, key: str, path: Path) -> bool:
    """Whether an object has a file's bytes: its ETag need not be a digest of them."""
    seen = hashlib.sha256()
    for chunk in s3.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(CHUNK):
        seen.update(chunk)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest() == seen.digest()


def _file(path: Path, target: Path, shown: str, done: Seeded, overwrite: bool) -> None:
    if target.is_file() and filecmp.cmp(path, target, shallow=False):
        done.same.append(shown)
        return
    there = target.lstat().st_mtime if target.exists() or target.is_symlink() else None
    if target.is_dir() or (there is not None and not overwrite and there >= path.stat().st_mtime):
        done.kept.append(shown)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.seed")
    shutil.copy2(path, part, follow_symlinks=False)
    part.replace(target)
    done.written.append(shown)
