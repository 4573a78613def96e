"""Mode hub under people at work: who reaches whom, and what is killed comes back without loss."""

from __future__ import annotations

import io
import json
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import requests

from habari_local.drivers.docker import archive
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.docker.client import Container
from tests.e2e.endpoints import Endpoints, parse
from tests.e2e.hub_client import HubError
from tests.e2e.s3_client import Bucket, connect
from tests.e2e.server_client import Server, bytes_of, notebook_of
from tests.e2e.sign_in import SignInError
from tests.faults.matrix import Recovery
from tests.faults.parts import Platform, server_of
from tests.leftovers import left_by
from tests.scratch import Scratch
from tests.waiting import wait_for

MODE = "hub"
pytestmark = pytest.mark.mode(MODE)
PORTS = (2375, 4566, 5432, 8000, 8001, 8008, 8081, 8888)
KNOCK = """
import concurrent.futures, json, socket, sys
def knock(at):
    try:
        socket.create_connection(at, timeout=1).close()
        return at
    except OSError:
        return None
with concurrent.futures.ThreadPoolExecutor(32) as pool:
    print(json.dumps([at for at in pool.map(knock, map(tuple, json.loads(sys.argv[1]))) if at]))
"""


@pytest.fixture(scope="module")
def platform(platform_of: Callable[[str], Platform]) -> Scratch:
    return platform_of(MODE).scratch


@pytest.fixture
def endpoints(platform: Scratch) -> Endpoints:
    platform.good("up")
    return parse(platform.good("endpoints"), "habari-local endpoints")


def back_at_work(endpoints: Endpoints, login: str) -> Server:
    """The user's server once the platform serves again; a request or two may fail before."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return server_of(endpoints, login)
        except (requests.RequestException, SignInError, HubError):
            assert time.monotonic() < deadline, "did not come back in time"


@pytest.fixture
def server(endpoints: Endpoints) -> Server:
    return server_of(endpoints, "grace")


def container(platform: Scratch, name: str) -> Container:
    found = platform.containers(MODE)
    return next(each for each in found if name in {each.service, each.user})


def addresses(each: Container) -> list[str]:
    networks = (
        docker_client.api().inspect_container(each.id)["NetworkSettings"]["Networks"].values()
    )
    return [ip for network in networks for ip in (network["IPAddress"], network["Gateway"]) if ip]


def reached(each: Container, targets: list[tuple[str, int]]) -> list[list[object]]:
    """Which of the addresses take a connection from inside a container."""
    command = ["/opt/habari/bin/python", "-c", KNOCK, json.dumps(targets)]
    said = io.BytesIO()
    archive.output(each.id, command, said)
    answer: list[list[object]] = json.loads(said.getvalue())
    return answer


def test_a_user_reaches_s3_the_hub_and_the_public_proxy_and_nothing_else(
    platform: Scratch, endpoints: Endpoints
) -> None:
    with ThreadPoolExecutor(2) as both:
        list(both.map(lambda login: server_of(endpoints, login), ("grace", "linus")))
    mine = container(platform, "grace")
    others = [each for each in platform.containers(MODE) if each.id != mine.id]
    targets = {(ip, port) for each in others for ip in addresses(each) for port in PORTS}
    targets -= {(ip, 8888) for ip in addresses(mine)}
    outside = [("deb.debian.org", 80), ("1.1.1.1", 53), ("db", 5432), ("proxy-control", 8001)]
    named = [("s3", 4566), ("hub", 8081)]
    found = reached(mine, [*sorted(targets), *outside, *named])
    owner = {ip: each.title for each in others for ip in addresses(each)}
    assert {(owner.get(str(host), host), port) for host, port in found} == {
        *(("s3", 4566), ("hub", 8081), ("proxy", 8000)),
    }, "the database, the proxy's own interface, the engine and other users are out of reach"
    assert all(list(at) in found for at in named)


def test_a_users_server_has_no_power_over_its_container(platform: Scratch, server: Server) -> None:
    inspected = docker_client.api().inspect_container(container(platform, "grace").id)
    assert inspected["Config"]["User"].split(":")[0] not in {"", "0"}
    host = inspected["HostConfig"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["Memory"] == 2 * 1024**3
    assert not host["PortBindings"]
    assert not any("docker.sock" in bind for bind in host["Binds"])


def test_the_kernel_says_that_no_container_has_any_power(platform: Scratch, server: Server) -> None:
    """Of every process in every container: not root, no capability, seccomp's filter on."""
    found = platform.containers(MODE)
    assert {"hub", "db", "proxy", "s3", "socket", "github"} < {each.service for each in found}
    for each in found:
        state = docker_client.api().inspect_container(each.id)["State"]
        first = psutil.Process(state["Pid"])
        for process in (first, *first.children(recursive=True)):
            told = about(process.pid)
            assert "0" not in told["Uid"].split(), each.title
            assert {told["CapPrm"], told["CapEff"], told["CapBnd"]} == {"0" * 16}, each.title
            assert (told["NoNewPrivs"], told["Seccomp"]) == ("1", "2"), each.title


def about(pid: int) -> dict[str, str]:
    """What the kernel says of a process (proc(5), /proc/PID/status)."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_only_the_socket_proxy_has_the_engines_socket(platform: Scratch) -> None:
    holders = [
        each.title
        for each in platform.containers(MODE)
        if any(
            "docker.sock" in mount.get("Source", "")
            for mount in docker_client.api().inspect_container(each.id)["Mounts"]
        )
    ]
    assert holders == ["socket"]


HUB = pytest.param("hub", marks=pytest.mark.row(8))
PROXY = pytest.param("proxy", marks=pytest.mark.row(9))


@pytest.mark.parametrize("service", [HUB, PROXY, "s3", "db", "socket", "github"])
def test_a_crashed_service_comes_back_by_itself_and_servers_go_on(
    platform: Scratch, endpoints: Endpoints, server: Server, service: str, recovery: Recovery
) -> None:
    server.save_text(f"notebooks/before-{service}.txt", "acknowledged")
    mine = container(platform, "grace")
    crashed = container(platform, service)
    psutil.Process(docker_client.api().inspect_container(crashed.id)["State"]["Pid"]).kill()
    with recovery():  # by the engine alone
        wait_for(lambda: container(platform, service).since not in (None, crashed.since))
        wait_for(lambda: platform.call("status").returncode == 0)
        again = back_at_work(endpoints, "grace")
        again.save_text(f"notebooks/after-{service}.txt", "goes on")
    assert container(platform, "grace").since == mine.since
    assert again.read(f"notebooks/before-{service}.txt")["content"] == "acknowledged"
    assert container(platform, "grace").since == mine.since


@pytest.mark.parametrize("service", ["hub", "s3"])
def test_a_stopped_service_is_seen_and_mended_by_up(
    platform: Scratch, endpoints: Endpoints, server: Server, service: str
) -> None:
    docker_client.api().stop(container(platform, service).id, timeout=1)
    shown = platform.call("status", "--json")
    assert shown.returncode == 4
    states = {row["name"]: row["state"] for row in json.loads(shown.stdout)["services"]}
    assert states[service] == "stopped"
    platform.good("up")
    assert server.save_text(f"notebooks/repaired-{service}.txt", "works")


def test_a_service_made_anew_joins_the_users_who_are_at_work(
    platform: Scratch, server: Server
) -> None:
    # The server has just looked S3's address up, which the new proxy may have after this.
    server.save_text("notebooks/before-recreation.txt", "looked up")
    docker_client.remove([container(platform, name) for name in ("proxy", "s3")])
    platform.good("up")
    wait_for(lambda: server.status().ok)
    assert server.save_text("notebooks/after-recreation.txt", "works")


def test_everything_restarted_at_once_as_by_the_engine_comes_back(
    platform: Scratch, endpoints: Endpoints, server: Server
) -> None:
    server.save_text("at-home.txt", "kept")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(docker_client.restart, [each.id for each in platform.containers(MODE)]))
    wait_for(lambda: platform.call("status").returncode == 0)
    again = back_at_work(endpoints, "grace")
    assert again.read("at-home.txt")["content"] == "kept"


def test_down_and_up_and_killing_all_keep_what_was_saved(
    platform: Scratch, endpoints: Endpoints, server: Server
) -> None:
    notebook = notebook_of("print('héllo')")
    server.save_notebook("notebooks/kept.ipynb", notebook)
    server.save_text("at-home.txt", "kept too")
    for each in platform.containers(MODE):
        os.kill(docker_client.api().inspect_container(each.id)["State"]["Pid"], signal.SIGKILL)
    platform.good("down")
    assert left_by(platform) == {}
    platform.good("up")
    stored = Bucket(connect(endpoints), endpoints.s3.notebooks_bucket).get("kept.ipynb")
    assert stored == bytes_of(notebook)
    assert back_at_work(endpoints, "grace").read("at-home.txt")["content"] == "kept too"


def test_wipe_names_and_removes_the_volumes(platform: Scratch) -> None:
    said = platform.good("down", "--wipe", "--yes")
    for name in ("home-grace", "_db", "_s3"):
        assert name in said
    assert left_by(platform, volumes=True) == {}
    platform.good("up")
    platform.good("status")
