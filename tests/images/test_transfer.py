"""Images that travel: pushed to real registries, pulled and verified by digest, refused."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from habari_local.config.settings import Settings
from habari_local.core.errors import HabariError
from habari_local.core.paths import Checkout
from habari_local.drivers.docker import images as docker_images
from habari_local.drivers.docker import registry as docker_registry
from habari_local.images import push_prune
from habari_local.images.build import Images
from tests.images.conftest import ROOT, Run
from tests.images.registries import Registry, guarded, start, wait

VALUES = """\
# What production runs.
singleuser:
  image:  # of users' servers
    name: REGISTRY.EXAMPLE.ORG/habari-jupyter
    # never latest
    tag: TAG
cull: {enabled: true}
"""


@pytest.fixture
def registry(images: Images, run: Run) -> Registry:
    return start(images, run)


def image(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "habari_local", "image", *arguments]
    return subprocess.run(
        [*command, "--set", "HABARI_IMAGES=packages"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environ},
        check=False,
        timeout=280,
    )


@pytest.mark.timeout(600)
def test_pushed_with_password_and_tls_written_down_and_verified_by_digest(
    images: Images, run: Run, tmp_path: Path
) -> None:
    registry = guarded(images, run, tmp_path)
    values = tmp_path / "config.yaml"
    values.write_text(VALUES)
    push = ["push", "notebook", "--to", f"{registry.address}/team", "--dirty", "--json"]
    push += ["--config", str(values)]
    wrong = image(*push, **{**registry.environ, "TEST_PASSWORD": "sesame"})
    assert wrong.returncode == 1
    assert f"Try: docker login {registry.address}" in wrong.stderr
    assert values.read_text() == VALUES
    for sent in (True, False):
        done = image(*push, **registry.environ)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)["images"]["notebook"]
        assert found["sent"] is sent
    name, _, tag = f"{registry.address}/team/{images.reference('notebook')}".rpartition(":")
    assert docker_images.find(f"{name}:{tag}") is None, "the name was for the way alone"
    assert values.read_text() == VALUES.replace(
        "REGISTRY.EXAMPLE.ORG/habari-jupyter", name
    ).replace("TAG", f"{tag}@{found['digest']}", 1)
    assert "open-sesame" not in done.stdout + done.stderr + wrong.stdout + wrong.stderr
    try:
        verified = image("verify", "--config", str(values), "--json", **registry.environ)
        assert verified.returncode == 0, verified.stdout + verified.stderr
        assert json.loads(verified.stdout)["good"]
    finally:
        run("image", "rm", f"{name}@{found['digest']}", check=False)


def test_what_was_pushed_is_pulled_as_the_same_image(
    images: Images, registry: Registry, run: Run
) -> None:
    here = docker_images.find(images.reference("github"))
    assert here
    done = image("push", "github", "--to", f"{registry.address}/team", "--json", "--dirty")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)["images"].values()
    there = found["reference"]
    assert there == f"{registry.address}/team/{images.reference('github')}"
    pulled = image("pull", "notebook", "--set", f"HABARI_NOTEBOOK_IMAGE={there}", "--json")
    assert pulled.returncode == 0, pulled.stderr
    assert json.loads(pulled.stdout)["images"]["notebook"]["reference"] == there
    again = docker_images.find(there)
    run("image", "rm", there)
    assert again
    assert again.id == here.id


@pytest.mark.timeout(300)
def test_a_registry_that_dies_midway_is_told_and_the_next_push_ends_it(
    images: Images, registry: Registry, run: Run
) -> None:
    dead = False

    def kill(text: str) -> None:
        nonlocal dead
        if text.startswith("Pushing") and not dead:
            dead = True
            run("kill", registry.container)

    with pytest.raises(HabariError, match=f"Image {registry.address}/habari-github:"):
        push_prune.push(images, ["github"], registry.address, kill, dirty=True)
    run("start", registry.container)
    wait(registry, run)
    for new in (True, False):
        (sent,) = push_prune.push(images, ["github"], registry.address, lambda _: None, dirty=True)
        assert sent.new is new
    assert docker_registry.digest_there(sent.target) == sent.digest


def test_what_no_commit_has_is_not_pushed(
    images: Images, registry: Registry, run: Run, tmp_path: Path
) -> None:
    def git(*arguments: str) -> None:
        known = ["-c", "user.name=t", "-c", "user.email=t@t"]
        subprocess.run(["git", *known, *arguments], cwd=tmp_path, check=True, capture_output=True)

    def push(label: str) -> list[push_prune.PushedImage]:
        made = f"habari-test-{tmp_path.name}".lower()
        text = f"FROM {images.reference('github')}\nLABEL {docker_images.COMMIT}={label}\n"
        (folder / "Dockerfile").write_text(text)
        run("build", "-q", "-t", f"{made}:1", str(folder))
        try:
            settings = Settings(images="packages", notebook_image=f"{made}:1")
            ours = Images(Checkout(tmp_path), settings, dict(os.environ))
            return push_prune.push(ours, ["notebook"], registry.address, lambda _: None)
        finally:
            run("image", "rm", f"{made}:1")

    folder = tmp_path / "context"
    folder.mkdir()
    with pytest.raises(HabariError, match="no commit of git"):
        push("abc")
    (tmp_path / ".gitignore").write_text("context\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "one")
    (tmp_path / "new file").write_text("x")
    with pytest.raises(HabariError, match=r'"new file" not committed; commit, or use --dirty'):
        push("abc")
    (tmp_path / "new file").unlink()
    with pytest.raises(HabariError, match="built from uncommitted changes"):
        push("abc-dirty")
    assert [each.new for each in push("abc")] == [True]


def test_what_has_no_digest_is_not_verified() -> None:
    done = image("verify", "127.0.0.1:9/team/notebook:1")
    assert done.returncode == 2
    assert "without a digest (NAME@sha256:…)" in done.stderr


def test_a_digest_that_the_registry_lacks_is_told(images: Images, registry: Registry) -> None:
    done = image("verify", f"{registry.address}/team/notebook:1@sha256:{64 * '0'}")
    assert done.returncode == 1
    assert f"Image {registry.address}/team/notebook@sha256:000" in done.stderr


def test_a_registry_that_nobody_runs_is_named(images: Images) -> None:
    done = image("push", "github", "--to", "127.0.0.1:9", "--dirty")
    assert done.returncode == 1
    assert re.search(r"Image 127\.0\.0\.1:9/habari-github:\w+: .*connection refused", done.stderr)
    assert docker_images.find(f"127.0.0.1:9/{images.reference('github')}") is None


def test_an_image_that_the_registry_lacks_is_named(registry: Registry) -> None:
    there = f"{registry.address}/team/none:1"
    done = image("pull", "notebook", "--set", f"HABARI_NOTEBOOK_IMAGE={there}")
    assert done.returncode == 1
    assert f"Image {there}: " in done.stderr


def test_with_packages_there_is_nothing_to_pull(images: Images) -> None:
    done = image("pull")
    assert done.returncode == 0
    assert "Nothing to pull with HABARI_IMAGES=packages." in done.stdout
