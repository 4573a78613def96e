"""Signatures as AWS has them: what they must cover, how long they are good, chunks."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from .conftest import ROOT_KEY, Service
from .requests_by_hand import Answer, ByHand, chunked, code_of

NO_SIGNATURE = "0" * 64


def presigned(service: Service, expires: str, at: datetime | None = None) -> str:
    """Return path and query of a presigned GET of signed/k that says `expires`."""
    request = AWSRequest("GET", f"{service.url}/signed/k")
    request.context["timestamp"] = (at or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    auth = S3SigV4QueryAuth(Credentials(*ROOT_KEY), "s3", "us-east-1", expires=expires)
    auth._modify_request_before_signing(request)
    text = auth.string_to_sign(request, auth.canonical_request(request))
    auth._inject_signature_to_request(request, auth.signature(text, request))
    return str(request.url).removeprefix(service.url)


@pytest.fixture(scope="module")
def by_hand(each: Service) -> ByHand:
    each.client().create_bucket(Bucket="signed")
    each.client().put_object(Bucket="signed", Key="k", Body=b"x")
    return ByHand(each)


def plain(by_hand: ByHand, target: str) -> Answer:
    return by_hand.raw("GET", target, {"Host": f"127.0.0.1:{by_hand.service.port}"}, b"")


def test_every_header_of_s3_is_signed(by_hand: ByHand) -> None:
    for name in ("x-amz-copy-source", "x-amz-acl", "x-amz-meta-a", "X-AMZ-Tagging"):
        answer = by_hand.send("PUT", "/signed/new", b"x", unsigned={name: "signed/k"})
        assert (answer.status, answer.code) == (403, "AccessDenied"), name
        assert name.lower() in answer.text
    url = presigned(by_hand.service, "60")
    headers = {"Host": f"127.0.0.1:{by_hand.service.port}", "x-amz-copy-source": "signed/k"}
    assert by_hand.raw("GET", url, headers, b"").status == 403
    assert code_of(by_hand.service.client().head_object, Bucket="signed", Key="new") == "404"


def test_headers_that_wsgi_confuses_are_refused(by_hand: ByHand) -> None:
    sent = {"x_amz_acl": "public-read"}
    assert by_hand.send("PUT", "/signed/new", b"x", unsigned=sent).status == 400
    twice = {"X-Amz-Meta-A_b": "1", "X-Amz-Meta-A-b": "2"}
    assert by_hand.send("PUT", "/signed/new", b"x", unsigned=twice).status == 400
    host = {"host": "third.localhost"}
    assert by_hand.send("PUT", "/signed/new", b"x", unsigned=host).status == 400


@pytest.mark.parametrize("expires", ["604801", "999999999", "-1", "0", "", "1_0", " 60", "x"])
def test_presigned_addresses_are_good_for_seven_days_at_most(by_hand: ByHand, expires: str) -> None:
    answer = plain(by_hand, presigned(by_hand.service, expires))
    assert (answer.status, answer.code) == (400, "AuthorizationQueryParametersError")


def test_presigned_addresses_are_good_until_they_expire(by_hand: ByHand) -> None:
    six_days_ago = datetime.now(UTC) - timedelta(days=6)
    assert plain(by_hand, presigned(by_hand.service, "604800", six_days_ago)).text == "x"
    assert plain(by_hand, presigned(by_hand.service, "500000", six_days_ago)).status == 403


@pytest.mark.parametrize("payload", ["", "x", "UNSIGNED", "0" * 63, "A" * 64, "STREAMING-X"])
def test_what_is_said_of_the_body_is_well_formed(by_hand: ByHand, payload: str) -> None:
    assert by_hand.send("PUT", "/signed/new", b"x", payload=payload).status == 400
    assert code_of(by_hand.service.client().head_object, Bucket="signed", Key="new") == "404"


def test_the_body_of_iam_is_signed(by_hand: ByHand) -> None:
    iam = ByHand(by_hand.service, scope=("us-east-1", "iam"))
    body = b"Action=CreateUser&UserName=forged&Version=2010-05-08"
    for payload in ("UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"):
        assert iam.send("POST", "/", body, payload=payload).status == 400
    assert iam.send("POST", "/", body, payload=sha256(b"other").hexdigest()).status == 400
    users = by_hand.service.client("iam").list_users()["Users"]
    assert "forged" not in [each["UserName"] for each in users]


def test_chunks_are_signed_one_by_one(by_hand: ByHand) -> None:
    parts = [b"first " * 2000, b"second"]
    said, sign = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", chunked(parts)
    put = {"X_Amz_Decoded_Content_Length": str(sum(map(len, parts)))}
    answer = by_hand.send("PUT", "/signed/chunks", sign, payload=said, **put)
    assert answer.status == 200, answer
    s3 = by_hand.service.client()
    assert s3.get_object(Bucket="signed", Key="chunks")["Body"].read() == b"".join(parts)
    tampered: list[Callable[[bytes], bytes]] = [
        lambda body: body.replace(b"second", b"forged"),
        lambda body: body.replace(b";chunk-signature=", b";chunk-signature=0", 1),
        lambda body: body[: body.index(b"6;chunk")] + body[body.index(b"0;chunk") :],
        lambda body: body[: body.rindex(b"0;chunk")],
    ]
    for change in tampered:
        answer = by_hand.send(
            "PUT", "/signed/chunks", lambda *a, c=change: c(sign(*a)), payload=said, **put
        )
        assert answer.status in (400, 403), answer
    unsigned = b"5\r\nhello\r\n0\r\n\r\n"
    put["X_Amz_Decoded_Content_Length"] = "5"
    assert by_hand.send("PUT", "/signed/chunks", unsigned, payload=said, **put).status == 403
    assert s3.get_object(Bucket="signed", Key="chunks")["Body"].read() == b"".join(parts)


def test_the_trailer_is_signed_and_checked(by_hand: ByHand) -> None:
    part = b"hello"
    crc = base64.b64encode(zlib.crc32(part).to_bytes(4, "big"))
    said = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
    put = {
        "X_Amz_Decoded_Content_Length": "5",
        "X_Amz_Trailer": "x-amz-checksum-crc32",
        "Content_Encoding": "aws-chunked",
    }
    good = chunked([part], b"x-amz-checksum-crc32:" + crc)
    answer = by_hand.send("PUT", "/signed/trailer", good, payload=said, **put)
    assert answer.status == 200, answer
    found = by_hand.service.client().get_object(Bucket="signed", Key="trailer")
    assert found["Body"].read() == part
    assert "ContentEncoding" not in found
    for bad in (
        chunked([part], b"x-amz-checksum-crc32:AAAAAA=="),
        chunked([part], b"x-amz-acl:public-read"),
        lambda *a: good(*a).replace(crc, b"AAAAAA=="),
        lambda *a: good(*a).replace(b"trailer-signature:", b"trailer-signature:0"),
    ):
        answer = by_hand.send("PUT", "/signed/trailer", bad, payload=said, **put)
        assert answer.status in (400, 403), answer


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", "AWS4-HMAC-SHA256"),
        ("Authorization", "AWS4-HMAC-SHA256 Credential=x, SignedHeaders=host, Signature=x"),
        ("Authorization", f"AWS4-HMAC-SHA256 Credential=a/b, Signature={NO_SIGNATURE}"),
        ("Authorization", "AWS4-HMAC-SHA256 " + "Credential=a/1/us-east-1/s3/aws4_request," * 2),
        ("Authorization", "AWS a:b"),
        ("Authorization", "ä"),
        ("X-Amz-Date", "yesterday"),
        ("X-Amz-Date", ""),
        ("Content-Length", "-1"),
        ("Content-Length", "+1"),
        ("X-Amz-Security-Token", "x"),
    ],
)
def test_a_strange_signature_is_the_clients_fault(by_hand: ByHand, name: str, value: str) -> None:
    answer = by_hand.send("PUT", "/signed/new", b"x", unsigned={name: value})
    assert 400 <= answer.status < 500, answer
    assert code_of(by_hand.service.client().head_object, Bucket="signed", Key="new") == "404"
