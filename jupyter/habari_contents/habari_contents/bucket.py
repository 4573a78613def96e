"""Calls on one S3 bucket: a deadline each, a circuit breaker per bucket, errors as sentences.

Protocol: the S3 REST API, https://docs.aws.amazon.com/AmazonS3/latest/API/ ; conditional writes:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html .

A change is done if S3 says so, and not done if S3 refuses: a 4xx with S3's own name for the reason.
Whatever else happens leaves it open, and then the object is looked at.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from habari_contents import errors, operation
from habari_contents.breaker import CircuitBreaker
from habari_contents.client import S3Client
from habari_contents.content import Digest, Fingerprint, checksums_of, is_verified
from habari_contents.models import CHECKPOINTS
from habari_contents.settings import Deadlines
from habari_contents.types import Condition, ETag, Listing, Patience, Stat

RETRY_PAUSES = (0.2, 0.6, None)
CHUNK = 256 * 1024
# How many names that begin with one's own are looked through for a folder of it.
SIBLINGS = 50
T = TypeVar("T")


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
        # What is only read must not keep changes out, a folder that takes too long to list, say.
        self._breakers = {
            changing: CircuitBreaker(rest=deadlines.rest) for changing in (False, True)
        }

    def probe_key(self) -> str:
        """A key that nothing has, to ask with what the store does: hidden, should it be left."""
        return f"{self.key_prefix}{CHECKPOINTS}/habari-asks-{uuid.uuid4().hex}"

    @property
    def _breaker(self) -> CircuitBreaker:
        return self._breakers[bool(operation.current())]

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
        client = None
        try:
            # It has a deadline of its own: a process that is to give credentials may hang.
            client = await self._client.get()
            async with asyncio.timeout(seconds):
                yield client
        except errors.ContentsError:
            self._breaker.record_success()
            raise
        except TimeoutError as error:
            self._breaker.record_failure()
            if client is None:
                cause = "this server's S3 credentials did not come in time"
                raise errors.no_credentials(path, cause) from error
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
        from botocore.parsers import ResponseParserError  # type: ignore[import-untyped]

        if isinstance(error, boto.ClientError):
            self._breaker.record_success()
            if errors.error_code(error) in errors.REFRESH_CREDENTIALS:
                # They may have been replaced where they come from: the next call reads them again.
                self._client.renew()
            return errors.from_client_error(error, path, writing=writing)
        missing = (boto.NoCredentialsError, boto.PartialCredentialsError)
        if isinstance(error, (*missing, boto.CredentialRetrievalError)):
            return errors.no_credentials(path, "this server has no S3 credentials")
        if isinstance(error, (ResponseParserError, boto.FlexibleChecksumError)):
            return errors.not_an_answer(path, writing=writing)
        connection = (boto.ConnectionError, boto.HTTPClientError, OSError)
        if isinstance(error, connection) or _is_aiohttp(error):
            self._breaker.record_failure()
            if writing and not _was_not_sent(error):
                return errors.connection_lost(path)
            return errors.unreachable(path, writing=writing)
        return None

    async def write(
        self,
        path: str,
        seconds: float,
        call: Callable[[Any], Awaitable[T]],
        look: Callable[[], Awaitable[T | None]],
    ) -> T:
        """Have S3 change an object, and know what came of it.

        `call` asks for it, `look` says what it made of the object, None if it did not (yet).
        Raises what S3 refused it for, or Unconfirmed if a look can't tell either. A conflict is
        looked at, too: aiohttp repeats by itself what broke off, and may meet its own work.
        """
        attempts = _Attempts()
        try:
            async with self.request(path, seconds, writing=True) as client:
                return await attempts.run(lambda: call(client))
        except errors.ContentsError as error:
            in_doubt = attempts.in_doubt or isinstance(error, errors.Unconfirmed)
            conflict = error.status_code == 409
            if not in_doubt and not conflict:
                raise
            try:
                landed = await look()
            except errors.ContentsError:
                landed = None
            if landed is not None:
                return landed
            if not in_doubt or conflict or error.status_code == 404:
                raise
            if isinstance(error, errors.Unconfirmed):
                raise
            raise errors.unconfirmed(503, path, "S3 gave no clear answer") from error
        raise AssertionError  # the context manager never swallows an exception

    async def head(self, key: str, path: str, *, bypass_breaker: bool = False) -> Stat | None:
        """The object's facts, or None where there is none."""
        seconds = self.deadlines.confirm if bypass_breaker else self.deadlines.look
        async with self.request(path, seconds, bypass_breaker=bypass_breaker) as client:
            try:
                answer = await send(
                    client, "head_object", Bucket=self.name, Key=key, ChecksumMode="ENABLED"
                )
            except Exception as error:
                if errors.error_code(error) in errors.MISSING:
                    return None
                raise
            return read_stat(key, path, answer)

    async def find(self, key: str, path: str) -> tuple[Stat | None, bool]:
        """The object at the key, and whether there is a folder of its name; mostly in one call."""
        async with self.request(path, self.deadlines.look) as client:
            page = await send(
                client,
                "list_objects_v2",
                Bucket=self.name,
                Prefix=key,
                Delimiter="/",
                MaxKeys=SIBLINGS,
            )
            objects, prefixes = _entries(page, path)
        # In order it comes first, and the folder after all siblings like `a-b` and `a.txt`.
        stat = next((each for each in objects if each.key == key), None)
        if f"{key}/" in prefixes:
            return stat, True
        last = max((*(each.key for each in objects), *prefixes), key=str.encode, default="")
        if not page["IsTruncated"] or last.encode() > f"{key}/".encode():
            return stat, False
        return stat, bool(await self.list_objects(f"{key}/", path, limit=1))

    async def list_objects(
        self,
        prefix: str,
        path: str,
        *,
        delimiter: str = "",
        limit: int = 0,
        patience: Patience | None = None,
    ) -> Listing:
        """All that is under a prefix (a page is 1,000), its first `limit` entries, or what is
        there when the patience ends.

        Without patience, raises 413 for more than can be listed in time.
        """
        found, started = Listing(), time.monotonic()
        more: dict[str, Any] = {"MaxKeys": limit} if limit else {}
        seconds = self.deadlines.look if limit else self.deadlines.listing
        async with self.request(path, seconds) as client:
            while True:
                asked = time.monotonic()
                page = await send(
                    client,
                    "list_objects_v2",
                    Bucket=self.name,
                    Prefix=prefix,
                    Delimiter=delimiter,
                    **more,
                )
                objects, prefixes = _entries(page, path)
                found.objects += objects
                found.prefixes += prefixes
                found.partial = bool(page.get("IsTruncated"))
                if limit or not found.partial:
                    return found
                now = time.monotonic()
                # The next page takes as long as this one did.
                then = 2 * now - asked - started
                if patience is None:
                    # S3 answers: that there is much is no reason to leave the bucket alone.
                    if then > seconds:
                        raise errors.too_many(path, len(found.objects), seconds)
                elif then > patience.seconds or len(found) >= patience.entries:
                    return found
                more = {"ContinuationToken": page["NextContinuationToken"]}

    async def open(
        self, key: str, path: str, *, byte_range: str = "", version: ETag | None = None
    ) -> Any:
        """S3's answer to a GET, its body unread; `byte_range` is a Range header (`bytes=0-99`).

        The caller reads the body to its end or closes it. Raises 404, 416 for a range outside, and
        409 if the object has another version than the one asked for.
        """
        more = {"Range": byte_range} if byte_range else {"ChecksumMode": "ENABLED"}
        if version:
            more["IfMatch"] = str(version)
        async with self.request(path, self.deadlines.transfer) as client:
            answer = await send(client, "get_object", Bucket=self.name, Key=key, **more)
            read_stat(key, path, answer)
            return answer
        raise AssertionError  # the context manager never swallows an exception

    async def iter_chunks(self, answer: Any, path: str) -> AsyncGenerator[bytes]:
        """The body of an opened object, each piece in its own deadline."""
        async with answer["Body"] as body:
            while True:
                async with self.request(path, self.deadlines.transfer):
                    piece: bytes = await body.read(CHUNK)
                if not piece:
                    return
                yield piece

    async def get(self, key: str, path: str, *, limit: int) -> tuple[bytes, Stat]:
        """The whole content of at most `limit` bytes, and its facts from the same answer.

        Raises 404 where there is none and 413 where it is larger.
        """
        content, answer = await self.get_with_answer(key, path, limit=limit)
        return content, read_stat(key, path, answer)

    async def get_with_answer(
        self, key: str, path: str, *, limit: int, version: ETag | None = None
    ) -> tuple[bytes, Any]:
        """As `get`, with all that S3 said of the object; 409 if it has another version."""
        answer = await self.open(key, path, version=version)
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
        return content, answer

    async def put(
        self,
        key: str,
        path: str,
        content: bytes,
        kind: str,
        condition: Condition,
        more: Mapping[str, Any] | None = None,
    ) -> Stat:
        """Write an object of content type `kind` if the condition holds.

        Raises 409 if it does not, and 503 or 504 "not confirmed" if the write may have landed and a
        look at the object could not tell. `more` are parameters beside those of the folder.
        """
        known = await asyncio.to_thread(Fingerprint.of, content)

        async def call(client: Any) -> Stat:
            answer = await client.put_object(
                Bucket=self.name,
                Key=key,
                Body=content,
                # What arrives is what was sent; buckets with Object Lock ask for it.
                ContentMD5=known.content_md5,
                **{"ContentType": kind, **(more or {}), **self.write_parameters},
                **condition.headers(),
            )
            if "ETag" not in answer:
                raise errors.not_an_answer(path, writing=True)
            return Stat(key, ETag.parse(answer["ETag"]), len(content), _response_date(answer))

        return await self.write(
            path,
            self.deadlines.for_body(len(content)),
            call,
            lambda: self.find_content(key, path, known),
        )

    async def find_content(self, key: str, path: str, known: Fingerprint) -> Stat | None:
        """The object at the key if it has this content, by a look that no breaker keeps out."""
        found = await self.head(key, path, bypass_breaker=True)
        if found is None or found.size != known.size:
            return None
        if known.md5 == found.etag.value or not known.size:
            return found
        return found if await self.read_back(found, path) == known else None

    async def read_back(self, stat: Stat, path: str) -> Fingerprint:
        """What this version of an object has in it. Raises 404 or 409 if it is gone."""
        async with self.request(
            path, self.deadlines.for_body(stat.size), bypass_breaker=True
        ) as client:
            answer = await send(
                client, "get_object", Bucket=self.name, Key=stat.key, IfMatch=str(stat.etag)
            )
            digest = Digest()
            async with aclosing(_pieces(answer["Body"])) as pieces:
                async for piece in pieces:
                    digest.update(piece)
            return digest.fingerprint()
        raise AssertionError  # the context manager never swallows an exception

    async def require_content(self, stat: Stat, path: str, read: Fingerprint) -> None:
        """Raise 502 unless what was read is the object's content.

        Where S3 has neither a checksum nor an MD5 of it, it is read again.
        """
        if read.size == stat.size and (
            is_verified(read, stat) or await self.read_back(stat, path) == read
        ):
            return
        raise errors.ContentsError(502, f"{path}: the copy is not what was copied.")


class _Attempts:
    """The attempts at one change: all of them, and whether one that failed may have landed."""

    def __init__(self) -> None:
        self.in_doubt = False

    async def run(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make the call, and again, twice at most, while S3 says that it may be."""
        for pause in RETRY_PAUSES:
            try:
                return await call()
            except Exception as error:
                self.in_doubt |= not (errors.is_refusal(error) or _was_not_sent(error))
                if pause is None or errors.error_code(error) not in errors.RETRIED:
                    raise
                await asyncio.sleep(pause)
        raise AssertionError  # the last round returns or raises


async def send(client: Any, method: str, **arguments: Any) -> Any:
    """One S3 call that changes nothing, repeated twice at most while S3 is too busy."""
    return await _Attempts().run(lambda: getattr(client, method)(**arguments))


def read_stat(key: str, path: str, answer: Any) -> Stat:
    """The facts in the answer to a GET or HEAD. Raises 502 if it is not S3's."""
    if "ETag" not in answer or "LastModified" not in answer:
        raise errors.not_an_answer(path)
    return Stat(
        key,
        ETag.parse(answer["ETag"]),
        answer["ContentLength"],
        answer["LastModified"],
        checksums_of(answer),
        _kept_class(answer),
    )


def _entries(page: Any, path: str) -> tuple[list[Stat], list[str]]:
    """What is in a page of a listing. Raises 502 for one of something in between."""
    if "IsTruncated" not in page:
        raise errors.not_an_answer(path)
    objects = [
        Stat(
            each["Key"],
            ETag.parse(each["ETag"]),
            each["Size"],
            each["LastModified"],
            storage_class=_kept_class(each),
        )
        for each in page.get("Contents", ())
    ]
    return objects, [each["Prefix"] for each in page.get("CommonPrefixes", ())]


def _kept_class(facts: Mapping[str, Any]) -> str:
    """The storage class, if it is not the one that S3 takes where none is said."""
    found = str(facts.get("StorageClass", ""))
    return "" if found == "STANDARD" else found


async def _pieces(body: Any) -> AsyncGenerator[bytes]:
    async with body:
        while piece := await body.read(CHUNK):
            yield piece


def _response_date(answer: Any) -> datetime:
    """S3's own clock, which is also what it stamps objects with."""
    header = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    return parsedate_to_datetime(header) if header else datetime.now(UTC)


def _is_aiohttp(error: Exception) -> bool:
    return type(error).__module__.startswith("aiohttp")


def _was_not_sent(error: Exception) -> bool:
    """Was there no connection, so that nothing can have arrived?

    aiobotocore has one exception for that and for a connection that broke after the request.
    """
    from botocore import exceptions as boto

    if isinstance(error, boto.EndpointConnectionError):
        import socket

        from aiohttp import ClientConnectorError

        return isinstance(error.kwargs.get("error"), (ClientConnectorError, socket.gaierror))
    return isinstance(
        error,
        (
            boto.ConnectTimeoutError,
            boto.ProxyConnectionError,
            boto.SSLError,
            boto.NoCredentialsError,
            boto.PartialCredentialsError,
            boto.CredentialRetrievalError,
            boto.ParamValidationError,
        ),
    )
