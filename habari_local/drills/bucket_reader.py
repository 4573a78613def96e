"""What a drill left in the bucket of notebooks, seen from outside by the key that servers have."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from habari_local.platform.mode import S3Endpoint
from habari_local.s3.s3_client import S3Target, error_code, s3_client

READERS = 8  # half an hour leaves thousands of documents: one after the other takes minutes


class BucketReader:
    """The bucket of notebooks."""

    def __init__(self, s3: S3Endpoint, backend: str) -> None:
        target = S3Target(
            s3.endpoint_url, s3.region, s3.access_key_id, s3.secret_access_key, backend
        )
        self.bucket = s3.notebooks_bucket
        self.client = s3_client(target)

    def read(self, name: str) -> bytes | None:
        """Return what is stored under a name, None if nothing is; raises botocore's errors."""
        from botocore.exceptions import ClientError

        try:
            return self.client.get_object(Bucket=self.bucket, Key=name)["Body"].read()
        except ClientError as error:
            if error_code(error) in ("404", "NoSuchKey"):
                return None
            raise

    def read_all(self, names: Collection[str]) -> dict[str, bytes | None]:
        """Return what is stored under each name; raises botocore's errors."""
        with ThreadPoolExecutor(READERS) as pool:
            return dict(zip(names, pool.map(self.read, names), strict=True))

    def clear(self, folder: str) -> None:
        """Delete all that is under a folder."""
        pages = self.client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self.bucket, Prefix=f"{folder}/"):
            keys = [entry["Key"] for entry in page.get("Contents", ())]
            with ThreadPoolExecutor(READERS) as pool:
                list(pool.map(self._delete, keys))

    def _delete(self, key: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=key)
