"""What comes from registries: asked for, pulled, refused, compared with its record, removed."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from habari_local.config.settings import Settings
from habari_local.core.errors import HabariError
from habari_local.core.paths import Checkout
from habari_local.drivers import registry
from habari_local.drivers.docker import images as docker_images
from habari_local.drivers.docker import registry as docker_registry
from habari_local.images import push_prune
from habari_local.images.build import Images
from habari_local.images.catalogue import Image
from habari_local.images.upstream import Recorded, compare, configuration
from tests.fake_registry import fake_registry
from tests.images.conftest import ROOT, Run
from tests.images.registries import guarded, start

WORDS = "you have reached your pull rate limit"


@pytest.fixture(scope="module")
def images() -> Images:
    """The registry's own alone: this runs without the images of a cluster too."""
    made = Images(Checkout(ROOT), Settings(images="packages"), dict(os.environ))
    for task in made.tasks(["registry"]):
        task.perform(lambda _: None, None)
    return made


@pytest.fixture
def there(images: Images, run: Run, tmp_path: Path) -> Iterator[str]:
    """A reference that a real registry has, and the engine has not: of a megabyte."""
    name = f"{start(images, run).address}/team/app:1"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        entry = tarfile.TarInfo("noise")
        entry.size = 1_000_000
        tar.addfile(entry, io.BytesIO(os.urandom(entry.size)))
    (tmp_path / "root.tar").write_bytes(packed.getvalue())
    given = [f"--change={each}" for each in ("ENV LANG=C.UTF-8", "USER 1000", 'CMD ["serve"]')]
    run("import", *given, str(tmp_path / "root.tar"), name)
    run("push", name)
    run("image", "rm", name)
    yield name
    run("image", "rm", "-f", name, check=False)


def tool(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "habari_local", *arguments],
        capture_output=True, text=True, cwd=ROOT, check=False, timeout=100,
        env={**os.environ, **environ},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("told", "seen"),
    [
        ({"status": 404}, "404 Not Found, manifest unknown"),
        ({"status": 403, "code": "DENIED", "message": "it is ours"}, "403 Forbidden, it is ours"),
        ({"status": 429, "code": "TOOMANYREQUESTS", "message": WORDS}, WORDS),
        ({"status": 503, "message": "maintenance"}, "503 Service Unavailable, maintenance"),
        ({"hang": threading.Event()}, "no answer within 4 s"),
    ],
    ids=["lacks it", "denies", "limits", "fails", "hangs"],
)
def test_a_pull_that_fails_is_told_in_five_seconds_with_the_registrys_reason(
    images: Images, told: dict[str, Any], seen: str
) -> None:
    assert docker_images.find(images.reference("registry")), "the engine answers"
    with fake_registry(**told) as found:
        began = time.monotonic()
        with pytest.raises(HabariError, match=seen) as refused:
            docker_registry.pull(f"{found.address}/team/app:1", lambda _: None, None)
        assert time.monotonic() - began <= 5
    assert f"Image {found.address}/team/app:1: {found.address}: " in refused.value.message


def test_doctor_asks_a_real_registry_and_pulls_nothing(images: Images, there: str) -> None:
    given = {"HABARI_IMAGES": "packages", "HABARI_NOTEBOOK_IMAGE": there}
    done = tool("doctor", "--pull", "--mode", "nohub", "--json", **given)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = json.loads(done.stdout)["images"]
    assert found["problem"] is None
    assert 1e6 < found["download_bytes"] < 1.1e6
    assert found["platforms"] == ["linux/amd64"]
    assert docker_images.find(there) is None


def test_doctor_tells_every_refusal_at_once(images: Images, tmp_path: Path) -> None:
    with fake_registry(status=429, message=WORDS) as found:
        given = {"HABARI_IMAGES": "upstream", "HABARI_IMAGE_MIRROR": f"{found.address}/cache"}
        # The pinned chart, not here yet: its images are as recorded.
        given |= {"HABARI_CHART": "", "XDG_CACHE_HOME": str(tmp_path)}
        done = tool("doctor", "--pull", "--mode", "kind", "--json", **given)
    assert done.returncode == 1
    asked = {each["image"]: each for each in json.loads(done.stdout)["images"]}
    assert set(asked) == {"base", "notebook", "registry", "node", "chart-hub", "chart-proxy"}
    assert all(WORDS in each["problem"] for each in asked.values())
    where = asked["chart-hub"]["reference"]
    assert where == f"{found.address}/cache/quay.io/jupyterhub/k8s-hub:4.4.0"


def test_one_with_tls_and_a_password_is_asked_with_dockers_credentials(
    images: Images, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = guarded(images, run, tmp_path)
    with pytest.raises(registry.Refusal, match="401 Unauthorized"):
        registry.ask(f"{found.address}/x:1", "linux/amd64")
    for name, value in found.environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(registry.Refusal, match="404 Not Found"):
        registry.ask(f"{found.address}/x:1", "linux/amd64")


def test_an_image_is_compared_with_its_record(images: Images, there: str) -> None:
    docker_registry.pull(there, lambda _: None, None)
    offer, seen = registry.ask(there, "linux/amd64"), configuration(there)
    facts = {key: seen[key] for key in ("user", "entrypoint", "command", "volumes", "size_mb")}
    facts |= {"healthcheck": [], "platforms": ["linux/amd64"], "env": {"LANG": "C.UTF-8"}}
    facts["download_mb"] = round(offer.size / 1e6)
    exact = Recorded("app", f"{there}@{offer.digest}", facts)
    found = compare(exact, offer, seen)
    assert (found.differences, found.unrecorded) == ([], [])
    other = {**facts, "user": "root", "env": {"LANG": "de"}, "platforms": ["linux/s390x"]}
    other["size_mb"] = facts["size_mb"] * 2
    del other["command"]
    wrong = compare(replace(exact, reference=f"{there}@sha256:0", facts=other), offer, seen)
    subjects = {each.partition(":")[0] for each in wrong.differences}
    assert subjects == {"user", "env LANG", "platforms", "size_mb", "digest"}
    assert wrong.unrecorded == [f"command = {seen['command']!r}"]


def test_prune_all_removes_what_was_pulled_and_nothing_else_of_that_image(
    images: Images, there: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the very reference that we pull: a name of somebody else's for it stays."""
    pulled = f"{there}@{registry.ask(there, 'linux/amd64').digest}"
    docker_registry.pull(pulled, lambda _: None, None)
    theirs = f"{there.rpartition(':')[0]}:theirs"
    run("tag", pulled, theirs)
    known = {"app": Image("app", "pulled as it is", pull=pulled)}
    monkeypatch.setattr(
        docker_images, "habari_images", list
    )  # what is built here stays for other tests
    monkeypatch.setattr(docker_images, "remove_pushed_names", lambda: False)
    monkeypatch.setattr(Images, "catalogue", known)
    try:
        assert push_prune.prune(images) == []
        named = replace(images, settings=Settings(images="packages", notebook_image=pulled))
        assert push_prune.prune(named, every=True) == [], "a notebook image that somebody named"
        assert [each.tags for each in push_prune.prune(images, every=True)] == [(pulled,)]
        assert docker_images.find(pulled) is None
        assert docker_images.find(theirs)
    finally:
        run("image", "rm", "-f", theirs, check=False)
