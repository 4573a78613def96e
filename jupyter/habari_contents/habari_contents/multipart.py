"""Bodies too large for one request: multipart uploads, a few parts at once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from habari_contents import disk, errors
from habari_contents.bucket import Bucket, send
from habari_contents.content import Fingerprint
from habari_contents.types import Condition, ETag, Stat

PART = 16 * 1024 * 1024
CONCURRENT_PARTS = 4


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
        md5 = (await asyncio.to_thread(Fingerprint.of, data)).content_md5
        answer = await send(client, "upload_part", **target, Body=data, ContentMD5=md5)
        return str(answer["ETag"])

    async def landed() -> Stat | None:
        known = Fingerprint(size, await asyncio.to_thread(disk.md5_of, file))
        return await bucket.find_content(key, path, known)

    parts = Parts(size, PART, part, landed, {"ContentType": kind})
    return await upload_parts(bucket, key, path, parts, condition)


@dataclass(frozen=True, slots=True)
class Parts:
    """An object that is sent in parts: `send` makes the one from `start` to `end`, its ETag.

    `look` finds the whole object where its making is in doubt; `more` are its content type and
    whatever else S3 keeps of it.
    """

    size: int
    part_size: int
    send: Callable[[Any, dict[str, Any], int, int], Awaitable[str]]
    look: Callable[[], Awaitable[Stat | None]]
    more: Mapping[str, Any] = field(default_factory=dict)


async def upload_parts(
    bucket: Bucket, key: str, path: str, parts: Parts, condition: Condition
) -> Stat:
    """Write an object in parts, a few at once; memory stays at that many parts.

    Raises 409 if the condition does not hold when all are there.
    """
    target: dict[str, Any] = {"Bucket": bucket.name, "Key": key}
    # An upload that was opened and not told of makes no object: there is nothing to look at.
    async with bucket.request(path, bucket.deadlines.look) as client:
        opened = await send(
            client,
            "create_multipart_upload",
            **target,
            **{**parts.more, **bucket.write_parameters},
        )
        if "UploadId" not in opened:
            raise errors.not_an_answer(path)
    target["UploadId"] = opened["UploadId"]
    done: list[dict[str, Any]] = []

    async def send_part(number: int) -> None:
        start, end = (number - 1) * parts.part_size, min(number * parts.part_size, parts.size)
        async with bucket.request(path, bucket.deadlines.for_body(end - start)) as client:
            etag = await parts.send(client, target | {"PartNumber": number}, start, end)
        done.append({"PartNumber": number, "ETag": etag})

    try:
        count = -(-parts.size // parts.part_size)
        await run_limited((send_part(n) for n in range(1, count + 1)), limit=CONCURRENT_PARTS)
    except BaseException:
        await _abort(bucket, path, target)
        raise
    ordered = sorted(done, key=lambda part: int(part["PartNumber"]))
    try:
        return await _complete(bucket, key, path, parts, target, ordered, condition)
    except errors.Unconfirmed:
        # It may still be completed: aborted now, it would be gone.
        raise
    except BaseException:
        await _abort(bucket, path, target)
        raise


async def _complete(
    bucket: Bucket,
    key: str,
    path: str,
    parts: Parts,
    target: dict[str, Any],
    done: list[dict[str, Any]],
    condition: Condition,
) -> Stat:
    async def call(client: Any) -> Stat:
        answer = await client.complete_multipart_upload(
            **target, MultipartUpload={"Parts": done}, **condition.headers()
        )
        if "ETag" not in answer:
            raise errors.not_an_answer(path, writing=True)
        made, stat = ETag.parse(answer["ETag"]), await bucket.head(key, path)
        if stat is None or (stat.etag == made and stat.size != parts.size):
            raise errors.unconfirmed(502, path, "it is not complete in S3")
        # Somebody else may have saved since: what was made here is what the answer says.
        return Stat(key, made, parts.size, stat.modified)

    return await bucket.write(path, bucket.deadlines.listing, call, parts.look)


async def _abort(bucket: Bucket, path: str, target: dict[str, str]) -> None:
    try:
        async with bucket.request(path, bucket.deadlines.confirm, bypass_breaker=True) as client:
            await client.abort_multipart_upload(**target)
    except errors.ContentsError:
        # Parts that are left cost room only; a bucket's lifecycle rule ends them.
        return


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
            # Preparing a request takes the event loop a while: not for all in one turn of it.
            await asyncio.sleep(0)
    if failures:
        raise failures[0]
