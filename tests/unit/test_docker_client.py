"""The engine where there is none."""

from __future__ import annotations

import gc
import socket
from pathlib import Path

import pytest
import requests

from habari_local.core.errors import HabariError
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.docker import endpoint as docker_endpoint


@pytest.mark.filterwarnings("error")
def test_a_socket_that_a_stopped_engine_left_is_told_and_left_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(left))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{left}")
    docker_client.api.cache_clear()
    try:
        assert not docker_client.reachable()
        with pytest.raises(HabariError, match="no engine answers"):
            docker_client.api()
        gc.collect()
    finally:
        docker_client.api.cache_clear()


@pytest.mark.parametrize(
    ("host", "socket_path"),
    [
        ("unix:///run/user/1001/docker.sock", "/run/user/1001/docker.sock"),
        ("unix:///home/ada/.docker/desktop/docker.sock", "/var/run/docker.sock"),
        ("tcp://192.0.2.1:2375", "/var/run/docker.sock"),
    ],
)
def test_a_container_is_given_the_socket_that_is_one_inside(host: str, socket_path: str) -> None:
    assert docker_endpoint.socket_path({"DOCKER_HOST": host}) == socket_path


def test_who_needs_no_docker_is_not_held_up_by_one_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "engine.sock"))
        silent.listen()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/engine.sock")
        monkeypatch.setattr(docker_client, "LOOK_SECONDS", 0.2)
        assert docker_client.running_modes("0123456789") == set()


def test_a_container_whose_stop_is_not_answered_in_time_is_removed_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A busy engine answered `stop` after its deadline, and `down` ended in a traceback."""
    removed = []

    class Busy:
        def stop(self, _container: str, timeout: int) -> None:
            raise requests.ReadTimeout(f"no answer after {timeout + 60} s")

        def remove_container(self, container: str, **_options: bool) -> None:
            removed.append(container)

    monkeypatch.setattr(docker_client, "api", Busy)
    docker_client._remove("c1")
    assert removed == ["c1"]
