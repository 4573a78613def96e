"""The Docker spawner's own decisions, with the engine's answers given by the test."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from habari_hub import docker_spawner
from habari_hub.docker_spawner import HabariDockerSpawner


class Spawner(HabariDockerSpawner):  # type: ignore[misc]
    """Asks no engine: the container is as the test says, one state a look."""

    states: Iterator[dict[str, Any]]
    looks = 0

    async def docker(self, method: str, *_args: Any, **_kwargs: Any) -> Any:
        assert method == "inspect_container"
        self.looks += 1
        return {"Id": "c0", "State": next(self.states)}


def ended(when: str) -> dict[str, Any]:
    return {"Running": False, "ExitCode": 137, "Error": "", "FinishedAt": when}


def always(state: dict[str, Any]) -> Iterator[dict[str, Any]]:
    while True:
        yield state


@pytest.fixture
def spawner(monkeypatch: pytest.MonkeyPatch) -> Spawner:
    monkeypatch.setattr(docker_spawner, "GRACE", 0.5)
    made = Spawner(container_prefix="x", name_template="x", object_name="x")
    made.object_id = "c0"
    return made


def test_an_end_is_waited_on_once(spawner: Spawner) -> None:
    """Thrice in a row the hub asks about an ended server before it starts another one."""
    spawner.states = always(ended("09:00"))
    assert "137" in asyncio.run(spawner.poll())
    waited, spawner.looks = spawner.looks, 0
    assert waited > 1, "the engine may start it again"
    assert "137" in asyncio.run(spawner.poll())
    assert spawner.looks == 1


def test_another_end_is_waited_on_again(spawner: Spawner) -> None:
    spawner.states = always(ended("09:00"))
    asyncio.run(spawner.poll())
    spawner.states = iter([ended("10:00"), {"Running": True}])
    assert asyncio.run(spawner.poll()) is None, "started again by the engine meanwhile"


def test_no_two_names_that_github_gives_share_a_home(spawner: Spawner) -> None:
    names = ("octo_corp", "octo-corp", "octo-5fcorp", "foo", "foo-", "a-b", "a--b", "x" * 39)
    escaped = [spawner.escape(name) for name in names]
    assert escaped[:2] == ["octo-5fcorp", "octo-2dcorp"]
    assert escaped[4] == "foo-2d"
    assert len(set(escaped)) == len(names)
