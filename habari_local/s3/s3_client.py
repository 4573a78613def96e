"""What identifies an S3 and its buckets, the client that talks to it, and what its errors mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from habari_local.core.errors import HabariError

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_s3 import S3Client

# Codes of what is not there: a bucket, a user, a key's tags; and of an object, too.
MISSING = {"404", "NoSuchBucket", "NoSuchEntity", "NoSuchTagSet", "NotFound"}
NO_OBJECT = MISSING | {"NoSuchKey"}


@dataclass(frozen=True)
class S3Target:
    """An S3 and the key to use with it; `endpoint_url` is None for AWS itself."""

    endpoint_url: str | None
    region: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    backend: str = "aws"
    session_token: str = field(default="", repr=False)


@dataclass(frozen=True)
class Buckets:
    """The names of the two buckets."""

    lake: str
    notebooks: str

    def __iter__(self) -> Any:
        return iter((self.lake, self.notebooks))


@dataclass(frozen=True)
class S3Access:
    """The key that notebook servers get; `user_made` tells whether it is an IAM user of ours.

    `state` is what all that was made is known by, "" where that can't be told. Kept with the key it
    lets the next bootstrap see by one plain request that nothing has changed.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    user_made: bool = True
    state: str = field(default="", repr=False)


def s3_client(target: S3Target) -> S3Client:
    """Return an S3 client: bounded, and with no more patience than somebody who waits."""
    import boto3

    client: S3Client = boto3.client("s3", config=_config(target), **_access(target))
    return client


def iam_client(target: S3Target) -> IAMClient:
    """Return an IAM client for the same place."""
    import boto3

    client: IAMClient = boto3.client("iam", config=_config(target), **_access(target))
    return client


def _access(target: S3Target) -> dict[str, Any]:
    return {
        "endpoint_url": target.endpoint_url,
        "region_name": target.region,
        "aws_access_key_id": target.access_key_id,
        "aws_secret_access_key": target.secret_access_key,
        "aws_session_token": target.session_token or None,
    }


def _config(target: S3Target) -> Any:
    from botocore.config import Config

    own = target.endpoint_url is not None
    return Config(
        connect_timeout=3,
        read_timeout=20,
        retries={"total_max_attempts": 3, "mode": "standard"},
        s3={"addressing_style": "path"} if own else {},
        proxies={} if target.backend != "aws" else None,
    )


def error_code(error: Any) -> str:
    """Return the code that S3 or IAM gave with an error."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def translate_errors(
    what: str, expected: str = "", hint: str | Callable[[str], str] = "habari-local status"
) -> Iterator[None]:
    """Turn what boto3 raises into a sentence; `hint` may be made from what was said."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, Boto3Error, ClientError) as error:
        command = hint if isinstance(hint, str) else hint(str(error))
        raise HabariError(f"{what}: {error}{expected and f'; {expected}'}.", command) from error
