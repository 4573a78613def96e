"""Calls on one S3 bucket: a deadline each, a circuit breaker per bucket, errors as sentences.

Protocol: the S3 REST API, https://docs.aws.amazon.com/AmazonS3/latest/API/ ; conditional writes:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html .
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from habari_contents import errors
from habari_contents.breaker import CircuitBreaker
from habari_contents.client import S3Client
from habari_contents.models import CHECKPOINTS
from habari_contents.settings import Deadlines
from habari_contents.types import Condition, Listing, Stat

RETRY_PAUSES = (0.2, 0.6, None)


class Bucket:
    """The calls on one bucket. `path` is always the API path that an error sentence names."""

    def __init__(
        self,
        name: str,
        client: S3Client,
        deadlines: Deadlines,
        write_parameters: Mapping[str, str] | None = None,
        key_prefix: str = "",
    ) -> None:
        self.name = name
        # What every key begins with.
        self.key_prefix = key_prefix
        self.deadlines = deadlines
        self.write_parameters = dict(write_parameters or {})
        # Whether its store holds the conditions of copies; None until it was asked with the first.
        self.conditional_copies: bool | None = None
        self.probe_lock = asyncio.Lock()
        self._client = client
        self._breaker = CircuitBreaker(rest=deadlines.rest)

    def probe_key(self) -> str:
        """A key that nothing has, to ask with what the store does: hidden, should it be left."""
        return f"{self.key_prefix}{CHECKPOINTS}/habari-asks-{uuid.uuid4().hex}"

    @asynccontextmanager
    async def request(
        self, path: str, seconds: float, *, writing: bool = False, bypass_breaker: bool = False
    ) -> AsyncIterator[Any]:
        """The client, for at most `seconds`; only S3 calls belong inside.

        Raises ContentsError for whatever S3 or the way to it does; a ClientError that the caller
        wants to see itself must be caught inside. `bypass_breaker` asks while it is open, too.
        """
        rest = 0.0 if bypass_breaker else self._breaker.retry_after()
        if rest:
            raise errors.breaker_open(path, rest)
        try:
            client = await self._client.get()
            async with asyncio.timeout(seconds):
                yield client
        except errors.ContentsError:
            self._breaker.record_success()
            raise
        except TimeoutError as error:
            self._breaker.record_failure()
            raise errors.timed_out(path, seconds, writing=writing) from error
        except Exception as error:
            answer = self._translate(error, path, writing=writing)
            if answer is None:
                raise
            raise answer from error
        else:
            self._breaker.record_success()

    def _translate(self, error: Exception, path: str, *, writing: bool) -> Exception | None:
        """What a failed call means: an answer of S3, or no way to it; None is an error of ours."""
        from botocore import exceptions as boto  # type: ignore[import-untyped]

        if isinstance(error, boto.ClientError):
            self._breaker.record_success()
            if errors.error_code(error) in errors.REFRESH_CREDENTIALS:
                # They may have been replaced where they come from: the next call reads them again.
                self._client.renew()
            return errors.from_client_error(error, path)
        if isinstance(error, (boto.NoCredentialsError, boto.PartialCredentialsError)):
            return errors.ContentsError(503, f"{path}: this server has no S3 credentials.")
        if isinstance(error, boto.EndpointConnectionError):
            self._breaker.record_failure()
            return errors.unreachable(path, writing=writing)
        if isinstance(error, (boto.HTTPClientError, OSError)) or _is_aiohttp(error):
            self._breaker.record_failure()
            return errors.connection_lost(path) if writing else errors.unreachable(path)
        return None

    async def head(self, key: str, path: str, *, bypass_breaker: bool = False) -> Stat | None:
        """The object's facts, or None where there is none."""
        seconds = self.deadlines.confirm if bypass_breaker else self.deadlines.look
        async with self.request(path, seconds, bypass_breaker=bypass_breaker) as client:
            try:
                answer = await send(client, "head_object", Bucket=self.name, Key=key)
            except Exception as error:
                if errors.error_code(error) in errors.MISSING:
                    return None
                raise
            return Stat(key, answer["ETag"], answer["ContentLength"], answer["LastModified"])

    async def list_objects(
        self, prefix: str, path: str, *, delimiter: str = "", limit: int = 0
    ) -> Listing:
        """All that is under a prefix (a page is 1,000), or its first `limit` entries."""
        found = Listing()
        more: dict[str, Any] = {"MaxKeys": limit} if limit else {}
        seconds = self.deadlines.look if limit else self.deadlines.listing
        async with self.request(path, seconds) as client:
            while True:
                page = await send(
                    client,
                    "list_objects_v2",
                    Bucket=self.name,
                    Prefix=prefix,
                    Delimiter=delimiter,
                    **more,
                )
                found.objects += [
                    Stat(o["Key"], o["ETag"], o["Size"], o["LastModified"])
                    for o in page.get("Contents", ())
                ]
                found.prefixes += [p["Prefix"] for p in page.get("CommonPrefixes", ())]
                if limit or not page.get("IsTruncated"):
                    return found
                more = {"ContinuationToken": page["NextContinuationToken"]}

    async def open(self, key: str, path: str, *, byte_range: str = "") -> Any:
        """S3's answer to a GET, its body unread; `byte_range` is a Range header (`bytes=0-99`).

        The caller reads the body to its end or closes it. Raises 404, and 416 for a range outside.
        """
        more = {"Range": byte_range} if byte_range else {}
        async with self.request(path, self.deadlines.transfer) as client:
            return await send(client, "get_object", Bucket=self.name, Key=key, **more)
        raise AssertionError  # the context manager never swallows an exception

    async def get(self, key: str, path: str, *, limit: int) -> tuple[bytes, Stat]:
        """The whole content of at most `limit` bytes, and its facts from the same answer.

        Raises 404 where there is none and 413 where it is larger.
        """
        answer = await self.open(key, path)
        size = answer["ContentLength"]
        async with answer["Body"] as body:
            if size > limit:
                raise errors.ContentsError(
                    413,
                    f"{path}: has {size:,} bytes, and at most {limit:,} can be opened. "
                    "Try: download it, or read it in a notebook.",
                )
            async with self.request(path, self.deadlines.for_body(size)):
                content = await body.read()
        return content, Stat(key, answer["ETag"], size, answer["LastModified"])

    async def put(
        self, key: str, path: str, content: bytes, kind: str, condition: Condition
    ) -> Stat:
        """Write an object of content type `kind` if the condition holds.

        Raises 409 if it does not, and 503 or 504 "not confirmed" if the write may have landed and a
        look at the object could not tell.
        """
        try:
            async with self.request(
                path, self.deadlines.for_body(len(content)), writing=True
            ) as client:
                answer = await send(
                    client,
                    "put_object",
                    Bucket=self.name,
                    Key=key,
                    Body=content,
                    ContentType=kind,
                    **self.write_parameters,
                    **condition.headers(),
                )
                return Stat(key, answer["ETag"], len(content), _response_date(answer))
        except errors.ContentsError as error:
            # Answered or not, an attempt may have landed before: the object itself tells.
            if error.status_code != 409 and not isinstance(error, errors.Unconfirmed):
                raise
            landed = await self._find_landed(key, path, content)
            if landed is None:
                raise
            return landed
        raise AssertionError  # the context manager never swallows an exception

    async def _find_landed(self, key: str, path: str, content: bytes) -> Stat | None:
        try:
            found = await self.head(key, path, bypass_breaker=True)
        except errors.ContentsError:
            return None
        if found is None or found.size != len(content):
            return None
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return found if found.md5 == md5 else None


async def send(client: Any, operation: str, **arguments: Any) -> Any:
    """One S3 call, repeated twice at most while S3 says that it is too busy."""
    for pause in RETRY_PAUSES:
        try:
            return await getattr(client, operation)(**arguments)
        except Exception as error:
            if pause is None or errors.error_code(error) not in errors.TRANSIENT:
                raise
            await asyncio.sleep(pause)
    raise AssertionError  # the last round returns or raises


def _response_date(answer: Any) -> datetime:
    """S3's own clock, which is also what it stamps objects with."""
    header = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    return parsedate_to_datetime(header) if header else datetime.now(UTC)


def _is_aiohttp(error: Exception) -> bool:
    return type(error).__module__.startswith("aiohttp")
