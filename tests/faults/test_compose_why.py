"""`why` in mode hub: a container that hangs is named, and not what seems broken because of it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from habari_local.drivers import engine
from tests.e2e.waiting import until
from tests.scratch import Scratch, must_be_able_to_run


@pytest.fixture(scope="module")
def platform(shared: Scratch) -> Iterator[Scratch]:
    must_be_able_to_run("hub")
    shared.good("up", "--mode", "hub")
    yield shared
    shared.good("down")


@pytest.mark.parametrize(
    ("service", "rung"),
    [("proxy", "proxy"), ("hub", "hub"), ("db", "db"), ("s3", "s3"), ("github", "sign-in")],
)
def test_a_paused_container_is_named(platform: Scratch, service: str, rung: str) -> None:
    container = next(each for each in platform.containers("hub") if each.service == service)
    engine.api().pause(container.id)
    try:
        told = platform.call("why", "--json")
    finally:
        engine.api().unpause(container.id)
        until("healthy again", lambda: platform.call("status").returncode == 0, 60)
    assert told.returncode == 4
    assert json.loads(told.stdout)["broken"] == rung
