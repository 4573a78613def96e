"""The aiobotocore client: made when S3 is first needed, its slow parts off the event loop.

Credentials, region and endpoint come from the standard AWS chain (environment, profile, process,
web identity); nothing of them is kept here.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import os
import time
from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack, suppress
from datetime import datetime
from functools import partial
from typing import Any

POOL = 32
START_SECONDS = 8.0
RENEW_SECONDS = 2.0
REAP_SECONDS = 1.0


class S3Client:
    """One lazily made S3 client for all folders of a server.

    Requests to the buckets `requester_pays` say that this server's account pays for them.
    """

    def __init__(
        self, *, requester_pays: Collection[str] = (), freeze_garbage_collector: bool = False
    ) -> None:
        self._requester_pays = frozenset(requester_pays)
        self._freeze_garbage_collector = freeze_garbage_collector
        self._lock = asyncio.Lock()
        self._stack: AsyncExitStack | None = None
        self._client: Any = None
        self._made = 0.0
        self._old: list[AsyncExitStack] = []

    async def get(self) -> Any:
        """The client; the first call makes it (half a second, most of it in a thread).

        Raises TimeoutError if credentials are not there in time.
        """
        if self._client is None:
            async with self._lock:
                if self._client is None:
                    # That is work, for which a slow machine takes its time; what may never come
                    # is what is waited for after it.
                    await asyncio.to_thread(_import_aiobotocore)
                    async with asyncio.timeout(START_SECONDS):
                        await self._make()
                return self._client
        return self._client

    async def _make(self) -> None:
        session, config = await asyncio.to_thread(_load_aiobotocore)
        stack = AsyncExitStack()
        client = await stack.enter_async_context(session.create_client("s3", config=config))
        if self._requester_pays:
            pay = partial(_pay, self._requester_pays)
            client.meta.events.register("provide-client-params.s3", pay)
        self._client = client
        self._stack, self._made = stack, time.monotonic()
        if self._freeze_garbage_collector:
            # botocore's data are a hundred thousand objects that stay: looking through them again
            # stops the event loop for 80 ms, at some moment of a rename.
            gc.freeze()
        while len(self._old) > 1:
            await self._old.pop(0).aclose()

    def renew(self) -> None:
        """Have the next call make a new client, with the credentials that are there by then.

        At most every few seconds, as they may be wrong for good. The old one is closed at the
        end only: calls of others may still be under way in it.
        """
        if time.monotonic() - self._made < RENEW_SECONDS:
            return
        self._drop()

    def _drop(self) -> None:
        if self._stack is not None:
            self._old.append(self._stack)
        self._stack, self._client = None, None

    async def close(self) -> None:
        """Close its connections; the next call makes a new one."""
        self._drop()
        while self._old:
            await self._old.pop().aclose()


def _pay(buckets: Collection[str], params: dict[str, Any], model: Any, **_: Any) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/RequesterPaysBuckets.html"""
    source = params.get("CopySource")
    asked = {params.get("Bucket"), source.get("Bucket") if isinstance(source, Mapping) else None}
    if not asked.isdisjoint(buckets) and "RequestPayer" in model.input_shape.members:
        params["RequestPayer"] = "requester"


class _CredentialProcess:
    """A `credential_process` as aiobotocore starts it, which ends with the wait for it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, *argv: str, **pipes: Any) -> _CredentialProcess:
        return cls(await asyncio.create_subprocess_exec(*argv, **pipes))

    @property
    def returncode(self) -> int | None:
        return self._process.returncode

    async def communicate(self) -> tuple[bytes, bytes]:
        try:
            return await self._process.communicate()
        except asyncio.CancelledError:
            with suppress(ProcessLookupError):
                self._process.kill()
            # Until it is reaped, which a child of its own that has its pipes may hold up.
            with suppress(TimeoutError):
                async with asyncio.timeout(REAP_SECONDS):
                    await self._process.wait()
            raise


def _import_aiobotocore() -> None:
    for name in ("config", "session"):
        importlib.import_module(f"aiobotocore.{name}")


def _load_aiobotocore() -> tuple[Any, Any]:
    """Import aiobotocore and read its data files, which would stall the event loop."""
    from aiobotocore.config import AioConfig  # type: ignore[import-untyped]
    from aiobotocore.session import get_session  # type: ignore[import-untyped]

    session = get_session()
    for provider in session.get_component("credential_provider").providers:
        if getattr(provider, "_popen", None) is asyncio.create_subprocess_exec:
            provider._popen = _CredentialProcess.start
    parsers = session.get_component("response_parser_factory")
    parsers.set_parser_defaults(timestamp_parser=parse_time)
    loader = session.get_component("data_loader")
    for name in ("endpoints", "partitions", "sdk-default-configuration"):
        loader.load_data(name)
    for kind in ("service-2", "endpoint-rule-set-1"):
        loader.load_service_model("s3", kind)
    custom = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    config = AioConfig(
        connect_timeout=2,
        read_timeout=60,
        # Deadlines and retries are ours: botocore's multiply into minutes.
        retries={"total_max_attempts": 1},
        max_pool_connections=POOL,
        # A name is looked up for each new connection: aiohttp would keep the address for 10 s, and
        # an S3 that was recreated has another one, whose old one somebody else may have by then.
        connector_args={"use_dns_cache": False},
        # A bucket is no host name at an S3 of one's own.
        s3={"addressing_style": "path"} if custom else None,
        **_checksums(session.get_scoped_config()),
    )
    return session, config


def _checksums(profile: Mapping[str, Any]) -> dict[str, str]:
    """When botocore adds checksums of its own: as the AWS chain says, else only where it must.

    Checksum trailers are answered with errors by S3 implementations that don't know them. Each
    upload carries a Content-MD5 anyway.
    """
    wanted = ("request_checksum_calculation", "response_checksum_validation")
    said = {n for n in wanted if os.environ.get(f"AWS_{n.upper()}") or profile.get(n)}
    return {name: "when_required" for name in wanted if name not in said}


def parse_time(value: Any) -> datetime:
    """A time of S3, as its listings write it; whatever else botocore knows, by botocore.

    Of what it took to read a page of a listing, botocore's guess at the format was three quarters.
    """
    with suppress(TypeError, ValueError):
        found = datetime.fromisoformat(value)
        if found.tzinfo is not None:
            return found
    from botocore.utils import parse_timestamp  # type: ignore[import-untyped]

    return parse_timestamp(value)  # type: ignore[no-any-return]
