"""What an earlier call left: a lock, a pid that somebody else has now, nothing at all."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from habari_local.drivers import processes
from tests.scratch import Scratch, must_be_able_to_run

MODES = ["process", "hub", "nohub"]


@pytest.fixture
def innocent() -> Iterator[subprocess.Popen[bytes]]:
    """A process that isn't ours, whose pid the leftovers name."""
    waiting = "import sys; sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", waiting], stdin=subprocess.PIPE) as started:
        yield started
        started.kill()


@pytest.mark.row(5)
@pytest.mark.parametrize("mode", MODES)
def test_a_stale_lock_holds_up_nobody_and_its_reused_pid_is_left_alone(
    scratch: Scratch, innocent: subprocess.Popen[bytes], mode: str
) -> None:
    must_be_able_to_run(mode)
    lock = scratch.state / "lock"
    lock.write_text(f"habari-local up --mode {mode} (pid {innocent.pid})")
    scratch.good("down", "--mode", mode)
    assert innocent.poll() is None
    assert lock.read_text() == ""


@pytest.mark.row(5)
def test_a_service_of_another_checkout_is_left_alone(
    scratch: Scratch, innocent: subprocess.Popen[bytes]
) -> None:
    """Ours is what carries this checkout's label, whatever its pid or its name."""
    label = {processes.LABEL: processes.label(f"{scratch.id}0", "process")}
    other = {**scratch.environment(), **label, processes.SERVICE: "s3@0"}
    waiting = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(waiting, stdin=subprocess.PIPE, env=other) as foreign:
        scratch.good("down")
        assert foreign.poll() is None
        foreign.kill()


@pytest.mark.row(6)
@pytest.mark.parametrize("mode", MODES)
def test_down_where_nothing_ever_was_and_again(scratch: Scratch, mode: str) -> None:
    must_be_able_to_run(mode)
    for _ in range(2):
        assert "nothing to do" in scratch.good("down", "--mode", mode)
