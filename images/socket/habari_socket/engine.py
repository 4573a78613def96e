"""The engine's socket: one request, its answer, and a look at what is there."""

from __future__ import annotations

import http.client
import json
import socket

from habari_socket.fields import Json
from habari_socket.routes import Request

SOCKET = "/var/run/docker.sock"
SECONDS = 60.0  # the longest answer is that to "stop"


class Engine(http.client.HTTPConnection):
    """A connection to the engine's socket."""

    def __init__(self) -> None:
        super().__init__("docker", timeout=SECONDS)

    def connect(self) -> None:
        """Connect to the socket instead of a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(SOCKET)


def ask(request: Request) -> tuple[int, bytes]:
    """Send a request to the engine; return status and body. Raises OSError."""
    engine = Engine()
    try:
        headers = {"Content-Type": "application/json"} if request.body else {}
        engine.request(request.method, request.target, request.body or None, headers)
        answer = engine.getresponse()
        return answer.status, answer.read()
    except http.client.HTTPException as error:
        raise OSError(f"its answer was cut: {error!r}") from error
    finally:
        engine.close()


def look(path: str) -> Json | None:
    """Return what the engine says of a container, network or volume; None where there is none.

    Raises OSError where it can't tell.
    """
    status, answer = ask(Request("GET", path))
    if status == 404:
        return None
    if status != 200:
        raise OSError(f"it answered {status} about {path}")
    found: Json = json.loads(answer)
    return found
