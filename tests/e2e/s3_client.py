"""The buckets as somebody outside sees them, with the key that the notebook servers have."""

from typing import TYPE_CHECKING

from .endpoints import Endpoints

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def connect(endpoints: Endpoints) -> "S3Client":
    """A client of the deployment's S3; bounded, and without retries that would hide a fault."""
    import boto3
    from botocore.config import Config

    s3 = endpoints.s3
    config = Config(
        connect_timeout=5,
        read_timeout=20,
        retries={"total_max_attempts": 2},
        s3={"addressing_style": "path"} if s3.endpoint_url else {},
        proxies={} if s3.endpoint_url else None,
    )
    return boto3.client(
        "s3",
        endpoint_url=s3.endpoint_url,
        region_name=s3.region,
        aws_access_key_id=s3.access_key_id.get_secret_value(),
        aws_secret_access_key=s3.secret_access_key.get_secret_value(),
        config=config,
    )


class Bucket:
    """One bucket: whole objects by key."""

    def __init__(self, client: "S3Client", name: str) -> None:
        self.client = client
        self.name = name

    def put(self, key: str, body: bytes) -> None:
        """Write an object."""
        self.client.put_object(Bucket=self.name, Key=key, Body=body)

    def get(self, key: str) -> bytes:
        """An object's bytes."""
        return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()

    def keys(self, prefix: str) -> list[str]:
        """All keys that begin with *prefix*."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=prefix
        )
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def delete_all(self, prefix: str) -> None:
        """Delete every object whose key begins with *prefix*."""
        for key in self.keys(prefix):
            self.client.delete_object(Bucket=self.name, Key=key)
