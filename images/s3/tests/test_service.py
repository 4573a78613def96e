"""Who may do what, and how the process starts, ends and speaks."""

from __future__ import annotations

import json
import re
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from . import scenario
from .conftest import PACKAGE, ROOT_KEY, Service

MANY = 5000


def code_of(call: Any, **arguments: Any) -> str:
    """Return the error code that a client's call is answered with."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


def user_key(service: Service) -> tuple[str, str]:
    iam = service.client("iam")
    iam.create_user(UserName="user")
    text = json.dumps(scenario.POLICY)
    iam.put_user_policy(UserName="user", PolicyName="p", PolicyDocument=text)
    key = iam.create_access_key(UserName="user")["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def test_policy_is_enforced(service: Service) -> None:
    root = service.client()
    root.put_object(Bucket="lake", Key="k", Body=b"x")
    root.create_bucket(Bucket="third")
    root.put_object(Bucket="third", Key="secret", Body=b"x")
    key = user_key(service)
    user = service.client(key=key)
    assert user.get_object(Bucket="lake", Key="k")["Body"].read() == b"x"
    assert user.list_objects_v2(Bucket="lake")["KeyCount"] == 1
    assert service.client("sts", key).get_caller_identity()["Arn"].endswith("user/user")
    denied = [
        (user.put_object, {"Bucket": "lake", "Key": "k", "Body": b"y"}),
        (user.delete_object, {"Bucket": "lake", "Key": "k"}),
        (user.delete_objects, {"Bucket": "lake", "Delete": {"Objects": [{"Key": "k"}]}}),
        (user.create_multipart_upload, {"Bucket": "lake", "Key": "k"}),
        (user.get_object, {"Bucket": "third", "Key": "secret"}),
        (user.list_objects_v2, {"Bucket": "third"}),
        (user.create_bucket, {"Bucket": "fourth"}),
        (user.put_bucket_policy, {"Bucket": "lake", "Policy": "{}"}),
        (user.list_buckets, {}),
        (service.client("iam", key).list_users, {}),
        (service.client("iam", key).create_access_key, {}),
    ]
    for call, arguments in denied:
        assert code_of(call, **arguments) == "AccessDenied", call


def test_copy_needs_to_read_the_source(service: Service) -> None:
    root = service.client()
    root.create_bucket(Bucket="third")
    root.put_object(Bucket="third", Key="secret", Body=b"x")
    key = user_key(service)
    allow = {"Effect": "Allow", "Action": "s3:*", "Resource": ["arn:aws:s3:::lake/*"]}
    text = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    service.client("iam").put_user_policy(UserName="user", PolicyName="p", PolicyDocument=text)
    user = service.client(key=key)
    user.put_object(Bucket="lake", Key="own", Body=b"mine")
    user.copy_object(Bucket="lake", Key="copy", CopySource="lake/own")
    copy = {"Bucket": "lake", "Key": "stolen", "CopySource": "third/secret"}
    assert code_of(user.copy_object, **copy) == "AccessDenied"
    assert code_of(user.head_object, Bucket="lake", Key="stolen") == "404"


def test_strangers_are_refused(service: Service) -> None:
    unknown = service.client(key=("AKIANOBODYNOBODYNOBO", "x"))
    assert code_of(unknown.list_buckets) == "InvalidAccessKeyId"
    forged = service.client(key=(ROOT_KEY[0], "guessed"))
    assert code_of(forged.list_buckets) == "SignatureDoesNotMatch"
    forged_iam = service.client("iam", (ROOT_KEY[0], "guessed"))
    assert code_of(forged_iam.list_users) == "SignatureDoesNotMatch"
    with pytest.raises(HTTPError) as caught:
        urlopen(f"{service.url}/lake", timeout=5)
    assert caught.value.code == 403
    caught.value.close()


def test_retired_key_is_refused_at_once(service: Service) -> None:
    key = user_key(service)
    service.client("iam").delete_access_key(UserName="user", AccessKeyId=key[0])
    user = service.client(key=key)
    assert code_of(user.list_objects_v2, Bucket="lake") == "InvalidAccessKeyId"


def test_presigned_addresses(service: Service) -> None:
    s3 = service.client()
    s3.put_object(Bucket="lake", Key="a b/ü", Body=b"shared")
    params = {"Bucket": "lake", "Key": "a b/ü"}
    url = s3.generate_presigned_url("get_object", Params=params, ExpiresIn=60)
    with urlopen(url, timeout=5) as answer:
        assert answer.read() == b"shared"
    put = s3.generate_presigned_url("put_object", Params=params, ExpiresIn=60)
    with urlopen(Request(put, data=b"new", method="PUT"), timeout=5) as answer:
        assert answer.status == 200
    assert s3.get_object(**params)["Body"].read() == b"new"
    late = re.sub(r"X-Amz-Date=\d+", "X-Amz-Date=20200101", url)
    for changed in (late, url.replace("lake", "lake2"), url.replace("Expires=60", "Expires=6000")):
        with pytest.raises(HTTPError) as caught:
            urlopen(changed, timeout=5)
        assert caught.value.code == 403
        caught.value.close()


class Signer(S3SigV4Auth):
    """Signs for any body and any time."""

    def __init__(self, payload: str, at: datetime) -> None:
        super().__init__(Credentials(*ROOT_KEY), "s3", "us-east-1")
        self._payload = payload
        self._at = at

    def payload(self, _request: AWSRequest) -> str:
        return self._payload

    def sign(self, request: AWSRequest) -> None:
        request.context["timestamp"] = self._at.strftime("%Y%m%dT%H%M%SZ")
        self._modify_request_before_signing(request)
        text = self.string_to_sign(request, self.canonical_request(request))
        self._inject_signature_to_request(request, self.signature(text, request))


def send(
    service: Service, body: bytes, payload: str, *, age: timedelta = timedelta(0), **headers: str
) -> int:
    """Send a PUT of lake/raw that is signed for `payload`; return the status."""
    url = f"{service.url}/lake/raw"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = AWSRequest("PUT", url, headers=named, data=body)
    Signer(payload, datetime.now(UTC) - age).sign(request)
    sent = Request(url, data=body, headers=dict(request.headers), method="PUT")
    try:
        with urlopen(sent, timeout=5) as answer:
            return int(answer.status)
    except HTTPError as error:
        error.close()
        return error.code


def test_bodies_are_what_was_signed(service: Service) -> None:
    right = sha256(b"body").hexdigest()
    assert send(service, b"other", right) == 400
    assert send(service, b"body", right) == 200
    assert send(service, b"body", "UNSIGNED-PAYLOAD") == 200
    assert send(service, b"body", right, age=timedelta(hours=1)) == 403


def test_chunked_signatures(service: Service) -> None:
    """What other SDKs than boto3 send: the body in chunks, its checksum behind it."""
    body = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"
    status = send(
        service,
        body,
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        X_Amz_Decoded_Content_Length="5",
        X_Amz_Trailer="x-amz-checksum-crc32",
        Content_Encoding="aws-chunked",
    )
    assert status == 200
    service.restart()
    answer = service.client().get_object(Bucket="lake", Key="raw")
    assert answer["Body"].read() == b"hello"


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
