"""Requests that boto3 would not send, and what tests ask of clients and users."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from botocore.auth import S3SigV4Auth
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


def user_key(service: Service) -> tuple[str, str]:
    iam = service.client("iam")
    iam.create_user(UserName="user")
    text = json.dumps(scenario.POLICY)
    iam.put_user_policy(UserName="user", PolicyName="p", PolicyDocument=text)
    key = iam.create_access_key(UserName="user")["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


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
