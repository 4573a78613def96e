"""`why` in mode hub: a container that hangs is named, and not what seems broken because of it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from habari_local.drivers.docker import client as docker_client
from tests.e2e.waiting import until
from tests.faults.parts import Platform
from tests.scratch import Scratch
from tests.waiting import wait_for

# More than a server's limit of 2G and what it may swap, which is as much again.
GREEDY = "len(b'x' * (5 << 30))"


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


@pytest.mark.row(27)
@pytest.mark.mode("hub")
def test_a_process_that_was_killed_for_memory_is_named_with_the_limit(
    platform: Scratch, platform_of: Callable[[str], Platform]
) -> None:
    """By the machine's kernel, in a user's server that goes on."""
    platform_of("hub").server_of("grace")
    assert platform.call("why", "grace").returncode == 0
    greedy = ("python3", "-c", GREEDY)
    assert platform.call("shell", "grace", "--", *greedy).returncode == 137
    wait_for(lambda: platform.call("why", "grace").returncode == 4)
    told = platform.call("why", "grace")
    assert told.returncode == 4
    said = " ".join(told.stdout.split())  # however wide the table is
    named = "memory: a process of grace's server, such as a kernel, was killed for memory"
    assert f"{named}: it took more than its limit of 2G." in said
    more = "habari-local config set HABARI_SERVER_MEMORY 4G && habari-local up"
    assert f"Try: {more} && habari-local restart grace" in said
    assert platform.call("why", "linus").returncode == 0, "whose server does not run"
    platform.good("restart", "grace")
    platform.good("why", "grace")
