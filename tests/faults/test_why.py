"""`why` names what is broken: each fault injected for real, the first broken check asserted."""

from __future__ import annotations

import json
import re
import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import psutil
import pytest
import requests

from tests.e2e.endpoints import Endpoints, parse
from tests.e2e.hub_client import Hub, sign_in
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
    skipped = [check["name"] for check in found["checks"] if check["state"] != "ok"]
    assert skipped == ["db"], "SQLite is no service"
    assert found["checks"][-1]["name"] == "s3-from-server"


@pytest.mark.parametrize(
    ("service", "check"),
    [("hub", "hub"), ("proxy", "proxy"), ("s3", "s3"), ("github", "sign-in")],
)
@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
def test_a_service_that_ended_or_hangs_is_named(
    platform: Scratch, service: str, check: str, fault: signal.Signals
) -> None:
    process = platform.service(service)
    process.send_signal(fault)
    if fault == signal.SIGKILL:
        psutil.wait_procs([process], timeout=10)
    try:
        found = why(platform, "grace")
        assert found["broken"] == check
        state = "stopped" if fault == signal.SIGKILL else "not answering"
        assert found["checks"][-1]["message"] == f"{service} is {state}"
        assert found["checks"][-1]["hint"] == "habari-local up"
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
        assert "answered 500" in found["checks"][-1]["message"]
    assert why(platform)["good"]


def test_who_is_on_no_list_is_named_and_let_in_beside_the_others(platform: Scratch) -> None:
    dotenv = platform.root / ".env"
    dotenv.write_text("HABARI_ALLOWED_USERS=grace,linus,margaret\n")
    try:
        found = why(platform, "mallory")
        assert found["broken"] == "user"
        assert "mallory is on no list" in found["checks"][-1]["message"]
        assert found["try"].startswith("habari-local config set HABARI_ALLOWED_USERS ")
        platform.good(*found["try"].split()[1:])
        allowed = json.loads(platform.good("config", "show", "--json"))["HABARI_ALLOWED_USERS"]
        assert allowed["value"].split(",") == ["grace", "linus", "margaret", "mallory"]
    finally:
        dotenv.unlink()


def test_who_is_meant_is_asked(platform: Scratch) -> None:
    found = why(platform, "grce")
    assert found["broken"] == "user"
    assert found["checks"][-1]["message"].endswith("did you mean grace?")
    assert found["try"] == "habari-local why grace"


LOCKED = "sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) database is locked"


def write(platform: Scratch, service: str, ago: float, words: str) -> None:
    """Have a service's log say something, as its own process would have, some seconds ago."""
    at = datetime.now() - timedelta(seconds=ago)
    with (platform.state / "process" / "logs" / f"{service}.log").open("a") as log:
        log.write(f"[E {at:%Y-%m-%d %H:%M:%S}.538 JupyterHub user:1012] {words}\n")


def test_our_own_probes_are_blamed_for_nothing(platform: Scratch) -> None:
    """`status` and `why` ask the proxy, the hub and GitHub too: nothing of it is an error."""
    logs = platform.state / "process" / "logs"
    before = (logs / "hub.log").stat().st_size
    for _ in range(3):
        platform.good("status")
        assert why(platform, "linus")["good"]
    written = (logs / "hub.log").read_text()[before:]
    assert not re.findall(r"^\[[WEC] .*", written, re.MULTILINE)
    assert " 403 GET /api/routes" not in (logs / "proxy.log").read_text()
    proxy = platform.service("proxy")
    proxy.kill()
    psutil.wait_procs([proxy], timeout=10)
    try:
        found = why(platform)
        assert (found["broken"], found["known_issue"]) == ("proxy", None)
        assert not [line for line in found["log"] if "probe" in line or "/hub/health" in line]
    finally:
        platform.good("up")


def test_a_known_problem_is_one_of_this_fault_and_the_only_answer(platform: Scratch) -> None:
    def broken(*lines: tuple[float, str]) -> dict[str, Any]:
        for ago, words in lines:
            write(platform, "hub", ago, words)
        hub = platform.service("hub")
        hub.kill()
        psutil.wait_procs([hub], timeout=10)
        try:
            text = platform.call("why").stdout
            assert text.count("Try: ") == 1
            return why(platform)
        finally:
            platform.good("up")

    found = broken((600, LOCKED), (0, "200 GET /hub/home"))
    assert (found["known_issue"], found["try"]) == (None, "habari-local up"), "long ago"
    found = broken((0, LOCKED))
    assert found["known_issue"]["id"] == "sqlite-locked"
    assert found["try"] == "habari-local down && habari-local up"
    found = broken()
    assert found["known_issue"] is None, "of a hub before this one"


def test_a_hanging_server_is_named(platform: Scratch) -> None:
    server = server_of(platform, "grace")
    server.suspend()
    try:
        assert why(platform, "grace")["broken"] == "server"
    finally:
        server.resume()
    assert why(platform, "grace")["good"]


def test_a_server_that_the_hub_does_not_know_any_more_is_named(platform: Scratch) -> None:
    """As after a restore: it runs and answers, and whoever opens it is turned away."""
    hub = platform.service("hub")
    hub.kill()
    psutil.wait_procs([hub], timeout=10)
    with closing(sqlite3.connect(platform.state / "process" / "jupyterhub.sqlite")) as db, db:
        changed = db.execute(
            "update oauth_clients set secret = replace(secret, substr(secret, -8), '00000000')"
            " where identifier like '%user-grace'"
        )
        assert changed.rowcount == 1
    platform.good("up")
    found = why(platform, "grace")
    assert found["broken"] == "open"
    assert "does not know grace's server any more" in found["checks"][-1]["message"]
    assert found["try"] == "habari-local restart grace"
    platform.good("restart", "grace")
    assert why(platform, "grace")["good"]


def test_a_server_that_ended_at_once_is_named_with_its_last_lines(platform: Scratch) -> None:
    file = platform.state / "process" / "server.env"
    kept = file.read_text()
    file.write_text(f"{kept}\nJUPYTER_CONFIG_PATH=/nowhere\nPYTHONHOME=/nowhere\n")
    hub = Hub(addresses(platform))
    try:
        users = f"{addresses(platform).hub}/hub/api/users/linus"
        hub.web.post(users)
        assert hub.web.post(f"{users}/server").status_code >= 500
        found = why(platform, "linus")
    finally:
        file.write_text(kept)
    assert found["broken"] == "spawner"
    assert "linus's server: ended" in found["checks"][-1]["message"]
    assert any("No module named" in line for line in found["log"]), found["log"]


def test_a_missing_environment_of_servers_is_named(platform: Scratch) -> None:
    file = platform.state / "process" / "server.env"
    aside = file.rename(file.with_suffix(".aside"))
    try:
        found = why(platform)
        assert found["broken"] == "image"
        assert str(file) in found["checks"][-1]["message"]
    finally:
        aside.rename(file)


def test_a_platform_that_is_down_and_a_taken_port_are_named(scratch: Scratch) -> None:
    assert why(scratch)["broken"] == "up"
    with socket.create_server(("127.0.0.1", 8000 + scratch.offset)):
        found = why(scratch)
        assert scratch.call("up").returncode == 1
    assert found["broken"] == "machine"
    assert found["known_issue"]["id"] == "port-taken"
    command = found["try"].split()
    assert command[:3] == ["habari-local", "config", "set"], "one answer: of who saw the port"
    assert command[4] == "8100", "a setting is without the offset, which is added to it"


def test_wrong_settings_are_named(scratch: Scratch) -> None:
    (scratch.root / ".env").write_text("HABARI_NO_SUCH=1\n")
    found = why(scratch)
    assert found["broken"] == "settings"
    assert "HABARI_NO_SUCH" in found["checks"][-1]["message"]
