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
from habari_contents.types import Condition, Stat

BATCH = 1000
# Up to here one by one: a store that knows conditions knows them there, and not always in batches.
MAX_SINGLE_DELETES = 16


async def delete(bucket: Bucket, found: Sequence[Stat], path: str) -> dict[str, str]:
    """Delete the versions that were found (without an ETag, whatever is there).

    What S3 kept is returned: its code by key.
    """
    kept: dict[str, str] = {}
    if len(found) <= MAX_SINGLE_DELETES:
        await run_limited(_delete_object(bucket, stat, path, kept) for stat in found)
        return kept
    for start in range(0, len(found), BATCH):
        batch = [
            {"Key": stat.key} | ({"ETag": stat.etag} if stat.etag else {})
            for stat in found[start : start + BATCH]
        ]
        async with bucket.request(path, bucket.deadlines.listing) as client:
            answer = await send(
                client,
                "delete_objects",
                Bucket=bucket.name,
                Delete={"Objects": batch, "Quiet": True},
            )
            kept |= {failure["Key"]: failure["Code"] for failure in answer.get("Errors", ())}
    return kept


async def _delete_object(bucket: Bucket, stat: Stat, path: str, kept: dict[str, str]) -> None:
    held = Condition(etag=stat.etag or None).headers()
    async with bucket.request(path, bucket.deadlines.listing) as client:
        try:
            await send(client, "delete_object", Bucket=bucket.name, Key=stat.key, **held)
        except Exception as error:
            code = errors.error_code(error)
            if held and code in UNKNOWN_CONDITION:
                await _check_and_delete(client, bucket, stat, kept)
            elif code in errors.CONFLICT:
                kept[stat.key] = code
            elif code not in errors.MISSING:
                raise


async def _check_and_delete(client: Any, bucket: Bucket, stat: Stat, kept: dict[str, str]) -> None:
    """Delete as a store without conditional deletes lets one: what is seen to be the version."""
    try:
        seen = await send(client, "head_object", Bucket=bucket.name, Key=stat.key)
    except Exception as error:
        if errors.error_code(error) not in errors.MISSING:
            raise
        return
    if seen["ETag"] != stat.etag:
        kept[stat.key] = "PreconditionFailed"
        return
    await send(client, "delete_object", Bucket=bucket.name, Key=stat.key)
