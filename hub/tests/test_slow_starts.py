"""A server that works at its start is waited for, on whatever machine; one that hangs is not."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from habari_hub.process_spawner import Effort, ProcessSpawner, ServerFailedError

IDLE = 2.0  # seconds in which nothing is done, after which a start is over
BUSY = """
import socket, sys, time
began = time.monotonic()
while time.monotonic() - began < 5: pass
listener = socket.create_server(("127.0.0.1", 0))
open(sys.argv[1], "w").write(str(listener.getsockname()[1]))
time.sleep(60)
"""


def launched(code: str, folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code, str(folder / "port")])


class Spawner(ProcessSpawner):  # type: ignore[misc]
    """A spawner whose process is there already, and which learns its port when that listens."""

    process: subprocess.Popen[bytes]

    async def poll(self) -> int | None:
        return self.process.poll()


def spawner(process: subprocess.Popen[bytes]) -> Spawner:
    made = Spawner(launch_timeout=IDLE)
    made.process, made.pid, made.user = process, process.pid, SimpleNamespace(name="grace")
    return made


async def knocking(made: Spawner, port: int) -> None:
    await made._listening("127.0.0.1", port)


def test_a_server_that_works_longer_than_the_limit_is_waited_for(
    tmp_path: Path, unused: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Little, so that the test is true of a busy machine too.
    monkeypatch.setattr("habari_hub.process_spawner.WORK", 0.02)
    code = BUSY.replace('("127.0.0.1", 0)', f'("127.0.0.1", {unused})')
    process = launched(code, tmp_path)
    try:
        asyncio.run(knocking(spawner(process), unused))
        assert (tmp_path / "port").exists()
    finally:
        process.kill()
        process.wait()


def test_a_server_that_does_nothing_is_given_up(tmp_path: Path, unused: int) -> None:
    process = launched("import time; time.sleep(60)", tmp_path)
    try:
        with pytest.raises(ServerFailedError) as failed:
            asyncio.run(knocking(spawner(process), unused))
        assert "silent for 2 s" in failed.value.jupyterhub_message
        assert process.poll() is None, "it ran, and did nothing"
    finally:
        process.kill()
        process.wait()


def test_a_server_that_ended_is_not_waited_for(tmp_path: Path, unused: int) -> None:
    process = launched("pass", tmp_path)
    process.wait()
    assert not Effort(process.pid).grown()
    with pytest.raises(ServerFailedError) as failed:
        asyncio.run(knocking(spawner(process), unused))
    assert "ended while it started" in failed.value.jupyterhub_message


@pytest.fixture
def unused() -> int:
    from rig import free_ports

    (port,) = free_ports(1)
    return port
