"""Objects as members of a tar, which others read too; S3 is the real service."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.response import StreamingBody
from hypothesis import given, settings
from hypothesis import strategies as st

from habari_local.drills import odd_objects
from habari_local.drivers.tar_stream import Report
from habari_local.s3 import bucket_tar
from tests.unit.test_s3 import BUCKETS, S3, s3

__all__ = ["s3"]

WITH = ("tags", "StorageClass")
ANOTHER: Any = {"TagSet": [{"Key": "x", "Value": "y"}]}


def packed(client: Any, bucket: str, file: Path) -> Report:
    with file.open("wb") as out:
        return bucket_tar.pack(client, bucket, out)


def test_odd_objects_come_back_as_they_were(s3: S3, tmp_path: Path) -> None:
    lake, client, file = BUCKETS.lake, s3.root, tmp_path / "lake.tar"
    for name in BUCKETS:
        client.create_bucket(Bucket=name)
    odd_objects.make(client, lake)
    before = odd_objects.look(client, lake)
    count = len(odd_objects.KEYS) + 2
    assert len(before) == count >= 40
    tagged, cold = (next(k for k, told in before.items() if told.get(n)) for n in WITH)
    report = packed(client, lake, file)
    assert (report.entries, report.missing) == (count, {})
    assert list(bucket_tar.conflicts(client, lake, file)) == []
    assert bucket_tar.unpack(client, lake, file) == 0, "all the same: nothing is put"
    assert bucket_tar.unpack(client, BUCKETS.notebooks, file) == count
    assert odd_objects.look(client, BUCKETS.notebooks) == before
    client.put_object(Bucket=lake, Key="a/b", Body=b"other bytes")
    same = client.get_object(Bucket=lake, Key=cold)["Body"].read()
    client.put_object(Bucket=lake, Key=cold, Body=same, Metadata={"who": "somebody"})
    client.put_object_tagging(Bucket=lake, Key=tagged, Tagging=ANOTHER)
    changed = set(bucket_tar.conflicts(client, lake, file))
    assert changed == {"a/b", cold, tagged}, "two of the same bytes, but not all else"
    assert bucket_tar.unpack(client, lake, file) == len(changed)
    assert odd_objects.look(client, lake) == before


def test_objects_are_files_that_any_tar_unpacks(s3: S3, tmp_path: Path) -> None:
    client = s3.root
    client.create_bucket(Bucket=BUCKETS.lake)
    keys = [key for key in odd_objects.KEYS if max(map(len, key.split("/"))) <= 255]
    for key in keys:
        client.put_object(Bucket=BUCKETS.lake, Key=key, Body=key.encode())
    packed(client, BUCKETS.lake, tmp_path / "lake.tar")
    folder = tmp_path / "files"
    folder.mkdir()
    subprocess.run(["tar", "-xf", str(tmp_path / "lake.tar"), "-C", str(folder)], check=True)
    found = sorted(each.read_text() for each in folder.rglob("*") if each.is_file())
    assert found == sorted(keys)
    assert (folder / "日本語").read_text() == "日本語"


KEY = st.text(st.sampled_from("a/.%\n ü"), min_size=1, max_size=8)


@given(st.sets(KEY, max_size=12))
@settings(max_examples=300, deadline=None)
def test_no_two_keys_have_the_same_name(keys: set[str]) -> None:
    """Nor is one the folder of another, where the keys themselves are."""
    folders = {key[:at] for key in keys for at, letter in enumerate(key) if letter == "/"}
    names = [bucket_tar.member_name(key, folders) for key in keys]
    assert len(set(names)) == len(keys)
    for name in names:
        assert not {"", ".", ".."} & set(name.split("/"))
        assert not any(other.startswith(f"{name}/") for other in names)


class Spoilt:
    """A client to which the S3 answers some keys with what is no object, or with nothing."""

    def __init__(self, client: Any, answers: dict[str, Any]) -> None:
        self.client, self.answers = client, answers
        self.refused: Exception | None = None

    def get_bucket_versioning(self, **about: Any) -> Any:
        if self.refused:
            raise self.refused
        return self.client.get_bucket_versioning(**about)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def get_object(self, **about: Any) -> Any:
        answer = self.answers.get(about["Key"])
        if isinstance(answer, Exception):
            raise answer
        return answer or self.client.get_object(**about)


def test_an_object_that_can_not_be_read_is_named_and_all_others_are_there(
    s3: S3, tmp_path: Path
) -> None:
    s3.root.create_bucket(Bucket=BUCKETS.lake)
    for key in ("/", "a", "b", "c", "d"):
        s3.root.put_object(Bucket=BUCKETS.lake, Key=key, Body=b"x" * 100)
    whole = s3.root.get_object(Bucket=BUCKETS.lake, Key="c")
    whole["Body"].close()
    short = StreamingBody(io.BytesIO(b"x" * 50), 100)
    denied: Any = {"Error": {"Code": "AccessDenied"}}
    answers = {
        "/": {"Body": io.BytesIO(b"<ListBucketResult/>"), "ContentLength": 19, "ETag": ""},
        "a": ClientError(denied, "GetObject"),
        "b": ReadTimeoutError(endpoint_url="x"),
        "c": {**whole, "Body": short},
    }
    client: Any = Spoilt(s3.root, answers)
    report = packed(client, BUCKETS.lake, tmp_path / "lake.tar")
    assert report.missing == {
        "/": "S3 answers with something else than the object",
        "a": "S3 answers AccessDenied",
        "b": "no whole answer (ReadTimeoutError)",
        "c": "no whole answer (ReadTimeoutError)",
    }
    with tarfile.open(tmp_path / "lake.tar") as tar:
        assert [each.key for each in bucket_tar.list_members(tar)] == ["d"]
    for key in ("a", "b", "c"):
        answers[key] = ReadTimeoutError(endpoint_url="x")
    with pytest.raises(ReadTimeoutError):
        packed(client, BUCKETS.lake, tmp_path / "lake.tar")


class Computed:
    """A client of a bucket with any number of objects, none of which is kept anywhere."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.deleted = 0

    def get_paginator(self, _name: str) -> Computed:
        return self

    def paginate(self, **_: Any) -> Any:
        for first in range(0, self.count, 1000):
            numbers = range(first, min(first + 1000, self.count))
            yield {"Contents": [{"Key": f"folder/{number:07}.csv"} for number in numbers]}

    def get_bucket_versioning(self, **_: Any) -> Any:
        return {}

    def get_object(self, **_: Any) -> Any:
        when = datetime(2026, 1, 1, tzinfo=UTC)
        return {"Body": io.BytesIO(b"x"), "LastModified": when, "ETag": '"e"'}

    def head_object(self, **_: Any) -> Any:
        return {"ContentLength": 1, "ETag": '"e"'}

    def delete_object(self, **_: Any) -> None:
        self.deleted += 1


def test_a_backup_of_a_large_bucket_takes_no_more_memory_than_one_of_a_small(
    tmp_path: Path,
) -> None:
    """Each object's key, header and attributes were kept until the end: over 2 GB of a million."""
    file, most = tmp_path / "lake.tar", []
    for count in (1000, 7000):
        few: Any = Computed(count // 2)
        many: Any = Computed(count)
        tracemalloc.start()
        try:
            assert packed(few, "lake", file).entries == count // 2
            assert list(bucket_tar.conflicts(many, "lake", file)) == []
            assert bucket_tar.unpack(many, "lake", file, exact=True) == count // 2
            most.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert many.deleted == count // 2
    assert most[1] - most[0] < 200_000, "3,000 more objects in the tar, at 66 bytes each"


def test_what_was_sent_in_parts_is_compared_byte_by_byte(s3: S3, tmp_path: Path) -> None:
    for name in BUCKETS:
        s3.root.create_bucket(Bucket=name)
    large = os.urandom(9 << 20)
    s3.root.upload_fileobj(io.BytesIO(large), BUCKETS.lake, "large")
    assert "-" in s3.root.head_object(Bucket=BUCKETS.lake, Key="large")["ETag"]
    file = tmp_path / "lake.tar"
    with file.open("wb") as out:
        bucket_tar.pack(s3.root, BUCKETS.lake, out)
    assert list(bucket_tar.conflicts(s3.root, BUCKETS.lake, file)) == []
    s3.root.put_object(Bucket=BUCKETS.lake, Key="large", Body=large[:-1] + bytes([large[-1] ^ 1]))
    assert list(bucket_tar.conflicts(s3.root, BUCKETS.lake, file)) == ["large"]


def test_older_versions_are_counted_and_stay_where_they_are(s3: S3, tmp_path: Path) -> None:
    client, lake = s3.root, BUCKETS.lake
    client.create_bucket(Bucket=lake)
    client.put_object(Bucket=lake, Key="a", Body=b"0")
    assert packed(client, lake, tmp_path / "before.tar").older == 0
    on: Any = {"Status": "Enabled"}
    client.put_bucket_versioning(Bucket=lake, VersioningConfiguration=on)
    for body in (b"1", b"2"):
        client.put_object(Bucket=lake, Key="a", Body=body)
    client.put_object(Bucket=lake, Key="gone", Body=b"g")
    client.delete_object(Bucket=lake, Key="gone")
    report = packed(client, lake, tmp_path / "lake.tar")
    assert (report.entries, report.older) == (1, 3), "two of a, one of what was deleted"
    client.put_object(Bucket=lake, Key="a", Body=b"3")
    assert bucket_tar.unpack(client, lake, tmp_path / "lake.tar") == 1
    assert client.get_object(Bucket=lake, Key="a")["Body"].read() == b"2"
    versions = client.list_object_versions(Bucket=lake, Prefix="a")["Versions"]
    assert len(versions) == 5, "a restore adds one and takes none away"
    denied = ClientError({"Error": {"Code": "AccessDenied"}}, "GetBucketVersioning")
    spoilt: Any = Spoilt(client, {})
    spoilt.refused = denied
    assert packed(spoilt, lake, tmp_path / "unknown.tar").older is None
