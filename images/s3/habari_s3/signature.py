"""AWS Signature Version 4: whether a request was signed with a key that we know.

botocore makes the signature that the request should have; we compare. Version 2 is refused.
Source: Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)".
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from habari_s3.responses import S3Error

ALGORITHM = "AWS4-HMAC-SHA256"
MAX_SKEW = timedelta(minutes=15)


@dataclass(frozen=True)
class SignatureInfo:
    """What a request says of its signature; `expires` is None for a signed header."""

    key_id: str
    region: str
    service: str
    headers: tuple[str, ...]
    signature: str
    time: str
    expires: int | None
    payload: str


class _SignAllHeaders:
    """Signs the headers that the client names, all of them: botocore leaves a few out."""

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        """Return all headers of the request, names in lower case."""
        headers = HTTPHeaders()
        for name, value in request.headers.items():
            headers[name.lower()] = value
        return headers


class _S3Auth(_SignAllHeaders, S3SigV4Auth):
    pass


class _QueryAuth(_SignAllHeaders, SigV4Auth):
    pass


def parse(environ: Mapping[str, Any]) -> SignatureInfo:
    """Return what a request says of its signature.

    Raises:
        S3Error: it has none, or one that we can't read.
    """
    header = environ.get("HTTP_AUTHORIZATION", "")
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    try:
        if header:
            algorithm, _, rest = header.partition(" ")
            given = dict(part.strip().split("=", 1) for part in rest.split(","))
            time = environ.get("HTTP_X_AMZ_DATE", "")
            payload, expires = environ.get("HTTP_X_AMZ_CONTENT_SHA256", ""), None
        elif "X-Amz-Signature" in query:
            algorithm = query["X-Amz-Algorithm"]
            given = {name: query[f"X-Amz-{name}"] for name in ("Credential", "SignedHeaders")}
            given["Signature"] = query["X-Amz-Signature"]
            time, payload = query["X-Amz-Date"], "UNSIGNED-PAYLOAD"
            expires = int(query["X-Amz-Expires"])
        else:
            raise S3Error(403, "AccessDenied", "The request is not signed; sign it with a key.")
        if algorithm != ALGORITHM:
            raise S3Error(400, "InvalidRequest", f"Sign with {ALGORITHM} (signature_version s3v4).")
        key_id, _, region, service, _ = given["Credential"].rsplit("/", 4)
        headers = tuple(given["SignedHeaders"].lower().split(";"))
        return SignatureInfo(
            key_id, region, service, headers, given["Signature"], time, expires, payload
        )
    except (KeyError, ValueError) as error:
        raise S3Error(
            400, "AuthorizationHeaderMalformed", "The signature is unreadable."
        ) from error


def verify(
    signed: SignatureInfo,
    environ: Mapping[str, Any],
    body: bytes,
    secret_of: Callable[[str], str | None],
) -> None:
    """Return if the request is signed as it says.

    Args:
        signed: what `parse` gave.
        environ: the WSGI environment; RAW_URI is the path and query as they were sent.
        body: the whole body as it was sent.
        secret_of: access key id → its secret, None for an unknown one.

    Raises:
        S3Error: unknown key, wrong signature, another body than was signed, too late, or the
            clocks differ by more than 15 minutes.
    """
    _check_time(signed)
    secret = secret_of(signed.key_id)
    if secret is None:
        code = "InvalidAccessKeyId" if signed.service == "s3" else "InvalidClientTokenId"
        raise S3Error(403, code, "The access key id is not one that this S3 knows.")
    if len(signed.payload) == 64 and sha256(body).hexdigest() != signed.payload:
        raise S3Error(400, "XAmzContentSHA256Mismatch", "The body is not the one that was signed.")
    if not hmac.compare_digest(_signature(signed, environ, body, secret), signed.signature):
        raise S3Error(403, "SignatureDoesNotMatch", "The signature is not what the key gives.")


def _check_time(signed: SignatureInfo) -> None:
    try:
        at = datetime.strptime(signed.time, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise S3Error(403, "AccessDenied", "X-Amz-Date is not a time.") from error
    now = datetime.now(UTC)
    if signed.expires is not None:
        if not at - MAX_SKEW <= now <= at + timedelta(seconds=signed.expires):
            raise S3Error(403, "AccessDenied", "Request has expired")
    elif abs(now - at) > MAX_SKEW:
        raise S3Error(403, "RequestTimeTooSkewed", "The clocks differ by more than 15 minutes.")


def _signature(signed: SignatureInfo, environ: Mapping[str, Any], body: bytes, secret: str) -> str:
    headers = {name: _header(environ, name) for name in signed.headers}
    uri = environ["RAW_URI"]
    if signed.expires is not None:
        path, _, query = uri.partition("?")
        pairs = [pair for pair in query.split("&") if not pair.startswith("X-Amz-Signature=")]
        uri = f"{path}?{'&'.join(pairs)}"
        headers["x-amz-content-sha256"] = signed.payload
    request = AWSRequest(
        method=environ["REQUEST_METHOD"],
        url=f"http://{environ.get('HTTP_HOST', '')}{uri}",
        data=body,
        headers=headers,
    )
    request.context["timestamp"] = signed.time
    kind = _S3Auth if signed.service == "s3" else _QueryAuth
    auth = kind(Credentials("-", secret), signed.service, signed.region)
    canonical = auth.canonical_request(request)
    if signed.expires is not None:
        canonical = _without_payload_header(canonical)
    return str(auth.signature(auth.string_to_sign(request, canonical), request))


def _without_payload_header(canonical: str) -> str:
    """Take x-amz-content-sha256 out again: botocore reads the payload's hash from that header."""
    line = "x-amz-content-sha256:UNSIGNED-PAYLOAD\n"
    text = canonical.replace(line, "", 1)
    return text.replace(";x-amz-content-sha256\n", "\n", 1)


def _header(environ: Mapping[str, Any], name: str) -> str:
    key = name.upper().replace("-", "_")
    if key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        return str(environ.get(key, ""))
    return str(environ.get(f"HTTP_{key}", ""))
