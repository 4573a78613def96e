"""The S3 of production against the real S3 service: made, ended midway, drifted, rekeyed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from habari_local.errors import HabariError
from habari_local.storage import production, production_key
from habari_local.storage.bootstrap import USER
from habari_local.storage.production import Difference
from habari_local.storage.production_key import KeyFile
from tests.unit.test_storage import BUCKETS, S3, s3

__all__ = ["s3"]


def found(s3: S3, file: KeyFile) -> list[Difference]:
    return [
        *production.differences(s3.root, BUCKETS, "us-east-1"),
        *production_key.differences(s3.iam, BUCKETS, file),
    ]


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "aws" / "s3.env")


def user(s3: S3, file: KeyFile) -> Any:
    access, _ = file.read()
    assert access
    return s3.as_user(access)


def test_made_whole_from_wherever_an_earlier_call_ended(s3: S3, file: KeyFile) -> None:
    for _ in range(len(found(s3, file))):  # each call dies after its first step
        found(s3, file)[0].cure()
    assert [each.sentence for each in found(s3, file)] == []
    assert file.path.stat().st_mode & 0o777 == 0o600
    user(s3, file).put_object(Bucket=BUCKETS.lake, Key="k", Body=b"x")
    with pytest.raises(ClientError, match="AccessDenied"):
        user(s3, file).put_bucket_versioning(
            Bucket=BUCKETS.lake, VersioningConfiguration={"Status": "Suspended"}
        )
    version = s3.root.list_object_versions(Bucket=BUCKETS.lake)["Versions"][0]["VersionId"]
    with pytest.raises(ClientError, match="AccessDenied"):
        user(s3, file).delete_object(Bucket=BUCKETS.lake, Key="k", VersionId=version)


def test_what_drifted_is_told_and_alone_is_cured(s3: S3, file: KeyFile) -> None:
    for each in found(s3, file):
        each.cure()
    s3.root.delete_public_access_block(Bucket=BUCKETS.lake)
    foreign = {**production.lifecycle(), "ID": "theirs"}
    s3.root.put_bucket_lifecycle_configuration(
        Bucket=BUCKETS.notebooks, LifecycleConfiguration={"Rules": [foreign]}
    )
    drifted = found(s3, file)
    assert [each.where for each in drifted] == [
        f"bucket {BUCKETS.lake}, public access",
        f"bucket {BUCKETS.notebooks}, lifecycle",
    ]
    for each in drifted:
        each.cure()
    assert found(s3, file) == []
    rules = s3.root.get_bucket_lifecycle_configuration(Bucket=BUCKETS.notebooks)["Rules"]
    assert {rule["ID"] for rule in rules} == {"theirs", production.RULE}


def test_both_keys_are_good_until_the_old_one_retires(s3: S3, file: KeyFile) -> None:
    for each in found(s3, file):
        each.cure()
    before = user(s3, file)
    s3.iam.create_access_key(UserName=USER)  # of a call that was killed before it wrote it down
    new, old = production_key.hand_over(s3.iam, file)
    assert production_key.hand_over(s3.iam, file) == (new, old)
    for each in (before, user(s3, file)):
        each.put_object(Bucket=BUCKETS.lake, Key="k", Body=b"x")
    production_key.retire(s3.iam, file, old)
    assert production_key.key_ids(s3.iam) == [new.access_key_id]
    assert file.read() == (new, "")
    with pytest.raises(ClientError):
        before.head_bucket(Bucket=BUCKETS.lake)


def test_without_a_key_of_ours_nothing_is_rotated(s3: S3, file: KeyFile) -> None:
    s3.iam.create_user(UserName=USER)
    with pytest.raises(HabariError, match="holds no key of the IAM user"):
        production_key.hand_over(s3.iam, file)
