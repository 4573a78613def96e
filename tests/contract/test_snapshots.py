"""Snapshots of a platform that runs: back to what was, ended anywhere, and in another mode.

TESTS_SNAPSHOT_MODES: through which modes one of process goes, before it is back.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from habari_local.drivers.jupyterhub import HubClient
from tests.e2e.endpoints import parse
from tests.e2e.hub_client import sign_in
from tests.scratch import Scratch, must_be_able_to_run, scratch_checkout

MODES = [each for each in os.environ.get("TESTS_SNAPSHOT_MODES", "").split(",") if each]
USER = "li-nus"  # of whom DockerSpawner makes another name
pytestmark = pytest.mark.timeout(1500)


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Scratch]:
    with scratch_checkout(tmp_path) as made:
        made.settings["HABARI_ALLOWED_USERS"] = f"grace,{USER}"
        yield made


def in_server(scratch: Scratch, command: str) -> str:
    return scratch.good("shell", USER, "--", "sh", "-c", f"cd && {command}")


def put(scratch: Scratch, key: str, text: str) -> None:
    file = scratch.root / "object"
    file.write_text(text)
    scratch.good("s3", "cp", str(file), key)


def client(scratch: Scratch) -> HubClient:
    where = scratch.endpoints()
    return HubClient(where["hub_url"], where["hub_api_token"])


def some_state(scratch: Scratch) -> None:
    with client(scratch) as hub:
        hub.ensure(USER)
        hub.start(USER)
    in_server(scratch, "mkdir work && echo saved > work/a.txt && chmod 600 work/a.txt")
    put(scratch, "lake/data/a.csv", "saved")


def change(scratch: Scratch) -> None:
    in_server(scratch, "rm work/a.txt && echo new > work/new.txt")
    put(scratch, "lake/data/a.csv", "changed")
    put(scratch, "notebooks/new.txt", "new")


def require_saved(scratch: Scratch) -> None:
    """All is as `some_state` left it, and nothing else is there."""
    assert in_server(scratch, "cat work/a.txt && ls work") == "saved\na.txt\n"
    assert in_server(scratch, "stat -c %a work/a.txt && test -O work/a.txt") == "600\n"
    assert scratch.good("s3", "cat", "lake/data/a.csv") == "saved"
    assert scratch.call("s3", "cat", "notebooks/new.txt").returncode != 0


def killed(scratch: Scratch, said: str, *arguments: str) -> None:
    """Kill a command when it says something."""
    with scratch.start(*arguments) as process:
        assert process.stdout
        seen = next((line for line in process.stdout if said in line), "")
        os.killpg(process.pid, signal.SIGKILL)
    assert seen, f"{arguments}: never said {said}"


def test_a_running_platform_goes_back_to_what_it_was(scratch: Scratch) -> None:
    scratch.good("up")
    some_state(scratch)
    person = sign_in(parse(scratch.good("endpoints"), "habari-local endpoints"), USER)
    with client(scratch) as hub:
        old, _ = hub.create_token(USER, "made before")
    killed(scratch, "the home of", "snapshot", "save", "one")
    assert json.loads(scratch.good("snapshot", "list", "--json")) == []
    scratch.good("snapshot", "save", "one")
    (found,) = json.loads(scratch.good("snapshot", "list", "--json"))
    assert (found["name"], found["mode"], found["users"]) == ("one", "process", [USER])
    assert [each.name for each in (scratch.state / "snapshots").iterdir()] == ["one"]
    refused = scratch.call("snapshot", "save", "one")
    assert (refused.returncode, "already there" in refused.stderr) == (2, True)

    change(scratch)
    (scratch.state / "process" / "homes" / "eve").mkdir()
    with client(scratch) as hub:
        new, _ = hub.create_token(USER, "made since")
    refused = scratch.call("snapshot", "restore", "one")
    assert refused.returncode == 2
    assert f"the kernels in the running server of {USER}" in refused.stderr
    assert in_server(scratch, "ls work") == "new.txt\n"

    said = scratch.good("snapshot", "restore", "one", "--yes")
    assert f"Started again, with new kernels: the servers of {USER}." in said
    assert "signs in again" not in said
    require_saved(scratch)
    change(scratch)
    killed(scratch, "the bucket habari-lake", "snapshot", "restore", "one", "--yes")
    scratch.good("snapshot", "restore", "one")  # goes on, and nobody is asked again
    with client(scratch) as hub:
        hub.start(USER)
    require_saved(scratch)
    assert not (scratch.state / "process" / "homes" / "eve").exists()
    assert not (scratch.state / "restore-process.json").exists()
    with client(scratch) as hub:
        with HubClient(hub.url, old) as one:
            assert one.ask("GET", "user")["name"] == USER
        with HubClient(hub.url, new) as other, pytest.raises(requests.HTTPError, match="403"):
            other.ask("GET", "user")
        home = person.web.get(f"{hub.url}/hub/home", allow_redirects=False)
        assert home.status_code == 200, "still signed in"


def test_a_state_goes_through_other_modes_and_comes_back(scratch: Scratch) -> None:
    if not MODES:
        pytest.skip("takes minutes: `nox -s soak` takes a state through modes hub and kind")
    for mode in MODES:
        must_be_able_to_run(mode)
    scratch.good("up")
    some_state(scratch)
    scratch.good("snapshot", "save", "process")
    before = "process"
    for mode in [*MODES, "process"]:
        scratch.good("down")
        scratch.good("up", "--mode", mode)
        put(scratch, "notebooks/new.txt", "of another mode")
        with client(scratch) as hub:
            hub.ensure("grace")
        said = scratch.good("snapshot", "restore", before, "--yes")
        assert "everybody signs in again" in said
        with client(scratch) as hub:
            known = {name: hub.user(name) for name in hub.users()}
            assert not [name for name, user in known.items() if not user or user["servers"]]
            assert {"ada", USER} <= set(known)
            assert [name for name, user in known.items() if user and user["admin"]] == ["ada"]
            hub.start(USER)
        require_saved(scratch)
        scratch.good("snapshot", "save", f"of-{mode}")
        before = f"of-{mode}"
