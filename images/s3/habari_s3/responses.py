"""Responses, and errors in the XML of S3 and of the Query protocol.

Sources: Amazon S3 API Reference, "Error responses"; AWS Query protocol, `ErrorResponse`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from http.client import responses
from xml.sax.saxutils import escape


@dataclass(frozen=True)
class Response:
    """An HTTP response whose whole body is in memory."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    @property
    def ok(self) -> bool:
        """Whether this acknowledges the request."""
        return 200 <= self.status < 300

    @property
    def status_line(self) -> str:
        """The status as WSGI wants it."""
        return f"{self.status} {responses.get(self.status, 'Unknown')}"


class S3Error(Exception):
    """A request that is not answered as asked: HTTP status, S3 error code, one sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def response(self, service: str) -> Response:
        """Return the error as XML of `service` ("s3", or one of the Query protocol)."""
        error = f"<Code>{escape(self.code)}</Code><Message>{escape(self.message)}</Message>"
        if service == "s3":
            xml = f"<Error>{error}</Error>"
        else:
            kind = "Sender" if self.status < 500 else "Receiver"
            xml = f"<ErrorResponse><Error><Type>{kind}</Type>{error}</Error></ErrorResponse>"
        body = f'<?xml version="1.0" encoding="UTF-8"?>\n{xml}'.encode()
        return Response(self.status, [("Content-Type", "application/xml")], body)
