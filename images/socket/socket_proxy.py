"""The hub's way to the Docker engine: forwards what the policy allows, answers 403 to the rest.

Whoever can talk to the engine's socket owns the machine. The hub talks to this instead, over a
network of the two alone. Standard library only. Environment: HABARI_SOCKET_PREFIX, _IMAGE, _BINDS
and _PARTNERS (JSON lists), _INTERNET (1 or 0), see policy.py.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import sys
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from policy import Policy, Refused, decide

ENGINE = "/var/run/docker.sock"
MAX_BODY = 1_000_000  # bytes
SECONDS = 60.0  # the longest answer is that to "stop"


class Engine(http.client.HTTPConnection):
    """A connection to the engine's socket."""

    def __init__(self) -> None:
        super().__init__("docker", timeout=SECONDS)

    def connect(self) -> None:
        """Connect to the socket instead of a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(ENGINE)


def ask(method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    """Send a request to the engine; return status and body. Raises OSError."""
    engine = Engine()
    try:
        headers = {"Content-Type": "application/json"} if body else {}
        engine.request(method, path, body or None, headers)
        answer = engine.getresponse()
        return answer.status, answer.read()
    finally:
        engine.close()


def name_of(container: str) -> str:
    """The name of the container of an id; nothing where there is none."""
    status, answer = ask("GET", f"/containers/{container}/json")
    return str(json.loads(answer)["Name"]).removeprefix("/") if status == 200 else ""


class Handler(BaseHTTPRequestHandler):
    """Decides, then forwards."""

    protocol_version = "HTTP/1.1"
    policy: Policy

    def handle_any(self) -> None:
        """Answer one request."""
        length = int(self.headers.get("Content-Length") or 0)
        if length > MAX_BODY or self.headers.get("Transfer-Encoding"):
            self.close_connection = True
            return self.answer(413, b'{"message": "body too large or of unknown length"}')
        body = self.rfile.read(length)
        parts = urlsplit(self.path)
        path = unquote(re.sub(r"^/v\d+\.\d+(?=/)", "", parts.path))
        try:
            query = parse_qsl(parts.query, keep_blank_values=True)
            content = json.loads(body) if body else {}
            decide(self.policy, self.command, path, query, content, name_of)
            # Written anew: of a name given twice, the engine must not see another one than we did.
            body = json.dumps(content).encode() if body else b""
            self.answer(*ask(self.command, f"{quote(path)}?{urlencode(query)}", body))
        except Refused as refused:
            self.log_message("refused: %s", refused)
            self.answer(403, json.dumps({"message": f"socket proxy: {refused}"}).encode())
        except ValueError:
            self.answer(400, b'{"message": "socket proxy: no JSON seen, JSON expected"}')
        except OSError as error:
            said = f"socket proxy: the engine did not answer ({error.strerror})"
            self.answer(502, json.dumps({"message": said}).encode())

    do_GET = do_POST = do_DELETE = do_PUT = do_HEAD = handle_any  # noqa: N815

    def answer(self, status: int, body: bytes) -> None:
        """Send an answer."""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status not in (204, 304) and self.command != "HEAD":
            self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:  # noqa: ARG002
        """Log only what changes something; bodies hold tokens and are never logged."""
        if self.command != "GET":
            self.log_message("%s %s %s", self.command, urlsplit(self.path).path, code)


def policy_from(env: Mapping[str, str]) -> Policy:
    """Read the policy. Raises KeyError or ValueError for one that can't be served."""
    return Policy(
        prefix=env["HABARI_SOCKET_PREFIX"],
        image=env["HABARI_SOCKET_IMAGE"],
        binds=frozenset(json.loads(env["HABARI_SOCKET_BINDS"])),
        partners=frozenset(json.loads(env["HABARI_SOCKET_PARTNERS"])),
        internet=env["HABARI_SOCKET_INTERNET"] == "1",
    )


def main() -> None:
    """Serve until told to stop."""
    try:
        Handler.policy = policy_from(os.environ)
        server = ThreadingHTTPServer(("0.0.0.0", 2375), Handler)  # noqa: S104
        sys.stderr.write(f"The engine for {Handler.policy.prefix}* alone\n")
        server.serve_forever()
    except (OSError, KeyError, ValueError) as error:
        sys.exit(f"Socket proxy: {error!r} seen, a usable environment was expected.")


if __name__ == "__main__":
    main()
