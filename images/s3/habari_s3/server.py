"""The HTTP server: cheroot, with the names of headers kept as they were sent, each one once."""

from __future__ import annotations

import sys
from typing import Any

from cheroot.server import (  # type: ignore[attr-defined]
    HeaderReader,
    HTTPRequest,
    comma_separated_headers,
)
from cheroot.wsgi import Gateway_10, Server

from habari_s3.http_request import HEADERS

THREADS = 16
IDLE_SECONDS = 30  # of a connection: a notebook server keeps its pooled ones


class _HeaderReader(HeaderReader):
    """Keeps x-amz-meta-my_key, which cheroot drops, and refuses what would overwrite another."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    def _transform_key(self, key_name: bytes) -> bytes:
        name: bytes = super()._transform_key(key_name)  # type: ignore[misc]
        if name in self._seen and name not in comma_separated_headers:
            raise ValueError("A header is there more than once.")
        self._seen.add(name)
        return name


class _Request(HTTPRequest):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.header_reader = _HeaderReader()


class _Gateway(Gateway_10):
    def get_environ(self) -> dict[str, Any]:  # type: ignore[override]
        environ: dict[str, Any] = super().get_environ()  # type: ignore[no-untyped-call]
        # WSGI can't tell my_key from my-key.
        environ[HEADERS] = [
            (name.decode("latin-1").lower(), value.decode("latin-1"))
            for name, value in self.req.inheaders.items()
        ]
        return environ


def make_server(host: str, port: int, application: Any) -> Server:
    """Return a server that listens on no port yet: `prepare` binds, `serve` goes on and on."""
    server = Server(
        (host, port),
        application,
        numthreads=THREADS,
        request_queue_size=128,
        timeout=IDLE_SECONDS,
        shutdown_timeout=0,
    )
    server.gateway = _Gateway
    server.ConnectionClass.RequestHandlerClass = _Request
    server.error_log = _log  # type: ignore[method-assign]
    return server


def _log(msg: str = "", level: int = 20, traceback: bool = False) -> None:
    if level >= 40 or traceback:
        sys.stderr.write(f"{msg}\n")
