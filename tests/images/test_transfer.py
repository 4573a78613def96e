"""Images that travel: pushed to a real registry, pulled from it as the settings' own, refused."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from habari_local.drivers import docker
from habari_local.images.build import Images
from tests.images.conftest import ROOT, Run


@pytest.fixture
def registry(images: Images, run: Run) -> str:
    """A registry on a port of this machine; its address."""
    file = ROOT / "tests" / "images" / "registry.Dockerfile"
    base = images.reference("base")
    built = run("build", "-q", "--build-arg", f"BASE={base}", "-f", str(file), str(file.parent))
    published = ["-d", "--publish=127.0.0.1::5000"]
    container = run("run", *published, built.stdout.strip()).stdout.strip()
    address = run("port", container, "5000").stdout.strip()
    deadline = time.monotonic() + 30
    while not answers(address):
        assert time.monotonic() < deadline, run("logs", "-n5", container).stderr
        time.sleep(0.1)
    return address


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}/v2/", timeout=2):
            return True
    except (OSError, urllib.error.URLError):
        return False


def image(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "habari_local", "image", *arguments]
    packages = ["--set", "HABARI_IMAGES=packages"]
    return subprocess.run(
        [*command, *packages], capture_output=True, text=True, cwd=ROOT, check=False, timeout=100
    )


def test_what_was_pushed_is_pulled_as_the_same_image(
    images: Images, registry: str, run: Run
) -> None:
    here = docker.find(images.reference("github"))
    assert here
    done = image("push", "github", "--to", f"{registry}/team", "--json")
    assert done.returncode == 0, done.stderr
    (there,) = json.loads(done.stdout)["images"].values()
    assert there == f"{registry}/team/{images.reference('github')}"
    assert docker.find(there) is None, "the name was for the way alone"
    pulled = image("pull", "notebook", "--set", f"HABARI_NOTEBOOK_IMAGE={there}", "--json")
    assert pulled.returncode == 0, pulled.stderr
    assert json.loads(pulled.stdout)["images"]["notebook"]["reference"] == there
    again = docker.find(there)
    run("image", "rm", there)
    assert again
    assert again.id == here.id


def test_a_registry_that_nobody_runs_is_named(images: Images) -> None:
    done = image("push", "github", "--to", "127.0.0.1:9")
    assert done.returncode == 1
    assert re.search(r"Image 127\.0\.0\.1:9/habari-github:\w+: .*connection refused", done.stderr)
    assert docker.find(f"127.0.0.1:9/{images.reference('github')}") is None


def test_an_image_that_the_registry_lacks_is_named(registry: str) -> None:
    done = image("pull", "notebook", "--set", f"HABARI_NOTEBOOK_IMAGE={registry}/team/none:1")
    assert done.returncode == 1
    assert f"Image {registry}/team/none:1: " in done.stderr


def test_with_packages_there_is_nothing_to_pull(images: Images) -> None:
    done = image("pull")
    assert done.returncode == 0
    assert "Nothing to pull with HABARI_IMAGES=packages." in done.stdout
