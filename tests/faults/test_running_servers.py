"""Servers that run survive every `up`, whatever it has to recreate around them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from habari_local.drivers.jupyterhub import HubClient
from tests.leftovers import left_by
from tests.scratch import Scratch, free_offset, must_be_able_to_run
from tests.waiting import wait_for

PEOPLE = [f"person{number}" for number in range(8)]
# What JupyterHub says of a server that it gives up.
GIVEN_UP = ("never showed up", "does not appear to be running", "appears to have stopped")

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(params=[pytest.param(m, marks=pytest.mark.mode(m)) for m in ("process", "hub")])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def crowded(scratch: Scratch, mode: str) -> Iterator[Scratch]:
    """A platform with eight servers."""
    yield from crowd(scratch, mode)


def crowd(scratch: Scratch, mode: str) -> Iterator[Scratch]:
    """Bring a mode up with eight servers, and delete it all afterwards: nothing of it is left."""
    must_be_able_to_run(mode)
    scratch.settings |= {"HABARI_S3_BACKEND": "moto", "HABARI_MODE": mode}
    scratch.settings["HABARI_ALLOWED_USERS"] = ",".join(PEOPLE)
    scratch.good("up")
    hub = hub_of(scratch)

    def begin(name: str) -> None:
        hub.ensure(name)
        hub.start(name)

    with ThreadPoolExecutor(len(PEOPLE)) as pool:
        list(pool.map(begin, PEOPLE))
    hub.close()
    yield scratch
    scratch.good("down", "--wipe", "--yes")
    assert left_by(scratch, volumes=True) == {}


def hub_of(scratch: Scratch) -> HubClient:
    found = scratch.endpoints()
    return HubClient(found["hub_url"], found["hub_api_token"])


def servers(scratch: Scratch, mode: str) -> set[object]:
    """What each server is: its container, or its processes, and since when."""
    if mode == "process":
        found = scratch.found()
        first: dict[str, object] = {}
        for each in found:  # the oldest first: a server, then what it has started
            if each.user and each.user in PEOPLE:
                first.setdefault(each.user, (each.user, each.process.pid, each.since))
        return set(first.values())
    return {(e.user, e.id, e.since) for e in scratch.containers(mode) if e.user}


def all_taken_over(scratch: Scratch) -> bool:
    """Whether the hub has looked at all servers and found them well."""
    hub = hub_of(scratch)
    try:
        users = hub.ask("GET", "users")
    except (requests.RequestException, ValueError):
        return False
    finally:
        hub.close()
    ready = {user["name"] for user in users if user["servers"].get("", {}).get("ready")}
    return ready == set(PEOPLE)


def port_offset(scratch: Scratch) -> None:
    """Processes know the hub and S3 by this machine's ports, so those must not move."""
    before = scratch.offset
    scratch.offset = free_offset()
    if scratch.settings["HABARI_MODE"] == "process":
        refused = scratch.call("up")
        assert refused.returncode == 1, refused.stderr
        assert "a running server can't change that" in refused.stderr
        assert f"Try: export HABARI_PORT_OFFSET={before}" in refused.stderr
        scratch.offset = before
    scratch.good("up")


def settings_of_the_hub(scratch: Scratch) -> None:
    scratch.settings |= {"HABARI_CULL_AFTER": "7200", "HABARI_SERVER_MEMORY": "1500M"}
    scratch.settings["HABARI_ADMIN_USERS"] = "ada,margaret"
    scratch.good("up")


def code_of_the_hub(scratch: Scratch) -> None:
    """An upgrade of the tool while it is up: another hub, proxy and S3."""
    compose = scratch.root / "compose" / "hub.yml"
    text = compose.read_text(encoding="utf-8")
    compose.write_text(text.replace("max-size: 10m", "max-size: 9m"), encoding="utf-8")
    for name in ("hub/habari_hub/settings.py", "images/s3/habari_s3/__init__.py"):
        if scratch.settings["HABARI_MODE"] == "process":
            with (scratch.root / name).open("a", encoding="utf-8") as file:
                file.write("# another version\n")
    scratch.good("up")


def by_hand(scratch: Scratch) -> None:
    """All services are gone, and the networks between them."""
    if scratch.settings["HABARI_MODE"] == "process":
        for name in ("s3", "github", "proxy", "hub"):
            scratch.service(name).kill()
    else:
        name = f"habari-{scratch.id}-hub"
        subprocess.run(["docker", "compose", "-p", name, "down"], check=True, capture_output=True)
    scratch.good("up")
    found = [each.service for each in scratch.found() if each.service]
    assert len(found) == len(set(found)), "what a killed hub had started is there twice"


def backend(scratch: Scratch) -> None:
    """Another S3, with other keys; mode process would have to install its environment first."""
    if scratch.settings["HABARI_MODE"] == "hub":
        scratch.settings["HABARI_S3_BACKEND"] = "localstack"
        scratch.good("up")


CHANGES: tuple[Callable[[Scratch], None], ...] = (
    port_offset,
    settings_of_the_hub,
    code_of_the_hub,
    by_hand,
    backend,
)


def test_servers_survive_whatever_is_made_anew(crowded: Scratch, mode: str) -> None:
    before = servers(crowded, mode)
    assert len(before) == len(PEOPLE)
    for change in CHANGES:
        change(crowded)
        wait_for(lambda: all_taken_over(crowded), 90)
        log = crowded.good("logs", "hub", "-n", "10000")
        assert not [line for line in log.splitlines() if any(each in line for each in GIVEN_UP)]
        assert servers(crowded, mode) == before, change.__name__
