"""A registry asked without Docker: what it has, and in whose words it refuses."""

from __future__ import annotations

import threading
import time

import pytest

from habari_local.drivers.registry import Refusal, ask, parse
from tests.fake_registry import INDEX, MANIFEST, fake_registry

LAYERS = {"config": {"digest": "sha256:c", "size": 100}, "layers": [{"size": 4000}, {"size": 900}]}
PLATFORMS = [
    {"digest": "sha256:a", "platform": {"os": "linux", "architecture": "amd64"}},
    {"digest": "sha256:b", "platform": {"os": "linux", "architecture": "arm64"}},
    {"digest": "sha256:x", "platform": {"os": "unknown", "architecture": "unknown"}},
]
DOCUMENTS = {"17": (INDEX, {"manifests": PLATFORMS}), "sha256:a": (MANIFEST, LAYERS)}


@pytest.mark.parametrize(
    ("reference", "registry", "repository", "version"),
    [
        ("python:3.13", "docker.io", "library/python", "3.13"),
        ("kindest/node:v1@sha256:ab", "docker.io", "kindest/node", "sha256:ab"),
        ("quay.io/jupyterhub/k8s-hub:4.4.0", "quay.io", "jupyterhub/k8s-hub", "4.4.0"),
        ("localhost:5001/x", "localhost:5001", "x", "latest"),
    ],
)
def test_references_are_taken_apart_as_docker_does(
    reference: str, registry: str, repository: str, version: str
) -> None:
    found = parse(reference)
    assert (found.registry, found.repository, found.version) == (registry, repository, version)


@pytest.mark.parametrize("token", ["", "of-the-day"])
def test_an_index_tells_platforms_and_the_size_for_one(token: str) -> None:
    with fake_registry(documents=DOCUMENTS, token=token) as registry:
        offer = ask(f"{registry.address}/library/postgres:17", "linux/amd64")
    assert offer.platforms == ("linux/amd64", "linux/arm64")
    assert offer.size == 5000
    assert offer.digest == "sha256:1"


def test_a_platform_that_is_not_offered_has_no_size() -> None:
    with fake_registry(documents=DOCUMENTS) as registry:
        offer = ask(f"{registry.address}/library/postgres:17", "linux/riscv64")
    assert offer.size == 0


@pytest.mark.parametrize(
    ("status", "said", "headers", "told", "hint"),
    [
        (404, "manifest unknown", {}, "404 Not Found, manifest unknown", "config set"),
        (403, "access is denied", {}, "403 Forbidden, access is denied", "docker login"),
        (429, "slow down", {"Retry-After": "60"}, "it says to retry after 60 s", "docker login"),
        (503, "maintenance", {}, "503 Service Unavailable, maintenance", "config set"),
    ],
)
def test_a_refusal_is_told_in_the_registrys_words(
    status: int, said: str, headers: dict[str, str], told: str, hint: str
) -> None:
    with (
        fake_registry(status=status, message=said, headers=headers) as registry,
        pytest.raises(Refusal) as refused,
    ):
        ask(f"{registry.address}/x:1", "linux/amd64")
    assert told in refused.value.message
    assert refused.value.answered
    assert hint in refused.value.hint


def test_one_that_is_silent_is_given_up_within_five_seconds() -> None:
    began = time.monotonic()
    with (
        fake_registry(hang=threading.Event()) as registry,
        pytest.raises(Refusal, match="no answer within 4 s") as refused,
    ):
        ask(f"{registry.address}/x:1", "linux/amd64")
    assert time.monotonic() - began < 5
    assert not refused.value.answered


def test_one_that_is_not_there_is_told() -> None:
    with pytest.raises(Refusal, match=r"127\.0\.0\.1:9: the connection was refused"):
        ask("127.0.0.1:9/x:1", "linux/amd64")
