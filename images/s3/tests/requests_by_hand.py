"""Requests that boto3 would not send, and what tests ask of clients and users."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.client import HTTPConnection
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from . import scenario
from .conftest import ROOT_KEY, Service


def code_of(call: Any, **arguments: Any) -> str:
    """Return the error code that a client's call is answered with."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


def user_key(
    service: Service, name: str = "user", policy: Mapping[str, Any] = scenario.POLICY
) -> tuple[str, str]:
    """Make a user with a policy; return the user's key."""
    iam = service.client("iam")
    iam.create_user(UserName=name)
    text = json.dumps(policy)
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=text)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


# Makes an `aws-chunked` body of the signed headers, the secret and the scope.
Chunked = Callable[[Mapping[str, str], str, tuple[str, str]], bytes]


@dataclass(frozen=True)
class Answer:
    """What a request by hand is answered with."""

    status: int
    text: str

    @property
    def code(self) -> str:
        """The error code, "" for none."""
        found = re.search(r"<Code>([^<]*)</Code>", self.text)
        return found[1] if found else ""


@dataclass(frozen=True)
class ByHand:
    """Sends requests to a service that no client would send, signed as AWS wants it.

    `scope`: region and name of the service that they are signed for.
    """

    service: Service
    key: tuple[str, str] = ROOT_KEY
    scope: tuple[str, str] = ("us-east-1", "s3")

    def send(
        self,
        method: str,
        target: str,
        body: bytes | Chunked = b"",
        *,
        payload: str | None = None,
        age: timedelta = timedelta(0),
        unsigned: Mapping[str, str] | None = None,
        **headers: str,
    ) -> Answer:
        """Send a request for `target`, path and query as they are; return the answer.

        Args:
            method: the method.
            target: path and query.
            body: the body, or what makes one of the request's signature.
            payload: x-amz-content-sha256, the body's if nothing is said.
            age: how long ago it was signed.
            unsigned: headers that are sent and not signed.
            headers: headers that are signed, with _ for -.
        """
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named.setdefault("Host", f"127.0.0.1:{self.service.port}")
        said = payload
        if said is None:
            said = sha256(body if isinstance(body, bytes) else b"").hexdigest()
        signed = self._signed(method, target, named, said, datetime.now(UTC) - age)
        if not isinstance(body, bytes):
            body = body(signed, self.key[1], self.scope)
        sent = {k: v for k, v in signed.items() if k not in (unsigned or {})}
        return self.raw(method, target, {**sent, **(unsigned or {})}, body)

    def raw(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send exactly this."""
        connection = HTTPConnection("127.0.0.1", self.service.port, timeout=30)
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            if "Content-Length" not in headers:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read().decode("utf-8", "replace"))
        finally:
            connection.close()

    def _signed(
        self, method: str, target: str, headers: dict[str, str], payload: str, at: datetime
    ) -> dict[str, str]:
        request = AWSRequest(method, f"http://{self.service.url[7:]}{target}", headers=headers)
        request.context["timestamp"] = at.strftime("%Y%m%dT%H%M%SZ")
        request.headers["X-Amz-Date"] = request.context["timestamp"]
        request.headers["X-Amz-Content-Sha256"] = payload
        kind = S3SigV4Auth if self.scope[1] == "s3" else SigV4Auth
        auth = kind(Credentials(*self.key), self.scope[1], self.scope[0])
        text = auth.string_to_sign(request, auth.canonical_request(request))
        auth._inject_signature_to_request(request, auth.signature(text, request))
        return dict(request.headers)


def chunked(parts: list[bytes], trailer: bytes = b"") -> Chunked:
    """Return what makes a body of signed chunks, and of a signed trailer."""

    def make(headers: Mapping[str, str], secret: str, scope: tuple[str, str]) -> bytes:
        time, last = headers["X-Amz-Date"], headers["Authorization"].rpartition("=")[2]
        key = f"AWS4{secret}".encode()
        for part in (time[:8], *scope, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        full = f"{time[:8]}/{scope[0]}/{scope[1]}/aws4_request"

        def sign(kind: str, *hashed: bytes) -> str:
            hashes = [sha256(each).hexdigest() for each in hashed]
            text = "\n".join((f"AWS4-HMAC-SHA256-{kind}", time, full, last, *hashes))
            return hmac.new(key, text.encode(), "sha256").hexdigest()

        body = b""
        for part in (*parts, b""):
            last = sign("PAYLOAD", b"", part)
            end = b"\r\n" if part else b""
            body += f"{len(part):x};chunk-signature={last}\r\n".encode() + part + end
        if trailer:
            last = sign("TRAILER", trailer + b"\n")
            body += trailer + f"\n\r\nx-amz-trailer-signature:{last}\r\n".encode()
        return body + b"\r\n"

    return make


def send(
    service: Service, body: bytes, payload: str, *, age: timedelta = timedelta(0), **headers: str
) -> int:
    """Send a PUT of lake/raw that is signed for `payload`; return the status."""
    by_hand = ByHand(service)
    return by_hand.send("PUT", "/lake/raw", body, payload=payload, age=age, **headers).status
