"""Mode kind, before there is a cluster: what can't succeed is told, and nothing is started."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from habari_local.drivers import kind, package_manager
from habari_local.drivers.docker import client as docker_client
from habari_local.helm_values.chart import VERSION
from tests.leftovers import left_by
from tests.programs import with_helm
from tests.scratch import Scratch, must_be_able_to_run

pytestmark = pytest.mark.mode("kind")
UP = ("up", "--mode", "kind")
PROGRAMS = {
    name: package_manager.VERSIONS[name].removeprefix("v") for name in ("kind", "helm", "kubectl")
}


@pytest.fixture(autouse=True)
def _able() -> None:
    must_be_able_to_run("kind")


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """An environment in which programs come from this machine, and it has none of kind's."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for found in (shutil.which("docker"), shutil.which("env"), shutil.which("sh")):
        assert found
        (folder / Path(found).name).symlink_to(found)
    return {"PATH": str(folder), "HABARI_IMAGES": "upstream"}


def program(environ: dict[str, str], name: str, version: str) -> None:
    """Put a program there that tells this version and does nothing else."""
    file = Path(environ["PATH"]) / name
    file.write_text(f"#!/bin/sh\necho v{version}\n")
    file.chmod(0o755)


def test_without_an_engine_it_says_so_and_starts_nothing(scratch: Scratch) -> None:
    done = scratch.call(*UP, DOCKER_HOST="unix:///nowhere/docker.sock")
    assert done.returncode == 3
    assert "Docker engine: " in done.stderr
    assert "Try: " in done.stderr
    assert left_by(scratch) == {}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_missing_program_is_named_with_what_gets_it(
    scratch: Scratch, bare: dict[str, str], name: str
) -> None:
    for other in set(PROGRAMS) - {name}:
        program(bare, other, PROGRAMS[other])
    done = scratch.call(*UP, **bare)
    assert done.returncode == 3
    assert f"{name}: not found on this machine" in done.stderr
    assert f"Try: {package_manager.install_cluster_tool(name, bare)}" in done.stderr
    assert left_by(scratch) == {}


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_old_program_is_named_with_what_is_expected(
    scratch: Scratch, bare: dict[str, str], name: str
) -> None:
    for each, version in PROGRAMS.items():
        program(bare, each, "0.11.0" if each == name else version)
    done = scratch.call(*UP, **bare)
    assert done.returncode == 3
    assert re.search(rf"^{name}: 0\.11\.0 is too old; \S+ or newer", done.stderr, re.MULTILINE)
    assert left_by(scratch) == {}


@pytest.mark.row(1)
def test_a_taken_port_is_named_with_its_owner(scratch: Scratch) -> None:
    with socket.create_server(("127.0.0.1", 5001 + scratch.offset)):
        done = scratch.call(*UP)
    assert done.returncode == 1
    assert f"Port {5001 + scratch.offset} (registry): held by" in done.stderr
    assert f"pid {os.getpid()}" in done.stderr
    assert "Try: habari-local config set HABARI_REGISTRY_PORT" in done.stderr
    assert left_by(scratch) == {}


@pytest.fixture
def foreign(scratch: Scratch) -> Iterator[dict[str, Any]]:
    """Somebody's cluster, of the name that ours would have."""
    name = f"habari-{scratch.id}"
    image = docker_client.api().images(filters={"label": "dev.habari.image"})[0]["Id"]
    labels = {docker_client.KIND_CLUSTER: name, "io.x-k8s.kind.role": "control-plane"}
    made = docker_client.api().create_container(
        image, ["none"], name=f"{name}-control-plane", labels=labels
    )
    yield docker_client.api().inspect_container(made["Id"])
    docker_client.api().remove_container(made["Id"], force=True, v=True)


@pytest.mark.parametrize("command", [UP, ("down", "--mode", "kind", "--wipe", "--yes")])
def test_a_cluster_of_that_name_that_is_not_ours_is_left_as_it_is(
    scratch: Scratch, foreign: dict[str, Any], command: tuple[str, ...]
) -> None:
    done = scratch.call(*command)
    assert done.returncode == 1
    assert f"Cluster habari-{scratch.id}" in done.stderr
    assert "was not created by habari-local" in done.stderr
    assert docker_client.api().inspect_container(foreign["Id"]) == foreign


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ("singleuser: {memory: {limt: 2G}}\n", "config.yaml:1: singleuser.memory.limt: no such"),
        ("singleuser: [\n", "config.yaml:2: "),
    ],
)
def test_values_that_the_chart_does_not_take_are_told_with_their_line(
    scratch: Scratch, values: str, told: str
) -> None:
    (scratch.root / "config.yaml").write_text(values)
    done = scratch.call(*UP)
    assert done.returncode == 2
    assert told in done.stderr
    assert not kind.find_nodes(f"habari-{scratch.id}")
    assert left_by(scratch) == {}


def test_a_chart_out_of_reach_is_told_as_a_network_that_failed(
    scratch: Scratch, tmp_path: Path
) -> None:
    """Offline, and never downloaded before: nothing is started, and nothing half made is left."""
    own = {**with_helm(), "HABARI_CHART": ""}
    nowhere = {"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    cache = tmp_path / "cache"
    done = scratch.call(*UP, **nowhere, XDG_CACHE_HOME=str(cache), **own)
    assert done.returncode == 1
    assert f"Chart jupyterhub {VERSION}" in done.stderr
    folder = cache / "habari-local" / "charts"
    assert "the network failed" in done.stderr
    assert "Try: check the network" in done.stderr
    assert list(folder.iterdir()) == []
    assert not kind.find_nodes(f"habari-{scratch.id}")
    assert left_by(scratch) == {}


def test_nodes_are_kinds_alone(scratch: Scratch) -> None:
    done = scratch.call("up", "--mode", "process", "--nodes", "2")
    assert done.returncode == 2
    assert "Try: habari-local up --mode kind --nodes 2" in done.stderr
    assert scratch.found() == []


def test_what_it_needs_is_listed_by_doctor(scratch: Scratch, bare: dict[str, str]) -> None:
    for each in PROGRAMS:
        program(bare, each, "0.11.0")
    told = scratch.call("doctor", "--mode", "kind", "--json", **bare)
    found = {row["name"]: row for row in json.loads(told.stdout)["checks"]}
    for each in PROGRAMS:
        assert found[each]["state"] == "too old"
        assert found[each]["found"] == "0.11.0"
