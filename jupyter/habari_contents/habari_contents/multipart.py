"""Bodies too large for memory: multipart uploads, and downloads in chunks."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import IO, Any

from habari_contents import errors
from habari_contents.bucket import Bucket, send
from habari_contents.types import Condition, Stat

PART = 16 * 1024 * 1024
CONCURRENT_PARTS = 4
CHUNK = 256 * 1024


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

    return await upload_parts(bucket, key, path, Parts(size, PART, kind, part), condition)


@dataclass(frozen=True, slots=True)
class Parts:
    """An object that is sent in parts: `send` makes the one from `start` to `end`, its ETag."""

    size: int
    part_size: int
    kind: str
    send: Callable[[Any, dict[str, Any], int, int], Awaitable[str]]


async def upload_parts(
    bucket: Bucket, key: str, path: str, parts: Parts, condition: Condition
) -> Stat:
    """Write an object in parts, a few at once; memory stays at that many parts.

    Raises 409 if the condition does not hold when all are there.
    """
    target: dict[str, Any] = {"Bucket": bucket.name, "Key": key}
    async with bucket.request(path, bucket.deadlines.look, writing=True) as client:
        opened = await send(
            client,
            "create_multipart_upload",
            **target,
            ContentType=parts.kind,
            **bucket.write_parameters,
        )
    target["UploadId"] = opened["UploadId"]
    done: list[dict[str, Any]] = []

    async def send_part(number: int) -> None:
        start, end = (number - 1) * parts.part_size, min(number * parts.part_size, parts.size)
        async with bucket.request(
            path, bucket.deadlines.for_body(end - start), writing=True
        ) as client:
            etag = await parts.send(client, target | {"PartNumber": number}, start, end)
        done.append({"PartNumber": number, "ETag": etag})

    try:
        count = -(-parts.size // parts.part_size)
        await run_limited((send_part(n) for n in range(1, count + 1)), limit=CONCURRENT_PARTS)
        async with bucket.request(path, bucket.deadlines.listing, writing=True) as client:
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
        async with bucket.request(path, bucket.deadlines.confirm, bypass_breaker=True) as client:
            await client.abort_multipart_upload(**target)
    except errors.ContentsError:
        # Parts that are left cost room only; a bucket's lifecycle rule ends them.
        return


async def iter_chunks(bucket: Bucket, answer: Any, path: str) -> AsyncGenerator[bytes]:
    """The body of an opened object, each piece in its own deadline."""
    async with answer["Body"] as body:
        while True:
            async with bucket.request(path, bucket.deadlines.transfer):
                piece: bytes = await body.read(CHUNK)
            if not piece:
                return
            yield piece


async def run_limited(work: Iterable[Coroutine[Any, Any, None]], limit: int = 8) -> None:
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

    async with asyncio.TaskGroup() as workers:
        for _ in range(limit):
            workers.create_task(worker())
            # Preparing a request takes the event loop 10 ms: not for all in one turn of it.
            await asyncio.sleep(0)
    if failures:
        raise failures[0]
