"""Who may do what: signatures of every kind, keys, policies."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from hashlib import sha256
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from .conftest import ROOT_KEY, Service
from .requests_by_hand import code_of, send, user_key

ALLOW_ALL = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}
OPEN = json.dumps({"Version": "2012-10-17", "Statement": [ALLOW_ALL]})


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
        (user.put_bucket_policy, {"Bucket": "lake", "Policy": OPEN}),
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
    late = re.sub(r"(?<=X-Amz-Date=)\d+|(?<=%2F)\d{8}", "20200101", url)
    for changed in (late, url.replace("lake", "lake2"), url.replace("Expires=60", "Expires=6000")):
        with pytest.raises(HTTPError) as caught:
            urlopen(changed, timeout=5)
        assert caught.value.code == 403
        caught.value.close()


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
