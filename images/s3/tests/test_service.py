"""How the process starts, ends and speaks, alone and under many requests at once."""

from __future__ import annotations

import re
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import urlopen

from botocore.exceptions import ClientError

from .conftest import PACKAGE, ROOT_KEY, Service
from .requests_by_hand import code_of, user_key

MANY = 5000


def test_conditional_writes_are_exact(service: Service) -> None:
    clients = [service.client() for _ in range(8)]

    def create(number: int) -> str:
        body = str(number).encode()
        try:
            clients[number].put_object(Bucket="lake", Key="new", Body=body, IfNoneMatch="*")
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "created"

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(create, range(8))) == ["PreconditionFailed"] * 7 + ["created"]
    s3 = clients[0]
    etag = s3.head_object(Bucket="lake", Key="new")["ETag"]
    s3.put_object(Bucket="lake", Key="new", Body=b"second", IfMatch=etag)
    stale = {"Bucket": "lake", "Key": "new", "Body": b"third", "IfMatch": etag}
    assert code_of(s3.put_object, **stale) == "PreconditionFailed"
    service.restart()
    assert code_of(service.client().put_object, **stale) == "PreconditionFailed"
    assert service.client().get_object(Bucket="lake", Key="new")["Body"].read() == b"second"


def test_what_could_not_be_kept_is_refused(service: Service) -> None:
    s3 = service.client()
    logging = {"LoggingEnabled": {"TargetBucket": "lake", "TargetPrefix": "logs/"}}
    status = {"Bucket": "lake", "BucketLoggingStatus": logging}
    assert code_of(s3.put_bucket_logging, **status) == "NotImplemented"


def test_one_process_a_folder(service: Service) -> None:
    second = Service(service.data)
    process = second.spawn()
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert service.process
    assert f"held by process {service.process.pid}, expected to be free" in output


def test_another_backend_is_refused(service: Service) -> None:
    service.end(signal.SIGTERM)
    process = Service(service.data, "localstack").spawn()
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "'backend': 'moto'" in output


def test_a_taken_port_is_told(service: Service, tmp_path: Path) -> None:
    second = Service(tmp_path / "other")
    second.port = service.port
    process = second.spawn()
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert str(service.port) in output


def test_ends_within_a_second_and_gives_the_folder_free(service: Service) -> None:
    service.client().put_object(Bucket="lake", Key="k", Body=b"x")
    start = time.monotonic()
    assert service.end(signal.SIGTERM) == 0
    assert time.monotonic() - start < 1.0
    service.start()
    assert service.client().get_object(Bucket="lake", Key="k")["Body"].read() == b"x"


def test_log_and_files_are_discreet(service: Service) -> None:
    s3 = service.client()
    s3.put_object(Bucket="lake", Key="k", Body=b"x")
    params = {"Bucket": "lake", "Key": "k"}
    url = s3.generate_presigned_url("get_object", Params=params, ExpiresIn=60)
    with urlopen(url, timeout=5) as answer:
        answer.read()
    key = user_key(service)
    service.end(signal.SIGTERM)
    log = "".join(service.log)
    assert "PUT /lake/k 200" in log
    for secret in (ROOT_KEY[1], key[1], "Signature", "X-Amz"):
        assert secret not in log
    for path in (service.data, *service.data.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_thousands_of_objects_are_there_at_once(tmp_path: Path) -> None:
    seed = Path(__file__).with_name("seed.py")
    data = tmp_path / "data"
    argv = [sys.executable, str(seed), str(data), str(MANY)]
    subprocess.run(argv, env={"PYTHONPATH": str(PACKAGE)}, check=True, timeout=60)
    service = Service(data)
    start = time.monotonic()
    service.start()
    passed = time.monotonic() - start
    try:
        assert passed < 6.0  # 0.7 s on a machine that does nothing else
        pages = service.client().get_paginator("list_objects_v2").paginate(Bucket="lake")
        assert sum(page["KeyCount"] for page in pages) == MANY
        body = service.client().get_object(Bucket="lake", Key="many/00042")["Body"].read()
        assert body == b"object 42 " * 100
        assert service.process
        rollup = Path(f"/proc/{service.process.pid}/smaps_rollup").read_text(encoding="utf-8")
        found = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
        assert found
        assert int(found[1]) < 120_000
    finally:
        service.end(signal.SIGKILL)
