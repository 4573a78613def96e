"""A platform that is up is found again: from a copy, after a move, and without our notes."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.footprint import left_by
from tests.scratch import Scratch, free_offset


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
    copy = dataclasses.replace(platform, root=root, offset=free_offset(platform.ports))
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


def test_what_runs_is_found_when_our_notes_are_deleted(platform: Scratch) -> None:
    (platform.state / "envs").unlink()
    shutil.rmtree(platform.state)
    status = platform.call("status", "--json")
    assert status.returncode == 4
    states = {each["name"]: each["state"] for each in json.loads(status.stdout)["services"]}
    assert states == dict.fromkeys(("hub", "proxy", "s3", "github"), "keys lost")
    why = platform.call("why")
    assert "but .habari with their keys was deleted" in why.stderr
    assert "Stopped: " in platform.good("down", "--wipe", "--yes")
    assert left_by(platform) == {}
