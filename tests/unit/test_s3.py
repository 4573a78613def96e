"""storage/ against the real S3 service: bootstrap again and again, the policy, objects."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from habari_local.config.load import environment
from habari_local.core.errors import HabariError
from habari_local.drivers import uv
from habari_local.s3 import bucket_cli, policy
from habari_local.s3.bootstrap import (
    KEYS_OF_A_USER,
    MARKER,
    SAMPLE,
    USER,
    bootstrap,
    put_sample,
    rainfall,
)
from habari_local.s3.s3_client import Buckets, S3Access, S3Target, iam_client, s3_client

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "images" / "s3"
BUCKETS = Buckets("habari-lake", "habari-notebooks")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class S3:
    """A running S3 service and its root key."""

    target: S3Target

    def as_user(self, access: S3Access) -> Any:
        key = (access.access_key_id, access.secret_access_key)
        return s3_client(S3Target(self.target.endpoint_url, "us-east-1", *key, "moto"))

    @property
    def root(self) -> Any:
        return s3_client(self.target)

    @property
    def iam(self) -> Any:
        return iam_client(self.target)


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[S3]:
    """The S3 service on moto, empty; its environment is the one that process mode uses."""
    folder = ROOT / ".habari" / "envs" / "s3-moto"
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    uv.sync(folder, SOURCE / "requirements-moto.txt", environment())
    port = free_port()
    argv = [str(folder / "bin" / "python"), "-m", "habari_s3", "--data", str(tmp_path / "s3")]
    process = subprocess.Popen(
        [*argv, "--port", str(port)],
        env={
            "PYTHONPATH": str(SOURCE),
            "HABARI_S3_ROOT_ACCESS_KEY_ID": "root",
            "HABARI_S3_ROOT_SECRET_ACCESS_KEY": "root-secret",
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    stop = threading.Timer(30, process.kill)
    stop.start()
    assert "answers after" in process.stdout.readline()
    stop.cancel()
    drain = threading.Thread(target=process.stdout.read, daemon=True)
    drain.start()
    yield S3(S3Target(f"http://127.0.0.1:{port}", "us-east-1", "root", "root-secret", "moto"))
    process.kill()
    process.wait()
    drain.join()
    process.stdout.close()


def count_requests(client_calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.client import BaseClient

    original = BaseClient._make_api_call  # type: ignore[attr-defined]

    def counted(self: Any, operation: str, arguments: Any) -> Any:
        client_calls.append(operation)
        return original(self, operation, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", counted)


def test_bootstrap_makes_all_and_is_quick_the_second_time(
    s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = bootstrap(s3.target, BUCKETS)
    assert access.user_made
    user = s3.as_user(access)
    sample = user.get_object(Bucket=BUCKETS.lake, Key=SAMPLE)["Body"].read()
    assert sample == rainfall()
    calls: list[str] = []
    count_requests(calls, monkeypatch)
    assert bootstrap(s3.target, BUCKETS, access) == access
    assert calls == []
    assert bootstrap(s3.target, BUCKETS, replace(access, state="")) == access
    assert calls == ["GetBucketTagging", "HeadBucket"]


def test_key_does_what_notebooks_need_and_no_more(s3: S3) -> None:
    user = s3.as_user(bootstrap(s3.target, BUCKETS))
    s3.root.create_bucket(Bucket="third")
    s3.root.put_object(Bucket="third", Key="secret", Body=b"x")
    for bucket in BUCKETS:
        user.put_object(Bucket=bucket, Key="k", Body=b"x")
        user.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/k")
        upload = user.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
        user.abort_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload)
        user.list_objects_v2(Bucket=bucket)
        user.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k"}, {"Key": "copy"}]})
    denied: list[Callable[[], Any]] = [
        lambda: user.get_object(Bucket="third", Key="secret"),
        lambda: user.put_object(Bucket="third", Key="k", Body=b"x"),
        lambda: user.list_objects_v2(Bucket="third"),
        lambda: user.delete_bucket(Bucket=BUCKETS.lake),
        lambda: user.create_bucket(Bucket="fourth"),
        lambda: user.put_bucket_tagging(Bucket=BUCKETS.lake, Tagging={"TagSet": []}),
    ]
    for call in denied:
        with pytest.raises(ClientError, match="AccessDenied"):
            call()


def test_lost_key_is_replaced_and_users_keep_at_most_two(s3: S3) -> None:
    first = bootstrap(s3.target, BUCKETS)
    made = [bootstrap(s3.target, BUCKETS, None) for _ in range(3)]
    ids = [k["AccessKeyId"] for k in s3.iam.list_access_keys(UserName=USER)["AccessKeyMetadata"]]
    assert len(ids) <= KEYS_OF_A_USER
    assert made[-1].access_key_id in ids
    assert bootstrap(s3.target, BUCKETS, first) != first
    s3.as_user(made[-1]).head_bucket(Bucket=BUCKETS.lake)


def test_what_went_missing_is_made_again(s3: S3) -> None:
    access = bootstrap(s3.target, BUCKETS)
    s3.root.delete_bucket(Bucket=BUCKETS.notebooks)
    again = bootstrap(s3.target, BUCKETS, access)
    assert again.access_key_id == access.access_key_id
    assert again.state != access.state
    s3.as_user(access).put_object(Bucket=BUCKETS.notebooks, Key="k", Body=b"x")
    s3.root.delete_bucket_tagging(Bucket=BUCKETS.lake)
    assert bootstrap(s3.target, BUCKETS, access).access_key_id == access.access_key_id
    tags = s3.root.get_bucket_tagging(Bucket=BUCKETS.lake)["TagSet"]
    assert tags == [{"Key": MARKER, "Value": policy.digest(BUCKETS)}]


def test_a_key_that_is_gone_is_noticed(s3: S3) -> None:
    access = bootstrap(s3.target, BUCKETS)
    s3.iam.delete_access_key(UserName=USER, AccessKeyId=access.access_key_id)
    made = bootstrap(s3.target, BUCKETS, access)
    assert made.access_key_id != access.access_key_id
    s3.as_user(made).head_bucket(Bucket=BUCKETS.lake)


def test_samples_that_were_changed_or_deleted_stay_so(s3: S3) -> None:
    access = bootstrap(s3.target, BUCKETS)
    s3.root.put_object(Bucket=BUCKETS.lake, Key=SAMPLE, Body=b"mine")
    put_sample(s3.root, BUCKETS.lake)
    assert s3.root.get_object(Bucket=BUCKETS.lake, Key=SAMPLE)["Body"].read() == b"mine"
    s3.root.delete_object(Bucket=BUCKETS.lake, Key=SAMPLE)
    bootstrap(s3.target, BUCKETS, access)
    assert s3.root.list_objects_v2(Bucket=BUCKETS.lake)["KeyCount"] == 0


def test_own_s3_gets_buckets_and_no_user(s3: S3) -> None:
    target = S3Target(s3.target.endpoint_url, "us-east-1", "root", "root-secret", "aws")
    assert bootstrap(target, BUCKETS) == S3Access("root", "root-secret", user_made=False)
    assert s3.iam.list_users()["Users"] == []
    assert {b["Name"] for b in s3.root.list_buckets()["Buckets"]} == set(BUCKETS)


def test_an_s3_that_enforces_nothing_is_told(s3: S3) -> None:
    bootstrap(s3.target, BUCKETS)
    s3.root.create_bucket(Bucket=f"{BUCKETS.lake}-and-no-other")
    with pytest.raises(HabariError, match=r"into a third bucket \(answered 200, not 403\)"):
        policy.check(s3.root, BUCKETS)


def test_no_s3_is_told_in_a_sentence() -> None:
    port = free_port()
    target = S3Target(f"http://127.0.0.1:{port}", "us-east-1", "root", "root-secret", "moto")
    with pytest.raises(HabariError, match="the buckets and their key were not created") as caught:
        bootstrap(target, BUCKETS)
    assert "root-secret" not in caught.value.message
    assert "root-secret" not in repr(target)


def test_objects_go_in_and_out_byte_for_byte(s3: S3, tmp_path: Path) -> None:
    bootstrap(s3.target, BUCKETS)
    source = tmp_path / "a b+ü.bin"
    source.write_bytes(bytes(range(256)) * 50_000)  # above boto3's threshold for uploads in parts
    shown = bucket_cli.copy(s3.root, str(source), "lake/raw/", BUCKETS)
    assert shown == "lake/raw/a b+ü.bin"
    place = bucket_cli.parse(shown, BUCKETS)
    assert place
    assert b"".join(bucket_cli.read(s3.root, place)) == source.read_bytes()
    assert bucket_cli.copy(s3.root, shown, "notebooks/copy", BUCKETS) == "notebooks/copy"
    back = bucket_cli.copy(s3.root, "notebooks/copy", str(tmp_path / "back"), BUCKETS)
    assert Path(back).read_bytes() == source.read_bytes()
    lake = bucket_cli.S3Path(BUCKETS.lake, "", "lake")
    assert [each.path for each in bucket_cli.listing(s3.root, lake)] == [
        "lake/raw/",
        "lake/samples/",
    ]
    paths = [each.path for each in bucket_cli.listing(s3.root, lake, deep=True)]
    assert paths == ["lake/raw/a b+ü.bin", f"lake/{SAMPLE}"]


def test_missing_objects_are_told(s3: S3) -> None:
    bootstrap(s3.target, BUCKETS)
    place = bucket_cli.parse("lake/none", BUCKETS)
    assert place
    with pytest.raises(HabariError, match="lake/none: no such object"):
        list(bucket_cli.read(s3.root, place))
