"""Each image of upstream is as images/upstream.toml has it; what is missing there is printed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from habari_local.drivers import registry
from habari_local.drivers.docker import images as docker_images
from habari_local.drivers.docker import registry as docker_registry
from habari_local.images import build
from habari_local.images.upstream import Recorded, compare, configuration, load

ROOT = Path(__file__).resolve().parents[2]
PLATFORM = "linux/amd64"  # which recorded sizes are of


@pytest.fixture(params=load(ROOT).values(), ids=lambda each: str(each.name))
def recorded(request: pytest.FixtureRequest) -> Iterator[Recorded]:
    """One image; it goes again, since a runner has no room for all of them."""
    found: Recorded = request.param
    before = docker_images.find(found.reference)
    yield found
    if before is None:
        docker_images.remove(found.reference)


@pytest.mark.timeout(1200)
def test_it_is_what_is_recorded(recorded: Recorded) -> None:
    offer = registry.ask(recorded.reference, PLATFORM, build.ca_bundle(os.environ))
    docker_registry.pull(recorded.reference, lambda _: None, None)
    found = compare(recorded, offer, configuration(recorded.reference))
    for each in found.unrecorded:
        sys.stdout.write(f"[{recorded.name}] {each}\n")
    assert found.differences == []
