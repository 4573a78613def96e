"""A request as it came, taken apart once; nothing behind this reads the socket's bytes again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus, unquote_to_bytes

from habari_s3.responses import S3Error

HEADERS = "habari.headers"  # of the WSGI environment: (name in lower case, value) as they were sent
HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
# `third.s3.amazonaws.com`, `third.s3.localhost`: a bucket in the name of the host.
BUCKET_IN_HOST = re.compile(r".+\.s3[.-]|.*\.amazonaws\.com(?:\.[a-z]+)?(?::\d+)?$", re.IGNORECASE)
ESCAPED = re.compile(r"(?:[!-$&-~]|%[0-9A-Fa-f]{2})*")  # printable ASCII, whole escapes


@dataclass(frozen=True)
class HTTPRequest:
    """Method, path and query as they were sent, headers by names in lower case, the whole body.

    `parameters`: name → value of the query, decoded; each is there once.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    parameters: Mapping[str, str]

    @property
    def host(self) -> str:
        """Where the client thinks that it is."""
        return self.headers.get("host", "")


def read(environ: Mapping[str, Any]) -> HTTPRequest:
    """Return the request of a WSGI environment, its body read to the end.

    Raises:
        S3Error: it is none that means one thing only.
    """
    body = _body(environ)
    path, _, query = str(environ["REQUEST_URI"]).partition("?")
    if not (path.startswith("/") and ESCAPED.fullmatch(path) and ESCAPED.fullmatch(query)):
        raise S3Error(400, "InvalidURI", "The request's path and query are no escaped UTF-8.")
    headers = _headers(environ[HEADERS])
    host = headers.get("host", "")
    if not HOST.fullmatch(host):
        raise S3Error(400, "InvalidRequest", "The header Host is not a host's name.")
    if BUCKET_IN_HOST.match(host):
        raise S3Error(
            400,
            "InvalidRequest",
            f"Host {host} may name a bucket: this S3 takes buckets from the path (path style).",
        )
    parameters = pairs_once(query, "The parameter")
    return HTTPRequest(environ["REQUEST_METHOD"], path, query, headers, body, parameters)


def decode(text: str) -> str:
    """Return a part of a path without its escapes.

    Raises:
        S3Error: it is not UTF-8.
    """
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError as error:
        raise S3Error(400, "InvalidURI", "The request's path is not UTF-8.") from error


def pairs_once(text: str, kind: str) -> dict[str, str]:
    """Return name → value of a query or form.

    Raises:
        S3Error: a name is there twice, or something is not UTF-8.
    """
    found: dict[str, str] = {}
    for pair in filter(None, text.split("&")):
        name, _, value = pair.partition("=")
        try:
            name, value = (unquote_plus(part, errors="strict") for part in (name, value))
        except UnicodeDecodeError as error:
            raise S3Error(400, "InvalidURI", f"{kind}s are not UTF-8.") from error
        if name in found:
            raise S3Error(400, "InvalidArgument", f"{kind} {name} is there more than once.")
        found[name] = value
    return found


def _headers(sent: list[tuple[str, str]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    spellings: set[str] = set()
    for name, value in sent:
        spelling = name.replace("_", "-")
        if spelling != name and not name.startswith("x-amz-meta-"):
            raise S3Error(400, "InvalidRequest", f"The header {name} is none that S3 knows.")
        if spelling in spellings:
            raise S3Error(400, "InvalidRequest", f"The header {name} is there more than once.")
        spellings.add(spelling)
        headers[name] = value
    return headers


def _body(environ: Mapping[str, Any]) -> bytes:
    length = environ.get("CONTENT_LENGTH") or ""
    if length and not re.fullmatch(r"\d{1,15}", length, re.ASCII):
        raise S3Error(400, "InvalidRequest", "Content-Length is not a number.")
    body: bytes = environ["wsgi.input"].read()
    if len(body) != int(length or len(body)):
        raise S3Error(400, "IncompleteBody", "The body is shorter than Content-Length says.")
    return body
