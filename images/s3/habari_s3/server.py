"""The HTTP server: cheroot, with the names of S3's metadata headers kept as they were sent."""

from __future__ import annotations

import sys
from typing import Any

from cheroot.server import HeaderReader, HTTPRequest
from cheroot.wsgi import Gateway_10, Server

THREADS = 16
IDLE_SECONDS = 30  # of a connection: a notebook server keeps its pooled ones
SENT_NAMES = "moto.preserved_header_names"


class _Request(HTTPRequest):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.header_reader = HeaderReader()  # the default one drops x-amz-meta-my_key


class _Gateway(Gateway_10):
    def get_environ(self) -> dict[str, Any]:  # type: ignore[override]
        environ: dict[str, Any] = super().get_environ()  # type: ignore[no-untyped-call]
        # WSGI can't tell my_key from my-key.
        sent = [name.decode("latin-1").lower() for name in self.req.inheaders]
        environ[SENT_NAMES] = {
            f"HTTP_{name.upper().replace('-', '_')}": name
            for name in sent
            if "_" in name and name.startswith("x-amz-meta-")
        }
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
