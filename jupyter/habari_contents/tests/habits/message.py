"""Requests and answers as a habit sees them, and as they are on the wire."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Request:
    """A request to S3; header names are lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def writes_object(self) -> bool:
        """Is it a PUT or POST that makes an object or its beginning (no part, no tag)?"""
        query = self.target.partition("?")[2]
        if self.method == "PUT":
            return "partNumber" not in query
        return self.method == "POST" and query.startswith("uploads")

    def raw(self) -> bytes:
        """As it goes to S3."""
        return _raw(f"{self.method} {self.target} HTTP/1.1", self.headers, self.body)

    @classmethod
    def parse(cls, head: bytes, body: bytes) -> Request:
        """From its bytes."""
        line, headers = _parse(head)
        method, target, _ = line.split(" ", 2)
        return cls(method, target, headers, body)


@dataclass
class Answer:
    """An answer of S3; that to a HEAD has no body, whatever its length says."""

    status: int
    headers: dict[str, str]
    body: bytes = b""

    def raw(self, method: str) -> bytes:
        """As it goes to the client."""
        if method != "HEAD":
            self.headers["content-length"] = str(len(self.body))
        return _raw(
            f"HTTP/1.1 {self.status} X", self.headers, b"" if method == "HEAD" else self.body
        )

    @classmethod
    def parse(cls, head: bytes, body: bytes) -> Answer:
        """From its bytes."""
        line, headers = _parse(head)
        if "chunked" in headers.pop("transfer-encoding", ""):
            body = _joined(body)
            headers["content-length"] = str(len(body))
        return cls(int(line.split(" ")[1]), headers, body)

    @classmethod
    def error(cls, status: int, code: str) -> Answer:
        """A refusal of S3 in its own form."""
        text = f"<Error><Code>{code}</Code><Message>http://secret-endpoint</Message></Error>"
        return cls(status, {"content-type": "application/xml"}, text.encode())


class Habit:
    """What a store does otherwise than moto."""

    def request(self, request: Request) -> Request | Answer:
        """What reaches S3 of a request, or what the store answers without it."""
        return request

    def answer(self, request: Request, answer: Answer) -> Answer:
        """What the store makes of S3's answer."""
        return answer


def _parse(head: bytes) -> tuple[str, dict[str, str]]:
    line, *rest = head.decode("latin-1").strip().split("\r\n")
    pairs = (each.partition(":") for each in rest)
    return line, {name.strip().lower(): value.strip() for name, _, value in pairs}


def _raw(line: str, headers: dict[str, str], body: bytes) -> bytes:
    lines = [line, *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _joined(chunks: bytes) -> bytes:
    whole = b""
    while chunks:
        size, _, rest = chunks.partition(b"\r\n")
        whole, chunks = whole + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return whole
