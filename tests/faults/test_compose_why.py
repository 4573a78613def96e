"""`why` in mode hub: a container that hangs is named, and not what seems broken because of it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from habari_local.drivers.docker import client as docker_client
from tests.e2e.waiting import until
from tests.faults.parts import Platform
from tests.scratch import Scratch


@pytest.fixture(scope="module")
def platform(platform_of: Callable[[str], Platform]) -> Scratch:
    return platform_of("hub").scratch


@pytest.mark.parametrize(
    ("service", "check"),
    [("proxy", "proxy"), ("hub", "hub"), ("db", "db"), ("s3", "s3"), ("github", "sign-in")],
)
def test_a_paused_container_is_named(platform: Scratch, service: str, check: str) -> None:
    container = next(each for each in platform.containers("hub") if each.service == service)
    docker_client.api().pause(container.id)
    try:
        told = platform.call("why", "--json")
    finally:
        docker_client.api().unpause(container.id)
        until("healthy again", lambda: platform.call("status").returncode == 0, 60)
    assert told.returncode == 4
    assert json.loads(told.stdout)["broken"] == check


def test_a_process_that_was_killed_for_memory_is_named_with_the_limit(
    platform_of: Callable[[str], Platform],
) -> None:
    platform = platform_of("hub")
    platform.server_of("grace")
    assert platform.scratch.call("why", "grace").returncode == 0
    greedy = ("python3", "-c", "len(b'x' * (3 << 30))")  # as a kernel with a large table
    assert platform.scratch.call("shell", "grace", "--", *greedy).returncode == 137
    found = json.loads(platform.scratch.call("why", "grace", "--json").stdout)
    assert found["broken"] == "memory"
    assert "killed for memory: it took more than its limit of 2G" in found["checks"][-1]["message"]
    assert found["try"] == (
        "habari-local config set HABARI_SERVER_MEMORY 4G && habari-local up"
        " && habari-local restart grace"
    )
    platform.scratch.good("restart", "grace")
    assert platform.scratch.call("why", "grace").returncode == 0


def test_a_home_that_cannot_be_written_is_named(platform_of: Callable[[str], Platform]) -> None:
    platform = platform_of("hub")
    platform.server_of("linus")
    (server,) = [each for each in platform.scratch.containers("hub") if each.user == "linus"]
    home = platform.scratch.call("shell", "linus", "--", "sh", "-c", "echo $HOME").stdout.strip()

    def may_write(mode: str) -> None:
        made = docker_client.api().exec_create(server.id, ["chmod", mode, home], user="root")
        docker_client.api().exec_start(made["Id"])

    may_write("0555")
    try:
        found = json.loads(platform.scratch.call("why", "linus", "--json").stdout)
    finally:
        may_write("0755")
    assert found["broken"] == "contents"
    assert "can't be written to" in found["checks"][-1]["message"]
    assert platform.scratch.call("why", "linus").returncode == 0
