"""A platform that is up is found again: from a copy, after a move, and without our notes."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from habari_local.core import polling
from tests.leftovers import left_by
from tests.scratch import Scratch, free_offset, must_be_able_to_run
from tests.waiting import wait_for


@pytest.fixture(scope="module")
def platform(shared: Scratch) -> Iterator[Scratch]:
    """One that is up, and in which somebody has work."""
    shared.good("up", "--mode", "process")
    thesis(shared).parent.mkdir(parents=True)
    thesis(shared).write_text("months of work")
    yield shared
    shared.call("down")


def thesis(scratch: Scratch) -> Path:
    return scratch.state / "process" / "homes" / "grace" / "thesis.ipynb"


def test_a_copy_is_another_checkout(platform: Scratch, tmp_path: Path) -> None:
    root = shutil.copytree(platform.root, tmp_path / "copy", symlinks=True)
    copy = dataclasses.replace(platform, root=root, offset=free_offset())
    before = platform.running("process")
    assert copy.id != platform.id
    assert copy.call("status").returncode == 4
    copy.good("down", "--wipe", "--yes")
    assert not thesis(copy).exists()
    assert thesis(platform).exists()
    assert platform.running("process") == before
    platform.good("status")


def test_the_code_of_one_touches_nothing_of_another(platform: Scratch, tmp_path: Path) -> None:
    root = shutil.copytree(platform.root, tmp_path / "other", symlinks=True)
    other = dataclasses.replace(platform, root=root)
    done = platform.call("down", "--wipe", "--yes", HABARI_CHECKOUT=str(other.root))
    assert done.returncode == 2
    assert str(platform.root) in done.stderr
    assert str(other.root) in done.stderr
    assert thesis(platform).exists()
    assert thesis(other).exists()


def test_one_that_was_moved_is_the_same(platform: Scratch) -> None:
    there = platform.root.with_name("moved")
    before = platform.running("process")
    platform.root.rename(there)
    moved = dataclasses.replace(platform, root=there)
    try:
        assert moved.running("process") == before
        found = json.loads(moved.good("status", "--json"))
        assert (found["checkout"], found["good"]) == (str(there), True)
    finally:
        there.rename(platform.root)


def test_installed_it_works_on_the_checkout_around_us(platform: Scratch, tmp_path: Path) -> None:
    """As pipx and `uv tool install` leave it: the package alone, outside of any checkout."""
    site = tmp_path / "site-packages"
    shutil.copytree(platform.root / "habari_local", site / "habari_local")
    about = site / "habari_local-0.1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.4\nName: habari-local\nVersion: 0.1.0\n")

    def call(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-P", "-m", "habari_local", *words],
            cwd=folder,
            env=platform.environment(PYTHONPATH=str(site)),
            capture_output=True,
            text=True,
            check=False,
        )

    before = platform.running("process")
    up = call(platform.root / "hub", "up")
    assert up.returncode == 0, up.stderr
    assert "nothing to do" in up.stdout
    assert platform.running("process") == before
    nowhere = call(tmp_path, "down", "--wipe", "--yes")
    assert nowhere.returncode == 2
    assert "No checkout of Habari here" in nowhere.stderr
    pyproject = platform.root / "pyproject.toml"
    text = pyproject.read_text()
    pyproject.write_text(text.replace('version = "0.1.0"', 'version = "0.1.1"'))
    other = call(platform.root, "down")
    pyproject.write_text(text)
    assert other.returncode == 2
    assert "is version 0.1.1" in other.stderr
    assert platform.running("process") == before
    assert {each.name for each in site.iterdir()} == {"habari_local", about.name}


def test_what_runs_is_found_when_our_notes_are_deleted(platform: Scratch) -> None:
    # It imports what it needs at its first request: it ends if that is deleted meanwhile.
    page = f"{platform.hub_url}/services/dashboard/"
    wait_for(lambda: polling.http_ok(page), seconds=60)
    (platform.state / "envs").unlink()
    shutil.rmtree(platform.state)
    status = platform.call("status", "--json")
    assert status.returncode == 4
    states = {each["name"]: each["state"] for each in json.loads(status.stdout)["services"]}
    running = ("hub", "dashboard", "proxy", "s3", "github")
    assert states == dict.fromkeys(running, "keys lost")
    verbs = ("why", "endpoints", "s3 ls lake", "snapshot save x", "reset grace --yes", "logs hub")
    for verb in (*verbs, "restart hub", "shell hub -- true", "backup create"):
        refused = platform.call(*verb.split())
        assert refused.returncode == 4, (verb, refused.stderr)
        assert "but .habari with their keys was deleted" in refused.stderr, verb
        assert "Try: habari-local up --mode process\n" in refused.stderr, verb
    assert "Stopped: " in platform.good("down", "--wipe", "--yes")
    assert left_by(platform) == {}


def test_in_docker_too(scratch: Scratch) -> None:
    must_be_able_to_run("nohub")
    scratch.good("up", "--mode", "nohub")
    shutil.rmtree(scratch.state)
    status = json.loads(scratch.call("status", "--json").stdout)
    assert (status["mode"], status["good"]) == ("nohub", False)
    assert {each["state"] for each in status["services"]} == {"keys lost"}
    assert "Mode nohub" in scratch.call("why").stderr
    scratch.good("down")
    assert left_by(scratch) == {}


def test_volumes_of_a_checkout_that_was_here_are_named_and_adopted(
    scratch: Scratch, tmp_path: Path
) -> None:
    """Made again in another folder of the same name, as by a fresh clone."""
    must_be_able_to_run("nohub")
    first = scratch.id
    volume = f"habari-{first}-nohub_home"
    scratch.good("up", "--mode", "nohub")
    scratch.good("down")
    old = scratch.root.rename(tmp_path / "old")
    shutil.copytree(old, scratch.root, ignore=shutil.ignore_patterns(".habari"))
    shutil.rmtree(old)
    assert scratch.id != first
    up = scratch.call("up", "--mode", "nohub")
    assert up.returncode == 0, up.stderr
    assert volume in up.stderr
    assert f"--adopt {first}" in up.stderr
    assert scratch.call("up", "--mode", "nohub", "--adopt", first).returncode == 1, "it is up"
    scratch.good("down", "--wipe", "--yes")
    adopted = scratch.call("up", "--mode", "nohub", "--adopt", first)
    assert adopted.returncode == 0, adopted.stderr
    assert scratch.id == first
    assert f"volume {volume}" in scratch.good("down", "--wipe", "--yes")
    assert left_by(scratch, volumes=True) == {}
