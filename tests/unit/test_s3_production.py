"""The S3 of production against the real S3 service: made, ended midway, drifted, rekeyed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from habari_local.core.errors import HabariError
from habari_local.s3 import iam_key, production_buckets
from habari_local.s3.iam_key import Holder, Kept, KeyFile
from habari_local.s3.production_buckets import Difference
from tests.unit.test_s3 import BUCKETS, S3, s3

__all__ = ["s3"]


def found(s3: S3, holder: Holder) -> list[Difference]:
    return [
        *production_buckets.differences(s3.root, BUCKETS, "us-east-1"),
        *iam_key.differences(holder, BUCKETS),
    ]


@pytest.fixture
def holder(s3: S3, tmp_path: Path) -> Holder:
    return Holder(s3.iam, KeyFile(tmp_path / "aws" / "tenant-a.env"), "tenant-a")


@pytest.fixture
def made(s3: S3, holder: Holder) -> Holder:
    """A holder whose buckets, user and key are made."""
    for each in found(s3, holder):
        each.cure()
    return holder


def user(s3: S3, holder: Holder) -> Any:
    access = holder.file.read().access
    assert access
    return s3.as_user(access)


def test_made_whole_from_wherever_an_earlier_call_ended(s3: S3, holder: Holder) -> None:
    for _ in range(len(found(s3, holder))):  # each call dies after its first step
        found(s3, holder)[0].cure()
    assert [each.sentence for each in found(s3, holder)] == []
    assert holder.file.path.stat().st_mode & 0o777 == 0o600
    user(s3, holder).put_object(Bucket=BUCKETS.lake, Key="k", Body=b"x")
    with pytest.raises(ClientError, match="AccessDenied"):
        user(s3, holder).put_bucket_versioning(
            Bucket=BUCKETS.lake, VersioningConfiguration={"Status": "Suspended"}
        )
    version = s3.root.list_object_versions(Bucket=BUCKETS.lake)["Versions"][0]["VersionId"]
    with pytest.raises(ClientError, match="AccessDenied"):
        user(s3, holder).delete_object(Bucket=BUCKETS.lake, Key="k", VersionId=version)


def test_what_drifted_is_told_and_alone_is_cured(s3: S3, made: Holder) -> None:
    s3.root.delete_public_access_block(Bucket=BUCKETS.lake)
    foreign = {**production_buckets.lifecycle(), "ID": "theirs"}
    s3.root.put_bucket_lifecycle_configuration(
        Bucket=BUCKETS.notebooks, LifecycleConfiguration={"Rules": [foreign]}
    )
    drifted = found(s3, made)
    assert [each.where for each in drifted] == [
        f"bucket {BUCKETS.lake}, public access",
        f"bucket {BUCKETS.notebooks}, lifecycle",
    ]
    for each in drifted:
        each.cure()
    assert found(s3, made) == []
    rules = s3.root.get_bucket_lifecycle_configuration(Bucket=BUCKETS.notebooks)["Rules"]
    assert {rule["ID"] for rule in rules} == {"theirs", production_buckets.RULE}


def test_both_keys_are_good_until_the_old_one_retires(s3: S3, made: Holder) -> None:
    before = user(s3, made)
    new, old = iam_key.hand_over(made)
    assert iam_key.hand_over(made) == (new, old)
    for each in (before, user(s3, made)):
        each.put_object(Bucket=BUCKETS.lake, Key="k", Body=b"x")
    iam_key.retire(made, old)
    assert made.key_ids() == [new.access_key_id]
    assert made.file.read() == Kept(new)
    with pytest.raises(ClientError):
        before.head_bucket(Bucket=BUCKETS.lake)


def killed_while_making(holder: Holder, monkeypatch: pytest.MonkeyPatch, make: Any) -> None:
    """Have a call make a key and die before it writes it down."""
    write = KeyFile.write

    def dies(file: KeyFile, kept: Kept) -> None:
        if kept.making is None:
            raise KeyboardInterrupt
        write(file, kept)

    with monkeypatch.context() as patch:
        patch.setattr(KeyFile, "write", dies)
        with pytest.raises(KeyboardInterrupt):
            make()


def test_a_key_that_a_killed_call_made_goes(
    s3: S3, made: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = made.key_ids()
    killed_while_making(made, monkeypatch, lambda: iam_key.hand_over(made))
    (lost,) = set(made.key_ids()) - set(first)
    new, old = iam_key.hand_over(made)
    assert [old] == first
    assert set(made.key_ids()) == {old, new.access_key_id}
    assert lost not in made.key_ids()


def test_a_first_key_that_a_killed_call_made_goes(
    s3: S3, holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    *others, key = found(s3, holder)
    for each in others:
        each.cure()
    for _ in range(3):
        killed_while_making(holder, monkeypatch, key.cure)
    assert len(holder.key_ids()) == 1
    key.cure()
    access = holder.file.read().access
    assert access
    assert holder.key_ids() == [access.access_key_id]


def test_a_key_that_somebody_else_made_stays_though_it_was_never_used(s3: S3, made: Holder) -> None:
    """Another checkout rotates: its new key is on its way to servers, and IAM tells uses late."""
    theirs = s3.iam.create_access_key(UserName=made.name)["AccessKey"]["AccessKeyId"]
    with pytest.raises(HabariError, match=rf"did not make {theirs}; IAM allows no") as caught:
        iam_key.hand_over(made)
    assert theirs in caught.value.hint
    assert theirs in made.key_ids()


def test_without_a_key_of_ours_nothing_is_rotated(s3: S3, holder: Holder) -> None:
    s3.iam.create_user(UserName=holder.name)
    with pytest.raises(HabariError, match="holds no key of the IAM user"):
        iam_key.hand_over(holder)
