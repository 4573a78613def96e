"""The hub's way to the Docker engine: sends on what the policy allows, answers 403 to the rest.

Whoever can talk to the engine's socket owns the machine. The hub talks to this instead, over a
network of the two alone. Standard library only. Environment: HABARI_SOCKET_PREFIX, _IMAGE, _USER,
_FOLDER, _PARTNERS, _LABELS and _NETWORK_OPTIONS (JSON objects), _INTERNET (1 or 0), see policy.py.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from habari_socket import engine
from habari_socket.policy import HOME, Policy
from habari_socket.refusals import Malformed, Refusal
from habari_socket.routes import checked_answer, translate

MAX_BODY = 1_000_000  # bytes
BODY_SECONDS = 10.0  # for a body that was announced


class Handler(BaseHTTPRequestHandler):
    """Decides, then sends on."""

    protocol_version = "HTTP/1.1"
    policy: Policy

    def handle_any(self) -> None:
        """Answer one request."""
        try:
            body = self.body()
        except (Malformed, OSError) as error:
            self.close_connection = True  # where the next request begins is not known
            return self.say(400, str(error) or "the body did not come")
        try:
            request = translate(self.policy, engine.look, self.command, self.path, body)
            status, answer = engine.ask(request)
            checked_answer(self.policy, engine.look, request, status, answer)
            self.answer(status, answer)
        except Refusal as refusal:
            self.log_message("refused: %s", refusal)
            self.say(refusal.status, str(refusal))
        except OSError as error:
            self.say(502, f"the engine did not answer ({error.strerror or error})")
        return None

    do_GET = do_POST = do_DELETE = do_PUT = do_HEAD = do_PATCH = do_OPTIONS = handle_any  # noqa: N815

    def body(self) -> bytes:
        """Read the body. Raises Malformed for one whose length is not said once and plainly."""
        lengths = self.headers.get_all("Content-Length", ["0"])
        if self.headers.get_all("Transfer-Encoding") or len(lengths) != 1:
            raise Malformed("the length of the body is said in another way than once, in bytes")
        if not re.fullmatch("[0-9]{1,7}", lengths[0]) or int(lengths[0]) > MAX_BODY:
            raise Malformed(f"the body has another length than up to {MAX_BODY} bytes")
        length = int(lengths[0])
        self.connection.settimeout(BODY_SECONDS)
        body = self.rfile.read(length)
        self.connection.settimeout(None)
        if len(body) != length:
            raise Malformed("the body is shorter than was said")
        return body

    def say(self, status: int, message: str) -> None:
        """Answer with a sentence, as the engine does."""
        self.answer(status, json.dumps({"message": f"socket proxy: {message}"}).encode())

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
            self.log_message("%s %s %s", self.command, self.path.partition("?")[0][:200], code)


class Server(ThreadingHTTPServer):
    """Serves each connection in a thread of its own."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say in one line what ended a connection, as its reset by the hub's own end."""
        sys.stderr.write(f"A connection of the hub ended: {sys.exc_info()[1]!r}\n")


def policy_from(env: Mapping[str, str]) -> Policy:
    """Read the policy. Raises KeyError or ValueError for one that can't be served."""
    folder, user = env["HABARI_SOCKET_FOLDER"], env["HABARI_SOCKET_USER"]
    docker_group = env["HABARI_SOCKET_DOCKER_GROUP"]
    numbers = re.fullmatch("([1-9][0-9]*):([1-9][0-9]*)", user)
    if not numbers or numbers[2] == docker_group:
        raise ValueError(
            f"HABARI_SOCKET_USER={user}: neither root nor its group nor Docker's ({docker_group})"
            " may be the account of users' servers"
        )
    return Policy(
        prefix=env["HABARI_SOCKET_PREFIX"],
        image=env["HABARI_SOCKET_IMAGE"],
        user=user,
        folder=f"{folder}:{HOME}/project:rw" if folder else "",
        partners=json.loads(env["HABARI_SOCKET_PARTNERS"]),
        labels=json.loads(env["HABARI_SOCKET_LABELS"]),
        internet=env["HABARI_SOCKET_INTERNET"] == "1",
        options=json.loads(env["HABARI_SOCKET_NETWORK_OPTIONS"]),
    )


def main() -> None:
    """Serve until told to stop."""
    try:
        Handler.policy = policy_from(os.environ)
        server = Server(("0.0.0.0", 2375), Handler)  # noqa: S104
        sys.stderr.write(f"The engine for {Handler.policy.prefix}* alone\n")
        server.serve_forever()
    except (OSError, KeyError, ValueError) as error:
        sys.exit(f"Socket proxy: can't be served ({error!r})")


if __name__ == "__main__":
    main()
