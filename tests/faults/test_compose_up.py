"""Bringing Compose modes up under adversity: broken containers, Ctrl-C, kill -9, two checkouts."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
import requests

from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.docker.client import remove_all
from tests.leftovers import left_by
from tests.scratch import Scratch, must_be_able_to_run, scratch_checkout
from tests.waiting import wait_for

pytestmark = pytest.mark.mode("hub")


@pytest.fixture(autouse=True)
def able(scratch: Scratch) -> None:
    must_be_able_to_run("hub")
    scratch.settings["HABARI_S3_BACKEND"] = "moto"


@pytest.fixture
def second(scratch: Scratch, tmp_path: Path) -> Iterator[Scratch]:
    (tmp_path / "second").mkdir()
    with scratch_checkout(tmp_path / "second") as made:
        made.offset = scratch.offset + 100  # chosen while nothing of the first listened
        made.settings["HABARI_S3_BACKEND"] = "moto"
        yield made


@pytest.fixture
def image() -> str:
    """Any of ours that has a shell."""
    found = docker_client.api().images(filters={"reference": "habari-socket"})
    return str(found[0]["Id"])


def change(scratch: Scratch, file: str, old: str, new: str) -> None:
    path = scratch.root / "compose" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_proxy_of_dockers_configuration_is_for_the_world_alone(
    scratch: Scratch, tmp_path: Path
) -> None:
    """Docker gives it to every container that its command line makes; here nobody answers."""
    dead = {"httpProxy": "http://127.0.0.1:9", "httpsProxy": "http://127.0.0.1:9"}
    (tmp_path / "config.json").write_text(json.dumps({"proxies": {"default": dead}}))
    scratch.settings["DOCKER_CONFIG"] = str(tmp_path)
    scratch.good("up", "--mode", "hub")
    token = scratch.endpoints()["hub_api_token"]
    with requests.Session() as http:
        http.trust_env = False
        http.headers["Authorization"] = f"token {token}"
        user = f"{scratch.hub_url}/hub/api/users/grace"
        assert http.post(f"{user}/server").ok
        wait_for(lambda: http.get(user).json()["servers"].get("", {}).get("ready"))
        url = f"{scratch.hub_url}/user/grace/api/contents/lake"
        assert http.get(url).json()["type"] == "directory", "S3, as the server sees it"
    scratch.good("down", "--wipe", "--yes")


@pytest.mark.row(7)
def test_a_container_that_ends_is_told_at_once_with_its_log(scratch: Scratch) -> None:
    change(scratch, "hub.yml", "--port=8000,", "--port=8000, --nonsense,")
    began = time.monotonic()
    done = scratch.call("up", "--mode", "hub")
    assert done.returncode == 4
    assert "proxy: its container ended with exit code 1 after" in done.stderr
    assert "unknown option '--nonsense'" in done.stderr
    assert "Try: habari-local logs proxy" in done.stderr
    assert time.monotonic() - began < 40
    assert left_by(scratch) == {}


@pytest.mark.row(7)
def test_keep_leaves_it_to_look_at(scratch: Scratch) -> None:
    change(scratch, "hub.yml", "--port=8000,", "--port=8000, --nonsense,")
    assert scratch.call("up", "--mode", "hub", "--no-rollback").returncode == 4
    assert "nonsense" in scratch.good("logs", "proxy", "--mode", "hub")
    scratch.good("down", "--mode", "hub")
    assert left_by(scratch) == {}


def test_an_unhealthy_container_is_told_at_once(scratch: Scratch) -> None:
    change(
        scratch,
        "hub.yml",
        "test: [CMD, pg_isready, --quiet, --host, 127.0.0.1]",
        "test: [CMD, 'false']",
    )
    change(scratch, "hub.yml", "start_period: 300s", "start_period: 0s")
    change(scratch, "hub.yml", "interval: 15s", "interval: 1s")
    done = scratch.call("up", "--mode", "hub")
    assert done.returncode == 4
    assert "PostgreSQL: its container is unhealthy after" in done.stderr
    assert left_by(scratch) == {}


@pytest.mark.row(1)
def test_a_taken_port_is_named_and_nothing_starts(scratch: Scratch) -> None:
    port = 8008 + scratch.offset
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        done = scratch.call("up", "--mode", "hub")
    assert done.returncode == 1
    assert f"Port {port} (fake GitHub): held by" in done.stderr
    assert "HABARI_GITHUB_PORT" in done.stderr
    assert left_by(scratch) == {}


@pytest.mark.row(2)
@pytest.mark.parametrize("made", [1, 4], ids=lambda made: f"{made} containers")
def test_interrupted_up_leaves_nothing(scratch: Scratch, made: int) -> None:
    up = scratch.start("up", "--mode", "hub")
    wait_for(lambda: len(scratch.containers("hub")) >= made)
    os.kill(up.pid, signal.SIGINT)
    said, _ = up.communicate(timeout=60)
    assert up.returncode == 130, said
    assert left_by(scratch) == {}


@pytest.mark.row(3)
@pytest.mark.parametrize("made", [1, 6], ids=lambda made: f"{made} containers")
def test_a_killed_up_is_taken_up_or_down_by_the_next_call(scratch: Scratch, made: int) -> None:
    up = scratch.start("up", "--mode", "hub")
    wait_for(lambda: len(scratch.containers("hub")) >= made)
    up.kill()
    up.communicate(timeout=10)
    if made > 1:
        scratch.good("up")
        scratch.good("status")
    scratch.good("down")
    assert left_by(scratch) == {}


def test_a_checkout_made_anew_opens_the_volumes_that_it_had(scratch: Scratch) -> None:
    """Who deletes a checkout deletes its secrets, not what Docker keeps: people's things."""
    scratch.good("up", "--mode", "hub")
    scratch.good("down")
    shutil.rmtree(scratch.state)
    scratch.good("up", "--mode", "hub")
    scratch.good("status")
    scratch.good("down", "--wipe", "--yes")
    assert left_by(scratch, volumes=True) == {}


def test_two_checkouts_side_by_side(scratch: Scratch, second: Scratch) -> None:
    first = scratch.start("up", "--mode", "nohub")
    second.good("up", "--mode", "nohub")
    first.communicate(timeout=100)
    scratch.good("status")
    second.good("status")
    scratch.good("down", "--wipe", "--yes")
    second.good("status")
    assert len(second.containers("nohub")) == 2


def test_what_the_engine_is_still_making_when_it_begins_is_taken_away_too(
    scratch: Scratch, image: str
) -> None:
    """What a killed Compose asked for comes when the first look is over."""
    ours, api = docker_client.ResourceLabels(scratch.id, "nohub"), docker_client.api()
    slow = ["sh", "-c", "trap 'sleep 1; exit' TERM; sleep 60 & wait"]
    first = api.create_container(image, slow, labels=ours.labels, entrypoint=[])["Id"]
    api.start(first)
    stops = api.events(filters={"container": [first], "event": ["kill"]}, decode=True)

    def late() -> None:
        next(stops)
        network = f"habari-{scratch.id}-late"
        api.create_network(network, labels=ours.labels)
        made = api.create_container(image, slow, labels=ours.labels, entrypoint=[])["Id"]
        api.connect_container_to_network(made, network)
        api.start(made)

    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(late)
        remove_all(ours)
        coming.result(10)
    stops.close()
    assert left_by(scratch) == {}


def test_what_comes_when_nothing_is_there_yet_is_taken_away_too(scratch: Scratch) -> None:
    ours = docker_client.ResourceLabels(scratch.id, "nohub")

    def late() -> None:
        Event().wait(0.5)  # the moment: the first look is over
        docker_client.api().create_network(f"habari-{scratch.id}-late", labels=ours.labels)

    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(late)
        remove_all(ours, interrupted=True)
        coming.result(10)
    assert left_by(scratch) == {}


def test_a_stray_container_with_our_label_is_found_and_removed(scratch: Scratch) -> None:
    scratch.good("up", "--mode", "nohub")
    image = docker_client.api().inspect_container(scratch.containers("nohub")[0].id)["Image"]
    ours = docker_client.ResourceLabels(scratch.id, "nohub")
    docker_client.api().create_container(image, name=f"stray-{scratch.id}", labels=ours.labels)
    said = scratch.good("down")
    assert re.search(rf"stray-{scratch.id}", said)
    assert left_by(scratch) == {}
