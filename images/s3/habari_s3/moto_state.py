"""moto's S3 as entities: what to save of its memory, and how to restore it."""

from __future__ import annotations

import threading
from typing import Any

from moto.s3.models import (
    FakeBucket,
    FakeDeleteMarker,
    FakeKey,
    MultipartDict,
    S3Backend,
    s3_backends,
)
from moto.s3.utils import _VersionedKeyStore

from habari_s3.blobs import BlobStore, StoredBlob
from habari_s3.entities import Entity, Snapshot
from habari_s3.iam_state import PARTITION
from habari_s3.moto_stubs import ACCOUNT
from habari_s3.snapshot_pickle import deserialize, serialize


class S3State:
    """moto's S3 of the one account, entity by entity."""

    def __init__(self, blobs: BlobStore) -> None:
        self.blobs = blobs
        self.backend: S3Backend = s3_backends[ACCOUNT][PARTITION]

    def read(self, entity: Entity) -> Snapshot | None:
        """Return what memory holds of an entity, its bodies on the disk; None: it is not there.

        Raises:
            OSError: a body can't be written.
        """
        bucket = self.backend.buckets.get(entity.bucket)
        if bucket is None:
            return None
        if entity.kind == "bucket":
            tags = self._tags(bucket.arn)
            return Snapshot(*serialize({"bucket": bucket, "tags": tags}, self._reduce))
        if entity.kind == "upload":
            upload = bucket.multiparts.get(entity.name)
            return Snapshot(*serialize(upload, self._reduce)) if upload else None
        versions = bucket.keys.getlist(entity.name)
        if not versions:
            return None
        keys = [key for key in versions if isinstance(key, FakeKey)]
        tags_of = {key.arn: self._tags(key.arn) for key in keys}
        for key in keys:
            if key.multipart:
                key.multipart.parts = {}  # the object has the bytes; the parts would double them
        return Snapshot(*serialize({"versions": versions, "tags": tags_of}, self._reduce))

    def write(self, entity: Entity, snapshot: Snapshot | None) -> None:
        """Make memory hold `snapshot` of an entity, or nothing of it."""
        if entity.kind == "bucket":
            self._write_bucket(entity.bucket, snapshot)
        elif bucket := self.backend.buckets.get(entity.bucket):
            write = self._write_upload if entity.kind == "upload" else self._write_object
            write(bucket, entity.name, snapshot)

    def _write_bucket(self, name: str, snapshot: Snapshot | None) -> None:
        before = self.backend.buckets.pop(name, None)
        if snapshot is None:
            s3_backends.bucket_accounts.pop(name, None)
            return
        state = deserialize(snapshot.state, self.blobs)
        bucket = state["bucket"]
        bucket.keys = before.keys if before else _VersionedKeyStore()
        bucket.multiparts = before.multiparts if before else MultipartDict()
        s3_backends.bucket_accounts[name] = (PARTITION, ACCOUNT)
        self.backend.buckets[name] = bucket
        self._set_tags(bucket.arn, state["tags"])

    def _write_upload(self, bucket: FakeBucket, name: str, snapshot: Snapshot | None) -> None:
        if snapshot is None:
            bucket.multiparts.pop(name, None)
        else:
            bucket.multiparts[name] = deserialize(snapshot.state, self.blobs)

    def _write_object(self, bucket: FakeBucket, name: str, snapshot: Snapshot | None) -> None:
        dict.pop(bucket.keys, name, None)
        if snapshot is None:
            return
        state = deserialize(snapshot.state, self.blobs)
        bucket.keys.setlist(name, state["versions"])
        for arn, tags in state["tags"].items():
            self._set_tags(arn, tags)

    def _tags(self, arn: str) -> dict[str, str]:
        return self.backend.tagger.get_tag_dict_for_resource(arn)

    def _set_tags(self, arn: str, tags: dict[str, str]) -> None:
        self.backend.tagger.tags.pop(arn, None)
        if tags:
            self.backend.tagger.tags[arn] = dict(tags)

    def _reduce(self, obj: Any) -> Any:
        if isinstance(obj, FakeKey):
            _ = obj.etag  # computed when first asked for, from the buffer that goes to the disk now
            if not isinstance(obj._value_buffer, StoredBlob):
                buffer = obj._value_buffer
                obj._value_buffer = self.blobs.add(obj.value)  # type: ignore[assignment]
                buffer.close()
            state = {k: v for k, v in vars(obj).items() if k != "lock"}
            return _thaw_key, (state,)
        if isinstance(obj, FakeBucket):
            state = {k: v for k, v in vars(obj).items() if k not in ("keys", "multiparts")}
            return _thaw_bucket, (state,)
        if isinstance(obj, FakeDeleteMarker):
            state = {k: v for k, v in vars(obj).items() if k != "key"}
            return _thaw_marker, (state, isinstance(obj.key, FakeDeleteMarker))
        return NotImplemented


# The names of the functions below are in data folders: pickles refer to them.


def _thaw_key(state: dict[str, Any]) -> FakeKey:
    key: FakeKey = FakeKey.__new__(FakeKey)  # type: ignore[assignment]
    vars(key).update(_defaults_of_key())
    vars(key).update(state)
    key.lock = threading.Lock()
    return key


def _thaw_bucket(state: dict[str, Any]) -> FakeBucket:
    bucket: FakeBucket = FakeBucket.__new__(FakeBucket)  # type: ignore[assignment]
    vars(bucket).update(vars(FakeBucket(state["name"], ACCOUNT, state["region_name"])))  # type: ignore[abstract]
    vars(bucket).update(state)
    return bucket


def _thaw_marker(state: dict[str, Any], of_marker: bool) -> Any:
    """Return a delete marker; of what it marks only the kind matters, and it may be gone."""
    marker: Any = FakeDeleteMarker.__new__(FakeDeleteMarker)
    vars(marker).update(state)
    blank = FakeKey(state["name"], b"", ACCOUNT, "us-east-1")
    marker.key = FakeDeleteMarker(blank) if of_marker else blank
    return marker


def _defaults_of_key() -> dict[str, Any]:
    """Return what a new key has, so that state of an older moto gets the attributes it lacks."""
    if not _DEFAULTS:
        fresh = FakeKey("", b"", ACCOUNT, "us-east-1")
        _DEFAULTS.update(
            {k: v for k, v in vars(fresh).items() if k not in ("lock", "_value_buffer")}
        )
        fresh.dispose()
    return _DEFAULTS


_DEFAULTS: dict[str, Any] = {}
