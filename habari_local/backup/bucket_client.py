"""The two buckets of a platform, asked with the key that its servers have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from habari_local.platform.mode import Context, Mode
from habari_local.s3.s3_client import S3Target, s3_client, translate_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@contextmanager
def buckets(mode: Mode, ctx: Context) -> Iterator[tuple[S3Client, Mapping[str, str]]]:
    """Give a client and the buckets' names by their places; what S3 refuses becomes a sentence.

    Raises:
        HabariError: S3 refused, or did not answer.
    """
    s3 = mode.endpoints(ctx).s3
    key = (s3.access_key_id, s3.secret_access_key, ctx.settings.s3_backend)
    client = s3_client(S3Target(s3.endpoint_url, s3.region, *key))
    try:
        with translate_errors(
            f"S3 at {s3.endpoint_url or 'AWS'}", "its objects were to be carried"
        ):
            yield client, {"lake": s3.lake_bucket, "notebooks": s3.notebooks_bucket}
    finally:
        client.close()
