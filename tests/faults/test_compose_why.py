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
