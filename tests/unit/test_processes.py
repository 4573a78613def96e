"""Processes are found by their label, whatever started them, and nothing else is touched."""

import contextlib
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from habari_local.drivers import processes

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def checkout_id() -> Iterator[str]:
    name = f"test{os.getpid()}{time.monotonic_ns()}"
    yield name
    processes.stop(found.process for found in processes.find(name))


def start(checkout_id: str, folder: Path, argv: list[str] = SLEEP) -> psutil.Process:
    return processes.start(
        argv,
        label=processes.label(checkout_id, "process"),
        service="hub",
        digest="d1",
        env={"PATH": os.environ["PATH"], "JUPYTERHUB_USER": ""},
        cwd=folder,
        log=folder / "x.log",
    )


def test_found_by_label_with_service_and_digest(checkout_id: str, tmp_path: Path) -> None:
    process = start(checkout_id, tmp_path)
    found = processes.find(checkout_id)
    assert [(f.process.pid, f.service, f.digest) for f in found] == [(process.pid, "hub", "d1")]
    assert found[0].memory() > 0
    assert processes.find(checkout_id, "kind") == []
    assert processes.find("another checkout") == []


def test_stopping_ends_what_ignores_the_request(checkout_id: str, tmp_path: Path) -> None:
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True)\n"
    argv = [sys.executable, "-c", f"{stubborn}time.sleep(60)"]
    process = start(checkout_id, tmp_path, argv)
    while not (tmp_path / "x.log").read_text():
        time.sleep(0.01)
    processes.stop([process], seconds=0.3)
    assert not processes.alive(process)
    assert processes.find(checkout_id) == []


def test_the_log_is_private_and_appended(checkout_id: str, tmp_path: Path) -> None:
    for _ in range(2):
        process = start(checkout_id, tmp_path, [sys.executable, "-c", "print('hello')"])
        psutil.wait_procs([process], timeout=10)
    lines = (tmp_path / "x.log").read_text().splitlines()
    assert [line for line in lines if not line.startswith("--- started hub ")] == ["hello"] * 2
    assert (tmp_path / "x.log").stat().st_mode & 0o777 == 0o600


def test_the_owner_of_a_port_is_named() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert f"pid {os.getpid()}" in str(processes.port_owner(port))
        assert processes.port_owner(port, spare=[os.getpid()]) is None
    assert processes.port_owner(port) is None


@pytest.mark.timeout(20)
def test_a_process_that_nobody_reaps_has_ended(checkout_id: str, tmp_path: Path) -> None:
    """The first process of a container may take its time with the orphans that it inherits."""
    code = f"import subprocess, time; subprocess.Popen({SLEEP!r}); time.sleep(60)"
    parent = start(checkout_id, tmp_path, [sys.executable, "-c", code])
    while not (children := parent.children()):
        assert parent.is_running()
    processes.stop(children, seconds=60)
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):  # or reaped meanwhile, by whoever could
            assert child.status() == psutil.STATUS_ZOMBIE


HALF_ENDED = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
ctypes.CDLL(None).pthread_exit(None)
"""


@pytest.mark.timeout(20)
def test_a_process_whose_first_thread_has_ended_runs_on(checkout_id: str, tmp_path: Path) -> None:
    """So is one for a moment that is killed: its parent still takes it for running."""
    process = start(checkout_id, tmp_path, [sys.executable, "-c", HALF_ENDED])
    while process.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert processes.alive(process)
    processes.kill([process])
    assert not processes.alive(process)


def test_who_was_killed_is_gone_when_that_returns(checkout_id: str, tmp_path: Path) -> None:
    """The kernel takes a while to free much memory, and the process is there until then."""
    ready = tmp_path / "ready"
    code = (
        f"import time; x = bytearray(b'x') * 400_000_000; open({str(ready)!r}, 'w'); time.sleep(60)"
    )
    process = start(checkout_id, tmp_path, [sys.executable, "-c", code])
    deadline = time.monotonic() + 20
    while not ready.exists():
        assert time.monotonic() < deadline
    processes.kill([process])
    assert not processes.alive(process)
