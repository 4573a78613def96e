"""What was acknowledged stays: through `kill -9`, a full disk, and damage that is told."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from . import scenario
from .conftest import Service


def test_everything_survives_kill_9(service: Service) -> None:
    key = scenario.write(service)
    before = scenario.view(service)
    service.restart()
    assert scenario.view(service) == before
    scenario.go_on(service, key)
    service.restart(signal.SIGTERM)
    body = service.client().get_object(Bucket="lake", Key="unfinished")["Body"].read()
    assert body.endswith(b"end")


def test_removals_survive_kill_9(service: Service) -> None:
    s3, iam = service.client(), service.client("iam")
    s3.create_bucket(Bucket="short-lived")
    s3.put_object(Bucket="lake", Key="tags", Body=b"x", Tagging="a=b")
    s3.delete_object_tagging(Bucket="lake", Key="tags")
    upload = s3.create_multipart_upload(Bucket="lake", Key="aborted")["UploadId"]
    s3.abort_multipart_upload(Bucket="lake", Key="aborted", UploadId=upload)
    s3.create_multipart_upload(Bucket="short-lived", Key="never ended")
    s3.delete_bucket(Bucket="short-lived")
    iam.create_user(UserName="left")
    key = iam.create_access_key(UserName="left")["AccessKey"]
    iam.delete_access_key(UserName="left", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName="left")
    service.restart()
    s3, iam = service.client(), service.client("iam")
    assert s3.get_object_tagging(Bucket="lake", Key="tags")["TagSet"] == []
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="lake")
    assert [each["Name"] for each in s3.list_buckets()["Buckets"]] == ["lake"]
    assert iam.list_users()["Users"] == []
    s3.create_bucket(Bucket="short-lived")
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="short-lived")


def _put_until_it_dies(s3: Any, name: str, acknowledged: dict[str, bytes]) -> None:
    number = 0
    try:
        while True:
            key, body = f"{name}/{number % 7}", f"{name} {number} ".encode() * (1 + number % 3000)
            acknowledged[f"trying {key}"] = body
            s3.put_object(Bucket="lake", Key=key, Body=body)
            acknowledged[key] = body
            number += 1
    except (BotoCoreError, ClientError):
        return


def test_kill_9_while_many_put(service: Service) -> None:
    """Each object is one that was acknowledged, or the whole of the one that was on its way."""
    for turn in range(3):
        acknowledged: dict[str, bytes] = {}
        clients = [(service.client(), f"{turn}-{worker}") for worker in range(4)]
        threads = [
            threading.Thread(target=_put_until_it_dies, args=(*each, acknowledged))
            for each in clients
        ]
        for thread in threads:
            thread.start()
        threads[0].join(0.7)
        service.restart()
        for thread in threads:
            thread.join(20)
        s3 = service.client()
        keys = [key for key in acknowledged if not key.startswith("trying ")]
        assert keys
        for key in keys:
            body = s3.get_object(Bucket="lake", Key=key)["Body"].read()
            assert body in (acknowledged[key], acknowledged[f"trying {key}"]), key
    with urlopen(f"{service.url}/_habari/health", timeout=5) as answer:
        assert json.load(answer)["status"] == "ok"


def test_disk_does_not_grow_with_saves(service: Service) -> None:
    s3 = service.client()
    for number in range(120):
        s3.put_object(Bucket="lake", Key="same", Body=os.urandom(90_000 + number))
        if number % 6 == 0:
            s3.put_object(Bucket="lake", Key="same large", Body=os.urandom(300_000))
    service.end(signal.SIGTERM)
    size = sum(path.stat().st_size for path in service.data.rglob("*") if path.is_file())
    assert size < 1_500_000  # 0.4 MB of bodies; 17 MB were saved


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB, or where that can't be made, files of at most 2 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    argv = [mount or "", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    mounted = bool(mount) and subprocess.run(argv, capture_output=True, check=False).returncode == 0
    yield folder
    if mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _limit_files() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, 2 << 20))


def test_full_disk_refuses_and_keeps_the_state(small_disk: Path) -> None:
    service = Service(small_disk / "data").start(preexec_fn=_limit_files)
    try:
        s3 = service.client()
        s3.create_bucket(Bucket="lake")
        s3.put_object(Bucket="lake", Key="kept", Body=b"old")
        kept = {"kept": b"old"}
        refused = []
        for number, size in enumerate((3 << 20, 100_000, *[120_000] * 40)):
            key, body = f"fill {number}", bytes([number]) * size
            try:
                s3.put_object(Bucket="lake", Key=key, Body=body)
                kept[key] = body
            except ClientError as error:
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                refused.append((status, error.response["Error"]["Code"]))
        assert set(refused) == {(507, "InsufficientStorage")}
        assert {each["Key"] for each in s3.list_objects_v2(Bucket="lake")["Contents"]} == {*kept}
        with pytest.raises(ClientError):
            s3.put_object(Bucket="lake", Key="kept", Body=b"new" * 1_000_000)
        assert s3.get_object(Bucket="lake", Key="kept")["Body"].read() == b"old"
        service.restart()
        s3 = service.client()
        for key, body in kept.items():
            assert s3.get_object(Bucket="lake", Key=key)["Body"].read() == body
        for key in kept:
            s3.delete_object(Bucket="lake", Key=key)
        s3.put_object(Bucket="lake", Key="room again", Body=b"x" * 100_000)
    finally:
        service.end(signal.SIGKILL)


def test_damaged_large_body_is_told_and_not_served(service: Service) -> None:
    s3 = service.client()
    s3.put_object(Bucket="lake", Key="flipped", Body=b"a" * 200_000)
    s3.put_object(Bucket="lake", Key="cut", Body=b"b" * 300_000)
    s3.put_object(Bucket="lake", Key="whole", Body=b"c" * 250_000)
    service.end(signal.SIGKILL)
    for path in (service.data / "bodies").iterdir():
        data = path.read_bytes()
        if data[:1] == b"a":
            path.write_bytes(b"A" + data[1:])
        if data[:1] == b"b":
            path.write_bytes(data[:1000])
    service.start()
    assert any("damaged: object lake/cut" in line for line in service.log)
    with urlopen(f"{service.url}/_habari/health", timeout=5) as answer:
        health = json.load(answer)
    assert health["status"] == "damaged"
    assert list(health["damaged"]) == ["object/lake/cut"]
    s3 = service.client()
    for key in ("flipped", "cut"):
        with pytest.raises(ClientError, match="damaged"):
            s3.get_object(Bucket="lake", Key=key)
    assert s3.get_object(Bucket="lake", Key="whole")["Body"].read() == b"c" * 250_000
    s3.put_object(Bucket="lake", Key="cut", Body=b"written anew")
    assert s3.get_object(Bucket="lake", Key="cut")["Body"].read() == b"written anew"


def test_damaged_row_is_told_and_nothing_else_is_touched(service: Service) -> None:
    s3 = service.client()
    for key in ("one", "two"):
        s3.put_object(Bucket="lake", Key=key, Body=key.encode())
    service.end(signal.SIGTERM)
    with sqlite3.connect(service.data / "journal.sqlite") as db:
        db.execute("UPDATE entity SET state = substr(state, 1, 50) WHERE name = 'one'")
    db.close()
    service.start()
    s3 = service.client()
    with pytest.raises(ClientError, match="damaged"):
        s3.get_object(Bucket="lake", Key="one")
    assert s3.get_object(Bucket="lake", Key="two")["Body"].read() == b"two"


def test_corrupted_database_is_refused_and_left_as_it_is(service: Service) -> None:
    s3 = service.client()
    for number in range(30):
        s3.put_object(Bucket="lake", Key=f"k{number}", Body=b"x" * 5000)
    service.end(signal.SIGTERM)
    path = service.data / "journal.sqlite"
    torn = path.read_bytes()[:-40_000]
    path.write_bytes(torn)
    process = service.spawn()
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "an intact journal was expected" in output
    assert "Try: " in output
    assert path.read_bytes() == torn


def test_body_without_row_is_collected_at_the_next_start(service: Service) -> None:
    stray = service.data / "bodies" / ("0" * 32)
    stray.write_bytes(b"left by a save that did not end")
    service.restart()
    assert not stray.exists()
