"""ETags as stores write them."""

from __future__ import annotations

import base64
import hashlib
import re

from .message import Answer, Habit, Request

# What an ETag is in, in a request and in an answer.
HEADERS = ("etag", "if-match", "if-none-match", "x-amz-copy-source-if-match")
IN_XML = re.compile(rb"<ETag>(?:&quot;|&#34;|\")?([^<&\"]+)(?:&quot;|&#34;|\")?</ETag>")


class KmsETags(Habit):
    """With SSE-KMS an ETag has 32 hexadecimal digits and is no MD5.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
    """

    def __init__(self) -> None:
        self._real: dict[str, str] = {}

    def shown(self, etag: str) -> str:
        """What is told in place of an ETag of S3."""
        plain, dash, parts = etag.partition("-")
        other = hashlib.sha256(plain.encode()).hexdigest()[:32] + dash + parts
        self._real[other] = etag
        return other

    def request(self, request: Request) -> Request | Answer:
        for name in HEADERS:
            value = request.headers.get(name, "").strip('"')
            if value in self._real:
                request.headers[name] = f'"{self._real[value]}"'
        if b"<ETag>" in request.body:
            request.body = IN_XML.sub(self._as_real, request.body)
            request.headers["content-length"] = str(len(request.body))
            for name in [n for n in request.headers if "checksum" in n]:
                del request.headers[name]
            digest = hashlib.md5(request.body, usedforsecurity=False).digest()
            request.headers["content-md5"] = base64.b64encode(digest).decode()
        return request

    def _as_real(self, found: re.Match[bytes]) -> bytes:
        etag = found[1].decode()
        return f"<ETag>&quot;{self._real.get(etag, etag)}&quot;</ETag>".encode()

    def answer(self, request: Request, answer: Answer) -> Answer:
        if "etag" in answer.headers:
            answer.headers["etag"] = f'"{self.shown(answer.headers["etag"].strip(chr(34)))}"'
        if _is_xml(answer):
            answer.body = IN_XML.sub(
                lambda m: f"<ETag>&quot;{self.shown(m[1].decode())}&quot;</ETag>".encode(),
                answer.body,
            )
        return answer


class UnquotedETags(Habit):
    """ETags in XML have no quotes, those in headers have them.

    Ceph: https://github.com/ceph/ceph/pull/60477 ; NetApp ONTAP:
    https://github.com/duckdb/duckdb-httpfs/pull/291
    """

    def answer(self, request: Request, answer: Answer) -> Answer:
        if _is_xml(answer):
            answer.body = IN_XML.sub(rb"<ETag>\1</ETag>", answer.body)
        return answer


class WeakETags(Habit):
    """A proxy that compresses makes the ETags of answers weak.

    https://nginx.org/en/docs/http/ngx_http_gzip_module.html
    """

    def answer(self, request: Request, answer: Answer) -> Answer:
        if request.method in {"GET", "HEAD"} and "etag" in answer.headers:
            answer.headers["etag"] = f"W/{answer.headers['etag']}"
        return answer


def _is_xml(answer: Answer) -> bool:
    return "xml" in answer.headers.get("content-type", "") or answer.body.startswith(b"<?xml")
