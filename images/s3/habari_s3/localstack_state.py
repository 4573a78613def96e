"""LocalStack's S3 as entities: what to save of its memory, and how to restore it.

Once a body is kept, LocalStack's temporary copy of it goes; it is made again for the next read.
"""

# LocalStack is in another environment than the one that types are checked in.
# mypy: disable-error-code="import-not-found"

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from localstack.services.s3.models import (
    KeyStore,
    S3Bucket,
    S3Multipart,
    S3Object,
    S3Part,
    VersionedKeyStore,
    s3_stores,
)
from localstack.services.s3.storage.ephemeral import (
    S3_MAX_FILE_SIZE_BYTES,
    EphemeralS3ObjectStore,
    EphemeralS3StoredObject,
    LockedSpooledTemporaryFile,
)
from localstack.services.s3.utils import get_unique_key_id

from habari_s3.blobs import BlobStore
from habari_s3.entities import Entity, Snapshot
from habari_s3.snapshot_pickle import deserialize, serialize

BODY = "habari_body"  # the attribute of an S3Object or S3Part with its StoredBlob


class PersistentObjectStore(EphemeralS3ObjectStore):  # type: ignore[misc]
    """LocalStack's object store, which reads what it does not hold from the kept body."""

    def open(
        self, bucket: str, s3_object: S3Object, mode: Literal["r", "w"] = "r"
    ) -> EphemeralS3StoredObject:
        """Return an object's data, as LocalStack wants it."""
        key = self._key_from_s3_object(s3_object)
        body = getattr(s3_object, BODY, None)
        if mode == "r" and body and not self._get_object_file(bucket, key):
            file = self._temporary_file(body.load(), s3_object.internal_last_modified)
            self._filesystem[bucket]["keys"][key] = file
        return super().open(bucket, s3_object, mode)

    def add_part(self, bucket: str, upload: S3Multipart, part: S3Part) -> None:
        """Give a restored part its data."""
        data = getattr(part, BODY).load()
        self.get_multipart(bucket, upload).parts[part.part_number] = self._temporary_file(data, 0)

    def _temporary_file(self, data: bytes, modified: int) -> LockedSpooledTemporaryFile:
        file = LockedSpooledTemporaryFile(dir=self.root_directory, max_size=S3_MAX_FILE_SIZE_BYTES)
        file.write(data)
        file.internal_last_modified = modified
        return file


class S3State:
    """LocalStack's S3 of the one account, entity by entity."""

    def __init__(self, account: str, blobs: BlobStore, temporary: Path) -> None:
        self.account = account
        self.blobs = blobs
        self.objects = PersistentObjectStore(str(temporary))
        self._stores = s3_stores[account]

    def read(self, entity: Entity) -> Snapshot | None:
        """Return what memory holds of an entity, its bodies on the disk; None: it is not there.

        Raises:
            OSError: a body can't be written.
        """
        bucket = self._bucket(entity.bucket)
        if bucket is None:
            return None
        if entity.kind == "bucket":
            state: Any = {"bucket": bucket, "tags": self._tags(bucket).get_tags(bucket.bucket_arn)}
        elif entity.kind == "upload":
            state = bucket.multiparts.get(entity.name)
            if state is None:
                return None
            for part in state.parts.values():
                self._persist_part(bucket, state, part)
        else:
            versions = _versions(bucket, entity.name)
            if not versions:
                return None
            for each in versions:
                if isinstance(each, S3Object):
                    self._persist_object(bucket, each)
            ids = [get_unique_key_id(bucket.name, entity.name, v.version_id) for v in versions]
            tags = {id_: self._tags(bucket).get_tags(id_) for id_ in ids}
            state = {"versions": versions, "tags": tags}
        return Snapshot(*serialize(state, _reduce))

    def has_bucket(self, name: str) -> bool:
        """Whether there is such a bucket."""
        return name in self._store.buckets

    def etag(self, bucket: str, key: str) -> str | None:
        """Return the ETag of an object, without quotes; None if there is no such object."""
        there = self._bucket(bucket)
        versions = _versions(there, key) if there else []
        found = getattr(versions[-1], "etag", None) if versions else None
        return str(found).strip('"') if found else None

    def key_of_upload(self, bucket: str, upload: str) -> str | None:
        """Return the key of an unfinished upload, None if there is no such upload."""
        there = self._bucket(bucket)
        found = there.multiparts.get(upload) if there else None
        return str(found.object.key) if found else None

    def write(self, entity: Entity, snapshot: Snapshot | None) -> None:
        """Make memory hold `snapshot` of an entity, or nothing of it."""
        if entity.kind == "bucket":
            self._write_bucket(entity.bucket, snapshot)
        elif bucket := self._bucket(entity.bucket):
            write = self._write_upload if entity.kind == "upload" else self._write_object
            write(bucket, entity.name, snapshot)

    def _write_bucket(self, name: str, snapshot: Snapshot | None) -> None:
        before = self._store.buckets.pop(name, None)
        if snapshot is None:
            self._store.global_bucket_map.pop(name, None)
            return
        state = deserialize(snapshot.state, self.blobs)
        bucket: S3Bucket = state["bucket"]
        versioned = bucket.versioning_status is not None
        bucket.objects = VersionedKeyStore() if versioned else KeyStore()
        bucket.multiparts = before.multiparts if before else {}
        if before and isinstance(before.objects, type(bucket.objects)):
            bucket.objects = before.objects
        self._store.buckets[name] = bucket
        self._store.global_bucket_map[name] = self.account
        self._set_tags(bucket, bucket.bucket_arn, state["tags"])
        self.objects.create_bucket(name)

    def _write_upload(self, bucket: S3Bucket, name: str, snapshot: Snapshot | None) -> None:
        bucket.multiparts.pop(name, None)
        if snapshot is None:
            return
        upload: S3Multipart = deserialize(snapshot.state, self.blobs)
        bucket.multiparts[name] = upload
        for part in upload.parts.values():
            self.objects.add_part(bucket.name, upload, part)

    def _write_object(self, bucket: S3Bucket, name: str, snapshot: Snapshot | None) -> None:
        self.objects.remove(bucket.name, [v for v in _versions(bucket, name) if _is_object(v)])
        bucket.objects._store.pop(name, None)
        if snapshot is None:
            return
        state = deserialize(snapshot.state, self.blobs)
        for version in state["versions"]:
            if isinstance(bucket.objects, VersionedKeyStore):
                version.version_id = version.version_id or "null"
                bucket.objects._store[name][version.version_id] = version
            else:
                bucket.objects.set(name, version)
        for id_, tags in state["tags"].items():
            self._set_tags(bucket, id_, tags)

    def _persist_object(self, bucket: S3Bucket, each: S3Object) -> None:
        if hasattr(each, BODY):
            return
        with self.objects.open(bucket.name, each) as stored:
            setattr(each, BODY, self.blobs.add(b"".join(stored)))
        self.objects.remove(bucket.name, each)

    def _persist_part(self, bucket: S3Bucket, upload: S3Multipart, part: S3Part) -> None:
        if not hasattr(part, BODY):
            with self.objects.get_multipart(bucket.name, upload).open(part) as stored:
                setattr(part, BODY, self.blobs.add(b"".join(stored)))

    @property
    def _store(self) -> Any:
        return self._stores["us-east-1"]  # buckets are kept across regions

    def _bucket(self, name: str) -> S3Bucket | None:
        return self._store.buckets.get(name)

    def _tags(self, bucket: S3Bucket) -> Any:
        return self._stores[bucket.bucket_region].tags

    def _set_tags(self, bucket: S3Bucket, id_: str, tags: dict[str, str]) -> None:
        self._tags(bucket).delete_all_tags(id_)
        if tags:
            self._tags(bucket).update_tags(id_, tags)


def _versions(bucket: S3Bucket, key: str) -> list[Any]:
    found = bucket.objects._store.get(key)
    if not found:
        return []
    return list(found.values()) if isinstance(bucket.objects, VersionedKeyStore) else [found]


def _is_object(version: object) -> bool:
    return isinstance(version, S3Object)


def _reduce(obj: Any) -> Any:
    if isinstance(obj, S3Bucket):
        state = {k: v for k, v in vars(obj).items() if k not in ("objects", "multiparts")}
        return _thaw_bucket, (state,)
    return NotImplemented


# The names of the functions below are in data folders: pickles refer to them.


def _thaw_bucket(state: dict[str, Any]) -> S3Bucket:
    """Return a bucket with what a new one has, and over that what was kept."""
    bucket = S3Bucket(
        state["name"], state["bucket_account_id"], state["bucket_region"], state["owner"]
    )
    vars(bucket).update(state)
    return bucket
