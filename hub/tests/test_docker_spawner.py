"""The Docker spawner's own decisions, with the engine's answers given by the test."""

from __future__ import annotations

import asyncio
import importlib.util
import string
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from docker.errors import APIError
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


@pytest.fixture(scope="module")
def policy_names() -> ModuleType:
    """How the policy between hub and engine says what a user's things are called."""
    file = Path(__file__).parents[2] / "images" / "socket" / "habari_socket" / "names.py"
    spec = importlib.util.spec_from_file_location("policy_names", file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "user",
    [
        *("grace", "octo_corp", "-race", "--race", "Grace", "a.b", "é", "\N{GRINNING FACE}"),
        *(string.printable, "x" * 255, "".join(map(chr, range(0x80, 0x500)))),
    ],
)
def test_the_policy_calls_a_users_things_as_the_spawner_does(
    spawner: Spawner, policy_names: ModuleType, user: str
) -> None:
    spawner.user = SimpleNamespace(name=user)
    assert policy_names.escaped(user) == spawner.escape(user)
    assert policy_names.host_name(user) == spawner.hostname
    assert policy_names.of_servers("habari-1-hub-").fullmatch(
        f"habari-1-hub-user-{spawner.escape(user)}"
    )


NO_GATEWAY = {"com.docker.network.bridge.inhibit_ipv4": "true"}


class Networks(HabariDockerSpawner):  # type: ignore[misc]
    """Asks no engine: a network is as the test says until it is removed."""

    found: dict[str, Any]

    async def docker(self, method: str, *_args: Any, **kwargs: Any) -> Any:
        self.asked.append((method, kwargs))
        if method == "inspect_network":
            return self.found
        return None


@pytest.mark.parametrize(
    ("internal", "options", "again"),
    [(True, NO_GATEWAY, False), (True, None, True), (False, {}, True)],
)
def test_a_network_of_another_kind_is_made_again(
    internal: bool, options: dict[str, str] | None, again: bool
) -> None:
    """One of an earlier version reaches the host by its gateway."""
    made = Networks(container_prefix="x", name_template="x", object_name="x")
    made.asked, made.user = [], SimpleNamespace(name="grace")
    made.network_options = NO_GATEWAY
    made.found = {"Internal": internal, "Options": options}
    asyncio.run(made._join_network())
    changes = [(method, kwargs) for method, kwargs in made.asked if method != "inspect_network"]
    assert [method for method, _ in changes] == (["remove_network", "create_network"] * again)
    if again:
        assert changes[1][1]["options"] == NO_GATEWAY
        assert changes[1][1]["internal"] is True


@pytest.mark.parametrize(
    "said",
    [
        "endpoint with name hub already exists in network habari-1-hub-user-grace",
        "container 9eba is already connected to network habari-1-hub-user-grace:"
        " network is already connected",
    ],
    ids=["Docker", "Podman"],
)
def test_who_is_on_a_network_already_keeps_nobody_off_it(said: str) -> None:
    joined = []

    class Joined(Networks):
        async def docker(self, method: str, *args: Any, **kwargs: Any) -> Any:
            joined.append(args[0])
            raise APIError("403", explanation=said)

    made = Joined(container_prefix="x", name_template="x", object_name="x")
    made.user, made.partners = SimpleNamespace(name="grace"), {"hub-1": "hub", "s3-1": "s3"}
    asyncio.run(made._join_partners())
    assert joined == ["hub-1", "s3-1"]
