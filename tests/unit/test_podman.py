"""Podman where Docker is meant: what it answers otherwise is understood."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker.errors import APIError
from requests import Response

from habari_local.config.render import compose as render
from habari_local.config.settings import Settings
from habari_local.core.paths import Checkout
from habari_local.core.polling import wait_until
from habari_local.diagnosis import host_limits, requirements
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.docker import images as docker_images
from habari_local.drivers.docker.client import ResourceLabels
from habari_local.drivers.docker.events import ContainerEvents
from habari_local.drivers.docker.images import LocalImage
from habari_local.images import push_prune
from habari_local.images.build import Images

OURS = ResourceLabels("0123456789", "hub")


def refusal(status: int, said: str) -> APIError:
    """The error that the SDK makes of an answer."""
    answer = Response()
    answer.status_code = status
    return APIError(str(status), answer, said)


class Podman:
    """What Podman 5.4.2 answers."""

    number = "5.4.2"

    def version(self) -> dict[str, Any]:
        components = [
            {"Name": "Podman Engine", "Version": self.number, "Details": {"APIVersion": "5.4.2"}},
            {"Name": "Conmon", "Version": "conmon version 2.1.12, commit: unknown"},
        ]
        return {"Version": self.number, "ApiVersion": "1.41", "Components": components}

    def info(self) -> dict[str, Any]:
        return {"ServerVersion": self.number}

    def networks(self) -> list[dict[str, Any]]:
        return [{"Name": "podman", "IPAM": {"Config": [{"Subnet": "10.88.0.0/16"}]}}]

    def events(self, **_: Any) -> Iterator[dict[str, Any]]:
        for service, found in (("hub", "starting"), ("hub", "healthy"), ("proxy", "unhealthy")):
            actor = {"ID": service, "Attributes": {docker_client.SERVICE: service}}
            yield {"Action": "health_status", "HealthStatus": found, "Actor": actor}


@pytest.fixture(autouse=True)
def podman(monkeypatch: pytest.MonkeyPatch) -> type[Podman]:
    monkeypatch.setattr(docker_client, "api", Podman)
    monkeypatch.setattr("shutil.which", lambda name, **_: f"/bin/{name}")
    return Podman


def test_podman_counts_by_its_own_version(
    podman: type[Podman], monkeypatch: pytest.MonkeyPatch
) -> None:
    """5.4 is no Docker engine that is too old."""
    found = requirements.RUNNING.check(dict(os.environ))
    assert (found.found, found.good) == ("Podman 5.4.2", True)
    monkeypatch.setattr(podman, "number", "4.9.3")
    found = requirements.RUNNING.check(dict(os.environ))
    assert (found.found, found.good, found.state) == ("Podman 4.9.3", False, "too old")


def test_what_a_health_check_found_is_heard() -> None:
    seen = ContainerEvents(OURS)
    wait_until(lambda: seen.failure("proxy") is not None, "the events", seconds=10)
    assert seen.healthy("hub")
    assert not seen.healthy("proxy")
    assert seen.failure("proxy") == "its container is unhealthy"


def test_who_is_on_a_network_already_and_who_stays_on_one_is_no_failure(
    podman: type[Podman], monkeypatch: pytest.MonkeyPatch
) -> None:
    def connected(*_: Any, **__: Any) -> None:
        said = "container 9eba is already connected to network x: network is already connected"
        raise refusal(403, said)

    def in_use(*_: Any) -> None:
        said = '"x" has associated containers with it: network is being used'
        raise refusal(500, said)

    monkeypatch.setattr(podman, "connect_container_to_network", connected, raising=False)
    monkeypatch.setattr(podman, "remove_network", in_use, raising=False)
    monkeypatch.setattr(podman, "networks", lambda *_, **__: [{"Id": "1", "Name": "x"}])
    docker_client.connect("x", "hub", "hub")
    docker_client.remove_networks(OURS)


def test_addresses_are_counted_as_podman_has_them() -> None:
    assert host_limits.ADDRESSES.check({}).found == "42751 free"


def test_no_network_is_asked_for_that_podman_makes_otherwise(tmp_path: Path) -> None:
    """It drops the option, so that a network would not be as it was asked for."""
    place = render.Place("hub", "1", tmp_path, tmp_path, "1:1", tmp_path, 0, {})
    assert render.network_options(Settings(), place) == render.NO_GATEWAY
    place = render.Place("hub", "1", tmp_path, tmp_path, "1:1", tmp_path, 0, {}, gateways=True)
    assert render.network_options(Settings(), place) == {}


def test_an_image_that_is_asked_for_is_not_pruned_under_podmans_name_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = Images(Checkout(Path(__file__).resolve().parents[2]), Settings(), {})
    labels = {"dev.habari.checkout": images.checkout.id}
    wanted = f"localhost/{images.reference('github')}"
    built = [
        LocalImage(name, (name,), 1, labels) for name in (wanted, "localhost/habari-github:old")
    ]
    monkeypatch.setattr(docker_images, "habari_images", lambda: built)
    assert [each.id for each in push_prune.unasked(images)] == ["localhost/habari-github:old"]


@pytest.mark.parametrize(
    ("name", "familiar"),
    [
        ("localhost/habari-hub:1", "habari-hub:1"),
        ("docker.io/library/postgres:17", "postgres:17"),
        ("docker.io/jupyterhub/jupyterhub:5", "jupyterhub/jupyterhub:5"),
        ("quay.io/jupyter/base-notebook:1", "quay.io/jupyter/base-notebook:1"),
        ("localhost:5000/habari-hub:1", "localhost:5000/habari-hub:1"),
    ],
)
def test_an_image_is_called_as_one_calls_it(name: str, familiar: str) -> None:
    assert docker_client.familiar_name(name) == familiar
