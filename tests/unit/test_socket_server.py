"""The socket proxy's own HTTP: whatever is sent, it answers, and the engine gets nothing of it."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from habari_socket import __main__ as proxy
from habari_socket import engine as engine_socket
from habari_socket.routes import Request

from tests.unit.test_socket_policy import HOME, NAME, POLICY, SERVER, VOLUME, engine

Say = Callable[[bytes], int]


class Engine:
    """A server on a Unix socket that has what the test says."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.answers: dict[str, tuple[int, object]] = {}

    def ask(self, request: Request) -> tuple[int, bytes]:
        self.asked.append(request)
        status, answer = self.answers.get(request.target, (404, {"message": "none"}))
        return status, json.dumps(answer).encode()


@pytest.fixture
def behind(monkeypatch: pytest.MonkeyPatch) -> Engine:
    made = Engine()
    made.answers = {path: (200, found) for path, found in engine().items()}
    monkeypatch.setattr(engine_socket, "ask", made.ask)
    return made


@pytest.fixture
def say(behind: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Say]:
    """Sends bytes over a connection of its own; returns the status of the answer."""
    monkeypatch.setattr(proxy.Handler, "policy", POLICY, raising=False)
    monkeypatch.setattr(proxy.Handler, "log_message", lambda *_: None)
    monkeypatch.setattr(proxy, "BODY_SECONDS", 0.2)
    server = proxy.Server(("127.0.0.1", 0), proxy.Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def send(message: bytes) -> int:
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=5) as connection:
            connection.sendall(message)
            method = message.split(b" ", 1)[0].decode()
            with closing(http.client.HTTPResponse(connection, method=method)) as answer:
                answer.begin()
                answer.read()
                return answer.status

    yield send
    server.shutdown()
    server.server_close()
    thread.join()


def post(target: str, body: bytes, *headers: str, length: str | None = "") -> bytes:
    lines = [f"POST {target} HTTP/1.1", "Host: socket", *headers]
    lines += [] if length is None else [f"Content-Length: {length or len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


CREATE = f"/v1.45/containers/create?name={NAME}"
BODY = json.dumps(SERVER).encode()


def test_a_users_server_is_made(say: Say, behind: Engine) -> None:
    behind.answers[f"/containers/create?name={NAME}"] = (201, {"Id": "f" * 64})
    assert say(post(CREATE, BODY)) == 201
    assert [each.method for each in behind.asked] == ["GET", "GET", "POST"]
    assert behind.asked[-1].body != BODY


@pytest.mark.parametrize("length", ["-1", "+5", "0x10", "1e3", "9" * 30, "1000001", "²", "5, 5"])
def test_a_length_that_is_none_is_refused(say: Say, behind: Engine, length: str) -> None:
    assert say(post(CREATE, BODY, length=length)) == 400
    assert not behind.asked


@pytest.mark.parametrize(
    "message",
    [
        post(CREATE, BODY, "Content-Length: 5"),
        post(CREATE, BODY, "Transfer-Encoding: chunked", length=None),
        post(CREATE, BODY, "Transfer-Encoding: identity"),
        post(CREATE, BODY, length=str(len(BODY) + 1)),
        post(CREATE, b"[" * 500_000),
        post(CREATE, b'{"a":' * 100_000),
        post(CREATE, b'{"HostConfig": ' + b"9" * 9000 + b"}"),
        post(CREATE, b"\xff"),
    ],
    ids=["two lengths", "chunked", "identity", "short", "deep", "deep objects", "number", "bytes"],
)
def test_a_body_that_can_be_read_otherwise_is_refused(
    say: Say, behind: Engine, message: bytes
) -> None:
    assert say(message) == 400
    assert not behind.asked


@pytest.mark.parametrize("value", [None, True, 0, "x", [], {}, [1], {"a": 1}, [None]])
def test_a_wrong_type_is_refused_at_every_place(say: Say, behind: Engine, value: object) -> None:
    for key in (*SERVER, "HostConfig"):
        assert say(post(CREATE, json.dumps({**SERVER, key: value}).encode())) < 500
    for key in SERVER["HostConfig"]:
        body = {**SERVER, "HostConfig": {**SERVER["HostConfig"], key: value}}
        assert say(post(CREATE, json.dumps(body).encode())) < 500
    assert 400 <= say(post(CREATE, json.dumps(value).encode())) < 500


@pytest.mark.parametrize(
    "line",
    [
        "GET http://[ HTTP/1.1",
        "GET //[::1/x HTTP/1.1",
        "GET /containers/%zz/json HTTP/1.1",
        "GET /containers/\x00/json HTTP/1.1",
        "GET /v1.45 HTTP/1.1",
        "HEAD /info HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "PATCH /containers/create HTTP/1.1",
        "POST /session HTTP/1.1",
        "POST /grpc HTTP/1.1",
    ],
)
def test_another_request_is_refused(say: Say, behind: Engine, line: str) -> None:
    message = f"{line}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
    assert 400 <= say(message.encode("latin-1")) < 500
    assert not behind.asked


def test_a_home_that_somebody_else_made_is_not_the_answer(say: Say, behind: Engine) -> None:
    """Of a name that is there the engine makes none, and returns what is there."""
    theirs = {"Name": HOME, "Labels": {}, "Driver": "local", "Options": {"device": "/"}}
    behind.answers["/volumes/create"] = (201, theirs)
    behind.answers[f"/volumes/{HOME}"] = (200, theirs)
    assert say(post("/volumes/create", json.dumps(VOLUME).encode())) == 403


def test_an_engine_that_is_away_is_said_to_be(
    say: Say, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(proxy.Handler, "policy", POLICY, raising=False)
    monkeypatch.setattr(proxy.Handler, "log_message", lambda *_: None)
    monkeypatch.setattr(engine_socket, "SOCKET", str(tmp_path / "none"))
    assert say(post(CREATE, BODY)) == 502
