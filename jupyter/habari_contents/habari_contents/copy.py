"""Copies inside S3: of one version, and over what a condition allows, whatever the store does.

Some stores take a copy and look at none of its conditions. What is copied there goes through this
server instead, or in parts: they hold the conditions of those.
"""

from __future__ import annotations

from typing import Any

from habari_contents import errors
from habari_contents.bucket import Bucket, send
from habari_contents.conditional_writes import NO_VERSION, UNKNOWN_CONDITION
from habari_contents.models import content_type
from habari_contents.multipart import PART, Parts, upload_parts
from habari_contents.types import Condition, Stat

# S3 copies at most 5 GiB in one step.
COPY_LIMIT = 5 * 1024**3
COPY_PART = 512 * 1024**2


async def copy(
    source: Bucket, stat: Stat, target: Bucket, key: str, path: str, over: Condition
) -> Stat:
    """Copy the version that `stat` says (without an ETag: whichever is there), if `over` holds.

    Raises 409 if it does not hold by the time S3 does it, or if the source has changed.
    """
    if over.headers() and not await _supports_conditions(source, stat, target, path):
        if stat.size > PART:
            return await _copy_parts(source, stat, target, key, path, over)
        return await _copy_through_server(source, stat, target, key, path, over)
    if stat.size > COPY_LIMIT:
        return await _copy_parts(source, stat, target, key, path, over)
    arguments = {"Bucket": target.name, "Key": key, **target.write_parameters, **over.headers()}
    seconds = target.deadlines.for_body(stat.size)
    async with target.request(path, seconds, writing=True) as client:
        answer = await send(client, "copy_object", **_source_arguments(source, stat), **arguments)
    result = answer["CopyObjectResult"]
    return Stat(key, result["ETag"], stat.size, result["LastModified"])


def _source_arguments(source: Bucket, stat: Stat) -> dict[str, Any]:
    held = {"CopySourceIfMatch": stat.etag} if stat.etag else {}
    return {"CopySource": {"Bucket": source.name, "Key": stat.key}, **held}


async def _supports_conditions(source: Bucket, stat: Stat, target: Bucket, path: str) -> bool:
    """Whether the target's store does; it is asked with the first copy, by one that can't hold."""
    async with target.probe_lock:
        if target.conditional_copies is None and stat.size <= PART:
            target.conditional_copies = await _probe(source, stat, target, path)
        return bool(target.conditional_copies)


async def _probe(source: Bucket, stat: Stat, target: Bucket, path: str) -> bool:
    to = {"Bucket": target.name, "Key": target.probe_key()}
    async with target.request(path, target.deadlines.listing) as client:
        try:
            await send(
                client, "copy_object", **_source_arguments(source, stat), **to, IfMatch=NO_VERSION
            )
        except Exception as error:
            code = errors.error_code(error)
            if code in UNKNOWN_CONDITION:
                return False
            if code not in errors.CONFLICT | errors.MISSING:
                raise
        else:
            await client.delete_object(**to)
            return False
    # The same is answered if it is the source that is gone, or another version.
    now = await source.head(stat.key, path)
    if now is None or stat.etag not in {"", now.etag}:
        raise errors.version_conflict(path)
    return True


async def _copy_through_server(
    source: Bucket, stat: Stat, target: Bucket, key: str, path: str, over: Condition
) -> Stat:
    content, seen = await source.get(stat.key, path, limit=PART)
    if stat.etag not in {"", seen.etag}:
        raise errors.version_conflict(path)
    return await target.put(key, path, content, content_type(key), over)


async def _copy_parts(
    source: Bucket, stat: Stat, target: Bucket, key: str, path: str, over: Condition
) -> Stat:
    async def part(client: Any, at: dict[str, Any], start: int, end: int) -> str:
        span = f"bytes={start}-{end - 1}"
        asked = {**_source_arguments(source, stat), **at, "CopySourceRange": span}
        answer = await send(client, "upload_part_copy", **asked)
        return str(answer["CopyPartResult"]["ETag"])

    return await upload_parts(
        target, key, path, Parts(stat.size, COPY_PART, content_type(key), part), over
    )
