"""`aws-chunked` bodies: the chunks and the trailer taken apart, and their signatures checked.

Source: Amazon S3 API Reference, "Signature calculations for the authorization header: transferring
payload in multiple chunks", and the same "with trailers".
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from habari_s3.http_request import HTTPRequest
from habari_s3.responses import S3Error
from habari_s3.signature import (
    CHUNKED,
    SIGNED_CHUNKS,
    SIGNED_TRAILER,
    UNSIGNED_CHUNKS,
    SignatureInfo,
)

NOTHING = sha256(b"").hexdigest()
HEADER = re.compile(rb"([0-9a-fA-F]{1,8})(?:;chunk-signature=([0-9a-f]{64}))?\r\n")
TRAILER = re.compile(rb"([a-z0-9-]+):([^\r\n]*)\r?\n(?:\r\n)?")
SIGNATURE = b"x-amz-trailer-signature"

Sign = Callable[[str], str]


@dataclass
class _Chain:
    """The signatures of the chunks, each of which signs the one before it."""

    signed: SignatureInfo
    sign: Sign

    def __post_init__(self) -> None:
        self.last = self.signed.signature

    def check(self, kind: str, hashes: str, found: bytes | None) -> None:
        algorithm = f"AWS4-HMAC-SHA256-{kind}"
        signed = self.signed
        text = "\n".join((algorithm, signed.time, signed.scope, self.last, hashes))
        expected = self.sign(text)
        if found is None or not hmac.compare_digest(expected.encode(), found):
            raise S3Error(403, "SignatureDoesNotMatch", "A chunk is not signed with the key.")
        self.last = expected


def decode(request: HTTPRequest, signed: SignatureInfo, sign: Sign) -> tuple[bytes, dict[str, str]]:
    """Return the body without its chunks, and the trailer's headers.

    Args:
        request: the request, as it came.
        signed: what `signature.parse` gave.
        sign: what `signature.verify` gave.

    Raises:
        S3Error: the chunks are not well formed, not signed, or another length than is said.
    """
    if signed.payload not in CHUNKED:
        return request.body, {}
    chain = None if signed.payload == UNSIGNED_CHUNKS else _Chain(signed, sign)
    data, end = _chunks(request.body, chain)
    if request.headers.get("x-amz-decoded-content-length") != str(len(data)):
        raise S3Error(400, "IncompleteBody", "x-amz-decoded-content-length is another length.")
    named = {name.strip().lower() for name in request.headers.get("x-amz-trailer", "").split(",")}
    expected = set() if signed.payload == SIGNED_CHUNKS else named - {""}
    trailer = _trailer(request.body[end:], chain if signed.payload == SIGNED_TRAILER else None)
    if trailer.keys() != expected:
        raise S3Error(400, "MalformedTrailerError", "The trailer is not what x-amz-trailer says.")
    return data, trailer


def _chunks(body: bytes, chain: _Chain | None) -> tuple[bytes, int]:
    parts: list[bytes] = []
    position = 0
    while True:
        found = HEADER.match(body, position)
        if not found or (chain is None and found[2]):
            raise S3Error(400, "InvalidChunkSizeError", "The body is not in aws-chunked form.")
        size = int(found[1], 16)
        start, position = found.end(), found.end() + size
        chunk = body[start:position]
        if chain:
            chain.check("PAYLOAD", f"{NOTHING}\n{sha256(chunk).hexdigest()}", found[2])
        if not size:
            return b"".join(parts), position
        if len(chunk) != size or body[position : position + 2] != b"\r\n":
            raise S3Error(400, "IncompleteBody", "A chunk is shorter than it says.")
        parts.append(chunk)
        position += 2


def _trailer(text: bytes, chain: _Chain | None) -> dict[str, str]:
    found: dict[bytes, bytes] = {}
    position = 0
    while match := TRAILER.match(text, position):
        if match[1] in found:
            raise S3Error(400, "MalformedTrailerError", "The trailer has a header twice.")
        found[match[1]] = match[2].strip()
        position = match.end()
    if text[position:] not in (b"", b"\r\n"):
        raise S3Error(400, "MalformedTrailerError", "The trailer is not in aws-chunked form.")
    signature = found.pop(SIGNATURE, None)
    if chain:
        canonical = b"".join(b"%s:%s\n" % pair for pair in sorted(found.items()))
        chain.check("TRAILER", sha256(canonical).hexdigest(), signature)
    return {name.decode(): value.decode("latin-1") for name, value in found.items()}
