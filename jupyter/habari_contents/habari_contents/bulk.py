"""Owns what moves bodies too large for memory: copies, uploads from files, downloads."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import IO, Any

from . import errors
from .models import content_type
from .objects import Condition, Stat
from .store import Bucket, send

PART = 16 * 1024 * 1024
PARTS_AT_ONCE = 4
# S3 copies at most 5 GiB in one step.
COPY_LIMIT = 5 * 1024**3
COPY_PART = 512 * 1024**2
CHUNK = 256 * 1024


async def copy(source: Bucket, stat: Stat, target: Bucket, key: str, path: str) -> Stat:
    """Copy an object inside S3 where nothing is yet, if it is still the version that `stat` says.

    Raises 409 if the target exists or the source has changed.
    """
    if stat.size > COPY_LIMIT:
        return await _copy_parts(source, stat, target, key, path)
    arguments: dict[str, Any] = {
        "Bucket": target.name,
        "Key": key,
        "CopySource": {"Bucket": source.name, "Key": stat.key},
        "CopySourceIfMatch": stat.etag,
        **target.written_with,
    }
    seconds = target.deadlines.body(stat.size)
    async with target.bounded(path, seconds, writing=True) as client:
        return await _copied(client, arguments, Condition(absent=True), stat.size)
    raise AssertionError  # the context manager never swallows an exception


async def replace(
    source: Bucket, key: str, target_key: str, path: str, over: Condition | None = None
) -> Stat:
    """Copy an object inside its bucket over what is there: what a checkpoint is for.

    Raises 409 if that is another version than the condition says, by the time S3 does it.
    """
    arguments: dict[str, Any] = {
        "Bucket": source.name,
        "Key": target_key,
        "CopySource": {"Bucket": source.name, "Key": key},
        **source.written_with,
    }
    async with source.bounded(path, source.deadlines.listing, writing=True) as client:
        return await _copied(client, arguments, over or Condition(), 0)
    raise AssertionError  # the context manager never swallows an exception


async def _copied(client: Any, arguments: dict[str, Any], over: Condition, size: int) -> Stat:
    """Copy in one step if the condition holds.

    Some stores know no conditional copy; the caller has looked at the target before.
    """
    held = over.headers()
    try:
        answer = await send(client, "copy_object", **arguments, **held)
    except Exception as error:
        if not held or errors.code_of(error) not in errors.NOT_IMPLEMENTED:
            raise
        answer = await send(client, "copy_object", **arguments)
    result = answer["CopyObjectResult"]
    return Stat(arguments["Key"], result["ETag"], size, result["LastModified"])


async def upload(
    bucket: Bucket, key: str, path: str, file: IO[bytes], size: int, kind: str, condition: Condition
) -> Stat:
    """Write an object from an open file, whole or not at all; large ones go in parts.

    Raises 409 if the condition does not hold.
    """
    if size <= PART:
        return await bucket.put(key, path, await asyncio.to_thread(file.read), kind, condition)

    async def part(client: Any, target: dict[str, Any], start: int, end: int) -> str:
        data = await asyncio.to_thread(os.pread, file.fileno(), end - start, start)
        answer = await send(client, "upload_part", **target, Body=data)
        return str(answer["ETag"])

    return await _in_parts(bucket, key, path, Parts(size, PART, kind, part), condition)


async def _copy_parts(source: Bucket, stat: Stat, target: Bucket, key: str, path: str) -> Stat:
    async def part(client: Any, target: dict[str, Any], start: int, end: int) -> str:
        answer = await send(
            client,
            "upload_part_copy",
            **target,
            CopySource={"Bucket": source.name, "Key": stat.key},
            CopySourceRange=f"bytes={start}-{end - 1}",
            CopySourceIfMatch=stat.etag,
        )
        return str(answer["CopyPartResult"]["ETag"])

    parts = Parts(stat.size, COPY_PART, content_type(key), part)
    return await _in_parts(target, key, path, parts, Condition(absent=True))


@dataclass(frozen=True, slots=True)
class Parts:
    """An object that is sent in parts: `send` makes the one from `start` to `end`, its ETag."""

    size: int
    each: int
    kind: str
    send: Callable[[Any, dict[str, Any], int, int], Awaitable[str]]


async def _in_parts(
    bucket: Bucket, key: str, path: str, parts: Parts, condition: Condition
) -> Stat:
    """Write an object in parts, a few at once; memory stays at that many parts."""
    target: dict[str, Any] = {"Bucket": bucket.name, "Key": key}
    async with bucket.bounded(path, bucket.deadlines.look, writing=True) as client:
        opened = await send(
            client,
            "create_multipart_upload",
            **target,
            ContentType=parts.kind,
            **bucket.written_with,
        )
    target["UploadId"] = opened["UploadId"]
    done: list[dict[str, Any]] = []

    async def one(number: int) -> None:
        start, end = (number - 1) * parts.each, min(number * parts.each, parts.size)
        async with bucket.bounded(path, bucket.deadlines.body(end - start), writing=True) as client:
            etag = await parts.send(client, target | {"PartNumber": number}, start, end)
        done.append({"PartNumber": number, "ETag": etag})

    try:
        count = -(-parts.size // parts.each)
        await at_once((one(n) for n in range(1, count + 1)), limit=PARTS_AT_ONCE)
        async with bucket.bounded(path, bucket.deadlines.listing, writing=True) as client:
            await send(
                client,
                "complete_multipart_upload",
                **target,
                MultipartUpload={"Parts": sorted(done, key=lambda p: int(p["PartNumber"]))},
                **condition.headers(),
            )
    except BaseException:
        await _abort(bucket, path, target)
        raise
    stat = await bucket.head(key, path)
    if stat is None or stat.size != parts.size:
        raise errors.ContentsError(502, f"{path}: is not complete in S3. Try: upload it again.")
    return stat


async def _abort(bucket: Bucket, path: str, target: dict[str, str]) -> None:
    try:
        async with bucket.bounded(path, bucket.deadlines.confirm, trial=True) as client:
            await client.abort_multipart_upload(**target)
    except errors.ContentsError:
        # Parts that are left cost room only; a bucket's lifecycle rule ends them.
        return


async def chunks(bucket: Bucket, answer: Any, path: str) -> AsyncGenerator[bytes]:
    """The body of an opened object, each piece in its own deadline."""
    async with answer["Body"] as body:
        while True:
            async with bucket.bounded(path, bucket.deadlines.transfer):
                piece: bytes = await body.read(CHUNK)
            if not piece:
                return
            yield piece


async def at_once(work: Iterable[Coroutine[Any, Any, None]], limit: int = 8) -> None:
    """Run coroutines, at most `limit` at a time, and raise the first error when all have ended.

    After an error no more are started, and none is cancelled: half a request may still do its work.
    """
    waiting = iter(work)
    failures: list[Exception] = []

    async def worker() -> None:
        for job in waiting:
            if failures:
                job.close()
                continue
            try:
                await job
            except Exception as error:  # noqa: BLE001 - raised below, when the others have ended
                failures.append(error)

    await asyncio.gather(*(worker() for _ in range(limit)))
    if failures:
        raise failures[0]
