"""A registry that answers as it is told: for what a real one does only on a bad day."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass
class FakeRegistry:
    """Where it is, what it answers to a manifest, and which requests came."""

    address: str
    status: int = 404
    code: str = "MANIFEST_UNKNOWN"
    message: str = "manifest unknown"
    headers: dict[str, str] = field(default_factory=dict)
    hang: threading.Event | None = None
    documents: dict[str, tuple[str, Any]] = field(default_factory=dict)
    token: str = ""
    seen: list[str] = field(default_factory=list)


@contextmanager
def fake_registry(**told: Any) -> Iterator[FakeRegistry]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found = FakeRegistry(f"127.0.0.1:{server.server_port}", **told)
    Handler.registry = found
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield found
    finally:
        if found.hang:
            found.hang.set()
        server.shutdown()
        thread.join()
        server.server_close()


class Handler(BaseHTTPRequestHandler):
    registry: FakeRegistry

    def do_GET(self) -> None:
        told = self.registry
        told.seen.append(self.path)
        if self.path == "/v2/":
            return self.answer(200, {})
        if self.path.startswith("/token"):
            return self.answer(200, {"token": told.token})
        if told.hang:
            told.hang.wait(30)
        if told.token and self.headers.get("Authorization") != f"Bearer {told.token}":
            realm = f'Bearer realm="http://{told.address}/token",service="fake",scope="pull"'
            return self.answer(401, error("UNAUTHORIZED", "sign in"), {"WWW-Authenticate": realm})
        document = told.documents.get(self.path.rpartition("/")[2])
        if document is None:
            return self.answer(told.status, error(told.code, told.message), told.headers)
        kind, content = document
        return self.answer(
            200, content, {"Content-Type": kind, "Docker-Content-Digest": "sha256:1"}
        )

    do_HEAD = do_GET  # noqa: N815 (http.server's name)

    def answer(self, status: int, content: Any, headers: Mapping[str, str] | None = None) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            with suppress(BrokenPipeError):
                self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


def error(code: str, message: str) -> dict[str, Any]:
    return {"errors": [{"code": code, "message": message, "detail": None}]}
