"""AWS Signature Version 4: whether a request was signed with a key that we know.

botocore makes the signature that the request should have; we compare. Version 2 is refused.
Source: Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)".
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from habari_s3.http_request import HTTPRequest
from habari_s3.responses import S3Error

ALGORITHM = "AWS4-HMAC-SHA256"
MAX_SKEW = timedelta(minutes=15)
MAX_EXPIRES = 7 * 24 * 3600  # seconds that a presigned URL may be good
SERVICES = ("s3", "iam", "sts")
# Keys and buckets are those of the partition `aws`: a backend has another state for each.
REGION = re.compile(r"(?!(?:cn|us-gov|us-iso[a-z]*|eu-isoe|eusc)-)[a-z]{2}(?:-[a-z]+)+-\d{1,2}")
HEX = re.compile(r"[0-9a-f]{64}")
UNSIGNED = "UNSIGNED-PAYLOAD"
UNSIGNED_CHUNKS = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
CHUNKED = (UNSIGNED_CHUNKS, SIGNED_CHUNKS, SIGNED_TRAILER)
SIGNED_BY = ("Credential", "SignedHeaders", "Signature")
# What a request's parameters and headers of these names say is said of its signature alone.
SIGNATURE_PARAMETERS = {
    f"X-Amz-{name}"
    for name in (*SIGNED_BY, "Algorithm", "Date", "Expires", "Security-Token", "Content-Sha256")
}
SIGNATURE_HEADERS = {"x-amz-date", "x-amz-content-sha256"}


@dataclass(frozen=True)
class SignatureInfo:
    """What a request says of its signature; `expires` is None for a signed header.

    `payload`: the SHA-256 of the body that was signed, or one of the constants above.
    """

    key_id: str
    region: str
    service: str
    headers: tuple[str, ...]
    signature: str
    time: str
    expires: int | None
    payload: str

    @property
    def scope(self) -> str:
        """The credential scope."""
        return f"{self.time[:8]}/{self.region}/{self.service}/aws4_request"


class _GivenPayload:
    """Signs the headers that the client names, all of them, for a payload that is given."""

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        """Return all headers of the request, names in lower case: botocore leaves a few out."""
        headers = HTTPHeaders()
        for name, value in request.headers.items():
            headers[name.lower()] = value
        return headers

    def payload(self, request: AWSRequest) -> str:
        """Return what the request says of its body: botocore would hash it again."""
        return str(request.context["payload"])


class _S3Auth(_GivenPayload, S3SigV4Auth):
    pass


class _QueryAuth(_GivenPayload, SigV4Auth):
    pass


def parse(request: HTTPRequest) -> SignatureInfo:
    """Return what a request says of its signature.

    Raises:
        S3Error: it has none, or one that we can't read, or that leaves something unsigned.
    """
    header, query = request.headers.get("authorization"), request.parameters
    presigned = "X-Amz-Signature" in query
    if header is None and not presigned:
        raise S3Error(403, "AccessDenied", "The request is not signed; sign it with a key.")
    if header is not None and SIGNATURE_PARAMETERS & query.keys():
        raise S3Error(400, "InvalidArgument", "The request is signed in two ways.")
    given = _of_header(header) if header is not None else _of_query(query)
    if given.pop("Algorithm", "") != ALGORITHM:
        raise S3Error(400, "InvalidRequest", f"Sign with {ALGORITHM} (signature_version s3v4).")
    time = query.get("X-Amz-Date", "") if presigned else request.headers.get("x-amz-date", "")
    expires = _expires(query.get("X-Amz-Expires", "")) if presigned else None
    key_id, date, region, service, end = _scope(given)
    if date != time[:8] or end != "aws4_request" or not HEX.fullmatch(given["Signature"]):
        raise _malformed("its scope or its signature")
    if not REGION.fullmatch(region):
        raise _malformed(f"region {region[:40]!r}, which this S3 does not have")
    if service not in SERVICES:
        raise S3Error(501, "NotImplemented", f"{service[:40]} is not a service of this S3.")
    headers = tuple(given["SignedHeaders"].split(";"))
    _require_signed(request, headers)
    payload = _payload(request, service, presigned)
    return SignatureInfo(
        key_id, region, service, headers, given["Signature"], time, expires, payload
    )


def verify(
    signed: SignatureInfo, request: HTTPRequest, secret_of: Callable[[str], str | None]
) -> Callable[[str], str]:
    """Return what signs a text as the request is signed, if the request is signed as it says.

    Args:
        signed: what `parse` gave.
        request: the request, as it came.
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
    if len(signed.payload) == 64 and sha256(request.body).hexdigest() != signed.payload:
        raise S3Error(400, "XAmzContentSHA256Mismatch", "The body is not the one that was signed.")
    kind = _S3Auth if signed.service == "s3" else _QueryAuth
    auth = kind(Credentials("-", secret), signed.service, signed.region)
    aws_request = _to_sign(signed, request)
    text = auth.string_to_sign(aws_request, auth.canonical_request(aws_request))
    if not hmac.compare_digest(auth.signature(text, aws_request), signed.signature):
        raise S3Error(403, "SignatureDoesNotMatch", "The signature is not what the key gives.")
    return lambda text: str(auth.signature(text, aws_request))


def _of_header(header: str) -> dict[str, str]:
    algorithm, _, rest = header.partition(" ")
    found = {"Algorithm": algorithm}
    for part in rest.split(","):
        name, _, value = part.strip().partition("=")
        if name in found:
            raise _malformed(f"{name[:40]!r} twice")
        found[name] = value
    if algorithm == ALGORITHM and found.keys() != {"Algorithm", *SIGNED_BY}:
        raise _malformed("not Credential, SignedHeaders and Signature")
    return found


def _of_query(query: Mapping[str, str]) -> dict[str, str]:
    try:
        return {name: query[f"X-Amz-{name}"] for name in ("Algorithm", *SIGNED_BY)}
    except KeyError as error:
        raise S3Error(
            400, "AuthorizationQueryParametersError", f"The parameter {error.args[0]} is missing."
        ) from error


def _scope(given: Mapping[str, str]) -> list[str]:
    parts = given["Credential"].rsplit("/", 4)
    if len(parts) != 5:
        raise _malformed("a credential without its scope")
    return parts


def _expires(text: str) -> int:
    if not re.fullmatch(r"\d{1,6}", text, re.ASCII) or not 0 < int(text) <= MAX_EXPIRES:
        code = "AuthorizationQueryParametersError"
        raise S3Error(400, code, f"X-Amz-Expires is not between 1 and {MAX_EXPIRES} seconds.")
    return int(text)


def _require_signed(request: HTTPRequest, signed: tuple[str, ...]) -> None:
    if list(signed) != sorted(set(signed)):
        raise _malformed("SignedHeaders that are not sorted names, each once")
    sent = {name for name in request.headers if name.startswith("x-amz-")}
    left = sorted({"host", *sent}.difference(signed))
    if left:
        raise S3Error(403, "AccessDenied", f"Headers that are not signed: {', '.join(left)}.")


def _payload(request: HTTPRequest, service: str, presigned: bool) -> str:
    """Return what was signed of the body: its SHA-256, or how it comes."""
    said = request.headers.get("x-amz-content-sha256")
    if presigned and said is None:
        said = request.parameters.get("X-Amz-Content-Sha256")
    if service != "s3" and said is None:
        return sha256(request.body).hexdigest()
    if said is None and presigned:
        return UNSIGNED
    if said is None:
        raise S3Error(400, "InvalidRequest", "The header x-amz-content-sha256 is missing.")
    if not HEX.fullmatch(said) and (service != "s3" or said not in (UNSIGNED, *CHUNKED)):
        raise S3Error(
            400,
            "InvalidArgument",
            f"x-amz-content-sha256 is not {UNSIGNED}, {', '.join(CHUNKED)} or a SHA-256.",
        )
    return said


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


def _to_sign(signed: SignatureInfo, request: HTTPRequest) -> AWSRequest:
    query = "&".join(
        pair for pair in request.query.split("&") if not pair.startswith("X-Amz-Signature=")
    )
    made = AWSRequest(
        method=request.method,
        url=f"http://{request.host}{request.path}" + (f"?{query}" if query else ""),
        headers={name: request.headers.get(name, "") for name in signed.headers},
    )
    made.context.update(timestamp=signed.time, payload=signed.payload)
    return made


def _malformed(what: str) -> S3Error:
    return S3Error(400, "AuthorizationHeaderMalformed", f"The signature is unreadable: {what}.")
