"""Copies inside S3: of one version, and over what a condition allows, whatever the store does.

Some stores take a copy and look at none of its conditions. What is copied there goes through this
server instead, or in parts: they hold the conditions of those. On each way the copy has what S3
keeps beside the content: metadata, content type and encoding, tags, storage class.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from habari_contents import errors
from habari_contents.bucket import Bucket, read_stat, send
from habari_contents.conditional_writes import NO_VERSION, UNKNOWN_CONDITION
from habari_contents.content import Fingerprint, same_by_facts
from habari_contents.models import content_type
from habari_contents.multipart import PART, Parts, upload_parts
from habari_contents.types import Condition, ETag, Stat

# S3 copies at most 5 GiB in one step.
COPY_LIMIT = 5 * 1024**3
COPY_PART = 512 * 1024**2
PROPERTIES = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Expires",
    "Metadata",
    "StorageClass",
    "WebsiteRedirectLocation",
)


async def copy(
    source: Bucket, stat: Stat, target: Bucket, key: str, path: str, over: Condition
) -> Stat:
    """Copy the version that `stat` says (without an ETag: whichever is there), if `over` holds.

    Raises 404 without a source, 409 if `over` does not hold by the time S3 does it, or if the
    source has changed.
    """
    if over.headers() and not await _supports_conditions(source, stat, target, path):
        if stat.size > PART:
            return await _copy_parts(source, stat, target, key, path, over)
        return await _copy_through_server(source, stat, target, key, path, over)
    if stat.size > COPY_LIMIT:
        return await _copy_parts(source, stat, target, key, path, over)
    # S3 copies all but the storage class.
    kept = {"StorageClass": stat.storage_class} if stat.storage_class else {}
    arguments = {"Bucket": target.name, "Key": key, **kept, **target.write_parameters}

    async def call(client: Any) -> Stat:
        answer = await client.copy_object(
            **_source_arguments(source, stat), **arguments, **over.headers()
        )
        result = answer.get("CopyObjectResult", {})
        if "ETag" not in result:
            raise errors.not_an_answer(path, writing=True)
        return Stat(key, ETag.parse(result["ETag"]), stat.size, result["LastModified"])

    return await target.write(
        path,
        target.deadlines.for_body(stat.size),
        call,
        lambda: _find_copy(source, stat, target, key, path),
    )


def _source_arguments(source: Bucket, stat: Stat) -> dict[str, Any]:
    held = {"CopySourceIfMatch": str(stat.etag)} if stat.etag else {}
    return {"CopySource": {"Bucket": source.name, "Key": stat.key}, **held}


async def _find_copy(
    source: Bucket, stat: Stat, target: Bucket, key: str, path: str
) -> Stat | None:
    """What is at the target, if it has the content of the source."""
    original, found = await asyncio.gather(
        source.head(stat.key, path, bypass_breaker=True),
        target.head(key, path, bypass_breaker=True),
    )
    if original is None or found is None or stat.etag not in {ETag(), original.etag}:
        return None
    return found if await same_content(source, original, target, found, path) else None


async def same_content(source: Bucket, one: Stat, target: Bucket, other: Stat, path: str) -> bool:
    """Have two objects the same content? By what S3 says of them, else by reading both."""
    told = same_by_facts(one, other)
    if told is None:
        read = await asyncio.gather(source.read_back(one, path), target.read_back(other, path))
        return read[0] == read[1]
    return told


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
                client,
                "copy_object",
                **_source_arguments(source, stat),
                **to,
                **target.write_parameters,
                IfMatch=str(NO_VERSION),
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
    if now is None or stat.etag not in {ETag(), now.etag}:
        raise errors.version_conflict(path)
    return True


async def _copy_through_server(
    source: Bucket, stat: Stat, target: Bucket, key: str, path: str, over: Condition
) -> Stat:
    content, answer = await source.get_with_answer(stat.key, path, limit=PART, version=stat.etag)
    seen = read_stat(stat.key, path, answer)
    if stat.etag not in {ETag(), seen.etag}:
        # This store looks at no condition of a GET.
        raise errors.version_conflict(path)
    await source.require_content(seen, path, await asyncio.to_thread(Fingerprint.of, content))
    kept = await _properties(source, stat.key, path, answer)
    return await target.put(key, path, content, content_type(key), over, kept)


async def _copy_parts(
    source: Bucket, stat: Stat, target: Bucket, key: str, path: str, over: Condition
) -> Stat:
    async with source.request(path, source.deadlines.look) as client:
        answer = await send(client, "head_object", Bucket=source.name, Key=stat.key)
        stat = replace(stat, etag=stat.etag or read_stat(stat.key, path, answer).etag)
    kept = await _properties(source, stat.key, path, answer)

    async def part(client: Any, at: dict[str, Any], start: int, end: int) -> str:
        span = f"bytes={start}-{end - 1}"
        asked = {**_source_arguments(source, stat), **at, "CopySourceRange": span}
        answer = await send(client, "upload_part_copy", **asked)
        return str(answer["CopyPartResult"]["ETag"])

    parts = Parts(
        stat.size,
        COPY_PART,
        part,
        lambda: _find_copy(source, stat, target, key, path),
        {"ContentType": content_type(key), **kept},
    )
    return await upload_parts(target, key, path, parts, over)


async def _properties(
    source: Bucket, key: str, path: str, answer: Mapping[str, Any]
) -> dict[str, Any]:
    """What S3 keeps of an object beside its content, as a new one is given it."""
    found = {name: answer[name] for name in PROPERTIES if answer.get(name)}
    if answer.get("TagCount"):
        async with source.request(path, source.deadlines.look) as client:
            tags = await send(client, "get_object_tagging", Bucket=source.name, Key=key)
        found["Tagging"] = urlencode({tag["Key"]: tag["Value"] for tag in tags["TagSet"]})
    return found
