"""The engine where there is none."""

from __future__ import annotations

import gc
import io
import json
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import ClassVar

import pytest
import requests

from habari_local.core.errors import CommandFailed, HabariError
from habari_local.drivers import kind
from habari_local.drivers.docker import archive, exec_stream
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.docker import endpoint as docker_endpoint


@pytest.mark.filterwarnings("error")
def test_a_socket_that_a_stopped_engine_left_is_told_and_left_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(left))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{left}")
    docker_client.api.cache_clear()
    try:
        assert not docker_client.reachable()
        with pytest.raises(HabariError, match="no engine answers"):
            docker_client.api()
        gc.collect()
    finally:
        docker_client.api.cache_clear()


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("unix:///run/user/1001/docker.sock", "/run/user/1001/docker.sock"),
        ("unix:///home/ada/.docker/desktop/docker.sock", "/var/run/docker.sock"),
        ("tcp://192.0.2.1:2375", "/var/run/docker.sock"),
    ],
)
def test_a_container_is_given_the_socket_that_is_one_inside(host: str, path: str) -> None:
    assert docker_endpoint.engine_socket({"DOCKER_HOST": host})[0] == path


def test_who_needs_no_docker_is_not_held_up_by_one_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "engine.sock"))
        silent.listen()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/engine.sock")
        monkeypatch.setattr(docker_client, "LOOK_SECONDS", 0.2)
        assert docker_client.running_modes("0123456789") == set()


def test_a_container_whose_stop_is_not_answered_in_time_is_removed_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A busy engine answered `stop` after its deadline, and `down` ended in a traceback."""
    removed = []

    class Busy:
        def stop(self, _container: str, timeout: int) -> None:
            raise requests.ReadTimeout(f"no answer after {timeout + 60} s")

        def remove_container(self, container: str, **_options: bool) -> None:
            removed.append(container)

    monkeypatch.setattr(docker_client, "api", Busy)
    monkeypatch.setattr(docker_client, "deletion_api", Busy)
    docker_client._remove("c1")
    assert removed == ["c1"]


class Engine(BaseHTTPRequestHandler):
    """An engine that deletes slowly, and whose programs have said all before the first look."""

    said = b""  # as frames
    leaves_input = False
    exit_codes: ClassVar[list[int | None]] = [0]  # at each look; the last one stays

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        code = self.exit_codes.pop(0) if len(self.exit_codes) > 1 else self.exit_codes[0]
        about = {"ApiVersion": "1.45", "MinAPIVersion": "1.24", "ExitCode": code}
        self.wfile.write(json.dumps(about).encode())

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self.path.endswith("/start"):
            self.send_response(201)
            self.end_headers()
            self.wfile.write(b'{"Id": "e1"}')
            return
        # In one piece, as it is for a client that was kept from reading the head at once.
        head = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
        self.wfile.write(head + self.said)
        self.wfile.flush()
        if self.leaves_input:
            select.select([self.connection], [], [], 5)  # it has come, and is not read
        else:
            self.connection.settimeout(0.5)
            with suppress(TimeoutError):
                while self.connection.recv(1 << 16):
                    pass

    def do_DELETE(self) -> None:
        time.sleep(1.5)  # the disk's time
        self.send_response(204)
        self.end_headers()

    def address_string(self) -> str:
        return "a client"

    def log_message(self, format: str, *args: object) -> None:
        del format, args


@contextmanager
def engine(path: Path) -> Iterator[None]:
    with ThreadingUnixStreamServer(str(path), Engine) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        try:
            yield
        finally:
            server.shutdown()


def test_what_deletes_many_files_is_waited_for_longer_than_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node of kind has gigabytes: on a busy disk its removal outlasted the usual deadline."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/engine.sock")
    docker_client.api.cache_clear()
    with engine(tmp_path / "engine.sock"):
        try:
            hasty = docker_client.api(1)
            with pytest.raises(requests.ReadTimeout):
                hasty.remove_volume("home")
            docker_client.remove_volumes(["home"])
        finally:
            docker_client.api.cache_clear()


@pytest.mark.filterwarnings("error")
def test_what_a_program_says_before_the_head_of_the_answer_is_read_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK gave nothing then: a dump of the database would have passed for whole and empty."""
    frames = [(1, b"one "), (2, b"warning"), (1, b"two" * 10_000)]
    said = b"".join(struct.pack(">BxxxL", stream, len(text)) + text for stream, text in frames)
    monkeypatch.setattr(Engine, "said", said)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/engine.sock")
    docker_client.api.cache_clear()
    with engine(tmp_path / "engine.sock"):
        try:
            got = io.BytesIO()
            assert archive.output("c1", ["dump"], got) == "warning"
            assert got.getvalue() == b"one " + b"two" * 10_000
            fed = archive.feed("c1", ["load"], iter([b"input"]))
            assert fed == "one warning" + "two" * 10_000
            node = kind.Node("c1", "c1", "node", True, frozenset(), frozenset())
            assert kind.execute(node, ["cat"]) == fed
            monkeypatch.setattr(Engine, "said", said[:-1])
            with pytest.raises(CommandFailed) as short:
                archive.output("c1", ["dump"], io.BytesIO())
            assert "its output was cut off" in f"{short.value} {short.value.details}"
        finally:
            docker_client.api.cache_clear()


@pytest.mark.parametrize("codes", [[None, None, 3], [None]], ids=["ends-later", "goes-on"])
def test_a_program_that_ends_after_its_output_has_not_succeeded_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codes: list[int | None]
) -> None:
    """The engine has no exit code while it runs, which passed for 0: a dump half made for whole."""
    monkeypatch.setattr(Engine, "exit_codes", [0, *codes])  # the first look asks for the version
    monkeypatch.setattr(exec_stream, "END_SECONDS", 0.3)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/engine.sock")
    docker_client.api.cache_clear()
    with engine(tmp_path / "engine.sock"):
        try:
            reason = "exit code 3" if codes[-1] else "dump .*no answer"
            with pytest.raises(HabariError, match=reason):
                archive.output("c1", ["dump"], io.BytesIO())
        finally:
            docker_client.api.cache_clear()


def test_a_program_that_leaves_its_input_unread_has_its_output_and_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine closes with input unread, which is a reset and was a traceback."""
    text = b"no space left"
    monkeypatch.setattr(Engine, "said", struct.pack(">BxxxL", 2, len(text)) + text)
    monkeypatch.setattr(Engine, "exit_codes", [0, 1])
    monkeypatch.setattr(Engine, "leaves_input", True)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/engine.sock")
    docker_client.api.cache_clear()
    with engine(tmp_path / "engine.sock"):
        try:
            with pytest.raises(CommandFailed) as failed:
                archive.feed("c1", ["load"], iter([b"input"]))
        finally:
            docker_client.api.cache_clear()
    assert failed.value.returncode == 1
    assert text.decode() in failed.value.output
