"""Bringing up under adversity: taken ports, two at once, Ctrl-C, kill -9, no network, full disk."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.leftovers import left_by
from tests.scratch import Scratch
from tests.waiting import wait_for

# Where `up` is interrupted: each is a moment that one can see from outside.
MOMENTS = ["at once", "s3", "github", "proxy", "hub"]


def runs(scratch: Scratch, service: str) -> bool:
    return any(found.service == service for found in scratch.found())


@pytest.mark.row(1)
def test_a_taken_port_is_named_with_its_owner_and_nothing_starts(scratch: Scratch) -> None:
    port = 4566 + scratch.offset
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        done = scratch.call("up")
    assert done.returncode == 1
    assert f"Port {port} (S3 (moto)): held by" in done.stderr
    assert f"pid {os.getpid()}" in done.stderr
    assert "Try: habari-local config set HABARI_S3_PORT" in done.stderr
    assert scratch.found() == []
    assert not (scratch.state / "process" / "logs").exists()


def test_a_proxy_of_the_environment_is_for_the_world_alone(scratch: Scratch) -> None:
    names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    given = dict.fromkeys(names, "http://127.0.0.1:9")
    scratch.good("up", **given, no_proxy="", NO_PROXY="")
    scratch.service("proxy").kill()  # a new one has to get its routes from the hub
    scratch.good("up", **given, no_proxy="", NO_PROXY="")
    assert "All checks passed" in scratch.good("why", **given, no_proxy="", NO_PROXY="")
    scratch.good("down")


@pytest.mark.row(4)
def test_two_at_once_one_wins_and_the_other_says_who(scratch: Scratch) -> None:
    first = scratch.start("up")
    wait_for(lambda: runs(scratch, "hub"))
    second = scratch.call("up")
    assert second.returncode == 1
    assert re.search(rf"habari-local up --mode process \(pid {first.pid}\)", second.stderr)
    output, _ = first.communicate(timeout=60)
    assert first.returncode == 0, output
    scratch.good("status")


@pytest.mark.row(2)
@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_leaves_nothing_running_and_keeps_the_logs(scratch: Scratch, moment: str) -> None:
    tool = scratch.start("up")
    if moment == "at once":
        wait_for((scratch.state / "process").exists)
    else:
        wait_for(lambda: runs(scratch, moment))
    os.kill(tool.pid, signal.SIGINT)
    time.sleep(0.05)
    os.kill(tool.pid, signal.SIGINT)  # again, during the clean-up
    output, _ = tool.communicate(timeout=30)
    assert tool.returncode == 130, output
    assert left_by(scratch) == {}
    if moment != "at once":
        assert (scratch.state / "process" / "logs" / f"{moment}.log").exists()
    assert scratch.call("endpoints").returncode == 1


@pytest.mark.row(3)
@pytest.mark.parametrize("then", ["up", "down"])
def test_kill_9_of_the_tool_then(scratch: Scratch, then: str) -> None:
    tool = scratch.start("up")
    wait_for(lambda: runs(scratch, "hub"))
    tool.kill()
    tool.communicate(timeout=10)
    assert scratch.found(), "what it had started goes on"
    scratch.good(then)
    if then == "up":
        scratch.good("status")
        scratch.good("down")
    assert left_by(scratch) == {}


@pytest.mark.row(7)
def test_a_service_that_ends_at_once_fails_up_with_its_log_and_is_rolled_back(
    scratch: Scratch,
) -> None:
    config = scratch.root / "hub" / "jupyterhub_config.py"
    config.write_text(config.read_text() + "\nraise RuntimeError('broken on purpose')\n")
    began = time.monotonic()
    done = scratch.call("up")
    assert time.monotonic() - began < 30, "it must not wait for a time-out"
    assert done.returncode == 4
    assert "JupyterHub: its process ended" in done.stderr
    assert "broken on purpose" in done.stderr
    assert "Try: habari-local logs hub" in done.stderr
    assert left_by(scratch) == {}
    assert "broken on purpose" in (scratch.state / "process" / "logs" / "hub.log").read_text()


@pytest.mark.row(7)
def test_keep_leaves_what_runs(scratch: Scratch) -> None:
    config = scratch.root / "hub" / "jupyterhub_config.py"
    config.write_text(config.read_text() + "\nraise RuntimeError('broken on purpose')\n")
    assert scratch.call("up", "--no-rollback").returncode == 4
    assert runs(scratch, "s3")
    scratch.good("down")
    assert left_by(scratch) == {}


def test_only_what_a_changed_setting_concerns_is_restarted(scratch: Scratch) -> None:
    scratch.good("up")
    before = {found.service: found.process.pid for found in scratch.found() if found.service}
    scratch.good("up", "--set", "HABARI_ALLOWED_USERS=grace,linus,margaret")
    after = {found.service: found.process.pid for found in scratch.found() if found.service}
    assert {name for name in before if before[name] != after[name]} == {
        *("hub", "github"),
        "dashboard",  # the hub's own service, which ends with it
    }
    assert "margaret" in scratch.endpoints()["users"]["allowed"]


def test_no_network_on_the_first_run_says_what_is_missing_and_the_second_works(
    scratch: Scratch, tmp_path: Path
) -> None:
    (scratch.state / "envs").unlink()
    nowhere = {"UV_CACHE_DIR": str(tmp_path / "cache"), "UV_HTTP_RETRIES": "0"}
    done = scratch.call("up", UV_DEFAULT_INDEX="http://127.0.0.1:9/simple", **nowhere)
    assert done.returncode == 1
    assert "uv: the network failed (exit code" in done.stderr
    assert "127.0.0.1:9" in done.stderr
    assert "Try: check the network" in done.stderr
    assert scratch.found() == []
    scratch.good("up")
    scratch.good("status")


def test_an_unknown_setting_and_a_wrong_one_are_told_before_anything_starts(
    scratch: Scratch,
) -> None:
    (scratch.root / ".env").write_text("HABARI_HUB_PORT=eighty\nHABARI_FOO=1\n")
    done = scratch.call("up")
    assert done.returncode == 2
    assert ".env:1: HABARI_HUB_PORT=eighty" in done.stderr
    assert ".env:2: HABARI_FOO is no setting" in done.stderr
    assert not (scratch.state / "process").exists()
    assert scratch.call("down").returncode == 0
