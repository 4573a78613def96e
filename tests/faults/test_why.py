"""`why` names what is broken: each fault injected for real, the first broken rung asserted."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
import requests

from tests.e2e.endpoints import Endpoints, parse
from tests.e2e.hub_client import sign_in
from tests.scratch import Scratch


@pytest.fixture(scope="module")
def platform(shared: Scratch) -> Iterator[Scratch]:
    """The platform, up, with grace's server running."""
    shared.good("up")
    sign_in(addresses(shared), "grace").start_server()
    yield shared
    shared.good("down")


def addresses(platform: Scratch) -> Endpoints:
    return parse(platform.good("endpoints"), "habari-local endpoints")


def why(platform: Scratch, *arguments: str) -> dict[str, Any]:
    told = platform.call("why", "--json", *arguments)
    found: dict[str, Any] = json.loads(told.stdout)
    assert told.returncode == (0 if found["good"] else 4), told.stderr
    return found


def server_of(platform: Scratch, user: str) -> psutil.Process:
    return next(found.process for found in platform.found() if found.user == user)


def test_nothing_is_named_where_nothing_is_broken(platform: Scratch) -> None:
    found = why(platform, "grace")
    assert found["good"], found
    skipped = [rung["name"] for rung in found["rungs"] if rung["state"] != "ok"]
    assert skipped == ["db"], "SQLite is no service"
    assert found["rungs"][-1]["name"] == "s3-from-server"


@pytest.mark.parametrize(
    ("service", "rung"),
    [("hub", "hub"), ("proxy", "proxy"), ("s3", "s3"), ("github", "sign-in")],
)
@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
def test_a_service_that_ended_or_hangs_is_named(
    platform: Scratch, service: str, rung: str, fault: signal.Signals
) -> None:
    process = platform.service(service)
    process.send_signal(fault)
    if fault == signal.SIGKILL:
        psutil.wait_procs([process], timeout=10)
    try:
        found = why(platform, "grace")
        assert found["broken"] == rung
        state = "stopped" if fault == signal.SIGKILL else "not answering"
        assert found["rungs"][-1]["seen"] == f"{service} is {state}"
        assert found["rungs"][-1]["hint"] == "habari-local up"
    finally:
        if fault == signal.SIGSTOP:
            process.send_signal(signal.SIGCONT)
        platform.good("up")
    assert why(platform, "grace")["good"]


def test_a_failing_github_is_named(platform: Scratch) -> None:
    github = addresses(platform).github
    assert github is not None
    assert github.control_token is not None
    token = github.control_token.get_secret_value()
    for where in ("token", "user"):
        requests.post(
            f"{github.url}/_habari/faults",
            json={"kind": "http-500", "where": where, "times": 1},
            headers={"Authorization": f"Bearer {token}"},
            timeout=10,
        ).raise_for_status()
        found = why(platform)
        assert found["broken"] == "sign-in"
        assert "answered 500" in found["rungs"][-1]["seen"]
    assert why(platform)["good"]


def test_who_is_on_no_list_is_named(platform: Scratch) -> None:
    found = why(platform, "mallory")
    assert found["broken"] == "user"
    assert "mallory is on no list" in found["rungs"][-1]["seen"]


def test_a_hanging_server_is_named(platform: Scratch) -> None:
    server = server_of(platform, "grace")
    server.suspend()
    try:
        assert why(platform, "grace")["broken"] == "server"
    finally:
        server.resume()
    assert why(platform, "grace")["good"]


def test_a_missing_environment_of_servers_is_named(platform: Scratch) -> None:
    file = platform.state / "process" / "server.env"
    aside = file.rename(file.with_suffix(".aside"))
    try:
        found = why(platform)
        assert found["broken"] == "image"
        assert str(file) in found["rungs"][-1]["seen"]
    finally:
        aside.rename(file)


def test_a_platform_that_is_down_and_a_taken_port_are_named(scratch: Scratch) -> None:
    assert why(scratch)["broken"] == "up"
    with socket.create_server(("127.0.0.1", 8000 + scratch.offset)):
        found = why(scratch)
        assert scratch.call("up").returncode == 1
    assert found["broken"] == "machine"
    assert found["known_problems"][0]["id"] == "port-taken"


def test_wrong_settings_are_named(scratch: Scratch) -> None:
    (scratch.root / ".env").write_text("HABARI_NO_SUCH=1\n")
    found = why(scratch)
    assert found["broken"] == "settings"
    assert "HABARI_NO_SUCH" in found["rungs"][-1]["seen"]
