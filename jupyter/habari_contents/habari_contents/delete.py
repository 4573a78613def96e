"""Deletion of objects: only what still is the version that was looked at.

A request may come late, when its user was long told that it was not done: it must not take what was
saved since.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from habari_contents import errors
from habari_contents.bucket import Bucket, send
from habari_contents.conditional_writes import UNKNOWN_CONDITION
from habari_contents.multipart import run_limited
from habari_contents.types import Condition, ETag, Stat

BATCH = 1000
DELETED = 204
# Up to here one by one: a store that knows conditions knows them there, and not always in batches.
MAX_SINGLE_DELETES = 16
# Stores that have no batches (GCS), or want a Content-MD5 with them, which botocore no longer
# sends (older MinIO, OneFS): https://github.com/boto/boto3/issues/4392
NO_BATCHES = errors.NOT_IMPLEMENTED | {
    "405",
    "InvalidRequest",
    "MethodNotAllowed",
    "MissingContentMD5",
}


async def delete(bucket: Bucket, found: Sequence[Stat], path: str) -> dict[str, str]:
    """Delete the versions that were found (without an ETag, whatever is there).

    What S3 kept is returned: its code by key.
    """
    kept: dict[str, str] = {}
    if len(found) <= MAX_SINGLE_DELETES:
        await run_limited(_delete_object(bucket, stat, path, kept) for stat in found)
        return kept
    for start in range(0, len(found), BATCH):
        kept |= await _delete_batch(bucket, found[start : start + BATCH], path)
    return kept


async def _delete_batch(bucket: Bucket, batch: Sequence[Stat], path: str) -> dict[str, str]:
    objects = [
        {"Key": stat.key} | ({"ETag": str(stat.etag)} if stat.etag else {}) for stat in batch
    ]

    async def call(client: Any) -> dict[str, str] | None:
        try:
            answer = await client.delete_objects(Bucket=bucket.name, Delete={"Objects": objects})
        except Exception as error:
            if errors.error_code(error) in NO_BATCHES:
                return None
            raise
        failed = {failure["Key"]: failure["Code"] for failure in answer.get("Errors", ())}
        told = failed.keys() | {each["Key"] for each in answer.get("Deleted", ())}
        if not told.issuperset(stat.key for stat in batch):
            # A page of something in between says nothing of them either.
            raise errors.not_an_answer(path, writing=True)
        return failed

    async def look() -> dict[str, str] | None:
        """Nothing was kept if none of these versions is there."""
        left: list[Stat] = []

        async def check(stat: Stat) -> None:
            now = await bucket.head(stat.key, path, bypass_breaker=True)
            if now is not None and stat.etag in {ETag(), now.etag}:
                left.append(now)

        await run_limited(check(stat) for stat in batch)
        return None if left else {}

    kept = await bucket.write(path, bucket.deadlines.listing, call, look)
    if kept is None:
        kept = {}
        await run_limited(_delete_object(bucket, stat, path, kept) for stat in batch)
    return kept


async def _delete_object(bucket: Bucket, stat: Stat, path: str, kept: dict[str, str]) -> None:
    held = Condition(etag=stat.etag).headers()

    async def call(client: Any) -> bool:
        try:
            answer = await client.delete_object(Bucket=bucket.name, Key=stat.key, **held)
            _require_deleted(answer, path)
        except Exception as error:
            code = errors.error_code(error)
            if held and code in UNKNOWN_CONDITION:
                await _check_and_delete(client, bucket, stat, kept, path)
            elif code not in errors.MISSING:
                raise
        return True

    async def look() -> bool | None:
        now = await bucket.head(stat.key, path, bypass_breaker=True)
        return True if now is None else None

    try:
        await bucket.write(path, bucket.deadlines.listing, call, look)
    except errors.ContentsError as error:
        if error.status_code != 409:
            raise
        kept[stat.key] = "PreconditionFailed"


def _require_deleted(answer: Any, path: str) -> None:
    """Raise 502 for a sign-in page, say: S3 answers 204, and all else leaves it open."""
    if answer["ResponseMetadata"]["HTTPStatusCode"] != DELETED:
        raise errors.not_an_answer(path, writing=True)


async def _check_and_delete(
    client: Any, bucket: Bucket, stat: Stat, kept: dict[str, str], path: str
) -> None:
    """Delete as a store without conditional deletes lets one: what is seen to be the version."""
    try:
        seen = await send(client, "head_object", Bucket=bucket.name, Key=stat.key)
    except Exception as error:
        if errors.error_code(error) not in errors.MISSING:
            raise
        return
    if ETag.parse(seen["ETag"]) != stat.etag:
        kept[stat.key] = "PreconditionFailed"
        return
    answer = await send(client, "delete_object", Bucket=bucket.name, Key=stat.key)
    _require_deleted(answer, path)
