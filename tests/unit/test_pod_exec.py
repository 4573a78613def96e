"""Programs in pods: streams in and out as the API server frames them, and each way to end."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from websocket import WebSocketTimeoutException

from habari_local.core.errors import CommandFailed, HabariError
from habari_local.drivers.kubernetes import pod_exec
from habari_local.drivers.kubernetes.cluster import Cluster
from habari_local.drivers.kubernetes.pod_exec import CHUNK, Pod, execute

POD = Pod(Cluster(Path("none"), "trial"), "habari", "carrier", "carrier")
GOOD = b"\3" + json.dumps({"status": "Success"}).encode()


class Socket:
    """A connection that says what it was told to say."""

    def __init__(self, *frames: tuple[int, bytes]) -> None:
        self.frames, self.sent, self.closed = list(frames), list[bytes](), False

    def recv_data_frame(self, control: bool) -> tuple[int, Any]:
        if not self.frames:
            raise WebSocketTimeoutException
        opcode, data = self.frames.pop(0)
        return opcode, SimpleNamespace(data=data)

    def send(self, data: bytes, opcode: int) -> None:
        self.sent.append(data)

    def close(self) -> None:
        self.closed = True


def run(
    monkeypatch: pytest.MonkeyPatch, *frames: tuple[int, bytes], source: bytes | None = None
) -> tuple[Socket, bytes]:
    socket, out = Socket(*frames), io.BytesIO()
    monkeypatch.setattr(pod_exec, "_opened", lambda *_: socket)
    try:
        given = None if source is None else io.BytesIO(source)
        execute(POD, ["tool", "secret"], source=given, into=out)
    finally:
        assert socket.closed
    return socket, out.getvalue()


def test_what_it_prints_comes_out_byte_for_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [
        (2, b""),
        (2, b"\1\0\xff"),
        (9, b"ping"),
        (2, b"\2a warning"),
        (1, b"\1end"),
        (2, GOOD),
    ]
    assert run(monkeypatch, *frames)[1] == b"\0\xffend"


def test_what_it_is_given_goes_in_by_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    socket, _ = run(monkeypatch, (2, GOOD), source=b"x" * (CHUNK + 1))
    assert [len(each) for each in socket.sent] == [CHUNK + 1, 2]
    assert all(each.startswith(b"\0") for each in socket.sent)


def test_a_failure_has_its_code_and_what_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    causes = [{"reason": "ExitCode", "message": "3"}]
    status = {"status": "Failure", "message": "no", "details": {"causes": causes}}
    frames = [(2, b"\2not readable"), (2, b"\3" + json.dumps(status).encode())]
    with pytest.raises(CommandFailed, match="exit code 3") as told:
        run(monkeypatch, *frames)
    assert "not readable" in told.value.output
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    ("frames", "seen"),
    [([], "WebSocketTimeoutException"), ([(8, b"")], "the connection was closed")],
)
def test_without_a_word_of_its_end_it_did_not_end_well(
    monkeypatch: pytest.MonkeyPatch, frames: list[tuple[int, bytes]], seen: str
) -> None:
    with pytest.raises(HabariError, match=f"Pod carrier: {seen} before tool ended"):
        run(monkeypatch, (2, b"\1half"), *frames)
