"""The images of this checkout, built from packages, for tests of what came out."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from habari_local.config.settings import Settings
from habari_local.core.paths import Checkout
from habari_local.drivers.docker import client as docker_client
from habari_local.images.build import Images

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def images() -> Images:
    """The catalogue's images with HABARI_IMAGES=packages, every one of them there."""
    if not docker_client.reachable():
        pytest.skip("no Docker engine answers here")
    made = Images(Checkout(ROOT), Settings(images="packages"), dict(os.environ))
    for task in made.tasks(()):  # nothing to do after `nox -s images`, which builds side by side
        task.perform(lambda _: None, None)
    return made


@pytest.fixture
def run() -> Iterator[Run]:
    """Docker's command line: `run("run", ...)`; containers and volumes of the test are removed."""
    mark = f"dev.habari.test={uuid.uuid4().hex}"

    def call(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        words = list(arguments)
        if words[0] in {"run", "create"} or words[:2] == ["volume", "create"]:
            words.insert(1 if words[0] != "volume" else 2, f"--label={mark}")
        done = subprocess.run(
            ["docker", *words], capture_output=True, text=True, timeout=100, check=False
        )
        assert not check or done.returncode == 0, done.stderr + done.stdout
        return done

    yield call
    for kind in (["ps", "-aq"], ["volume", "ls", "-q"]):
        found = call(*kind, "--filter", f"label={mark}").stdout.split()
        if found:
            call(*(["rm", "-fv"] if kind[0] == "ps" else ["volume", "rm", "-f"]), *found)
