"""`seed` puts what is not there, and nothing over what is newer; `reset` takes one user's all."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from habari_local.drivers.jupyterhub import HubClient
from tests.scratch import Scratch, scratch_checkout
from tests.waiting import wait_for


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scratch]:
    with scratch_checkout(tmp_path_factory.mktemp("seed")) as made:
        made.settings["HABARI_SEED"] = "seed"
        files = {
            "lake/data/a.csv": "x\n1\n",
            "notebooks/first.ipynb": "{}",
            "homes/grace/notes.txt": "hello",
        }
        for name, text in files.items():
            path = made.root / "seed" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        made.good("up")
        yield made


def seeded(scratch: Scratch, *more: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads(scratch.good("seed", "seed", "--json", *more))
    return found


def test_up_has_seeded_and_again_changes_nothing_that_is_newer(scratch: Scratch) -> None:
    home = scratch.state / "process" / "homes" / "grace" / "notes.txt"
    assert home.read_text() == "hello"
    assert scratch.good("s3", "cat", "lake/data/a.csv") == "x\n1\n"
    everything = ["lake/data/a.csv", "notebooks/first.ipynb", "homes/grace/notes.txt"]
    assert seeded(scratch) == {"written": [], "same": everything, "kept": []}

    # Changed there since: kept, and told.
    mine = scratch.root / "mine.csv"
    mine.write_text("x\n2\n")
    scratch.good("s3", "cp", str(mine), "lake/data/a.csv")
    home.write_text("my own")
    kept = seeded(scratch)
    assert kept["kept"] == ["lake/data/a.csv", "homes/grace/notes.txt"]
    assert scratch.good("s3", "cat", "lake/data/a.csv") == "x\n2\n"
    assert home.read_text() == "my own"

    # The folder's file edited after that: written.
    edited = scratch.root / "seed" / "lake" / "data" / "a.csv"
    edited.write_text("x\n3\n")
    os.utime(edited, (time.time() + 60, time.time() + 60))
    assert seeded(scratch)["written"] == ["lake/data/a.csv"]
    assert scratch.good("s3", "cat", "lake/data/a.csv") == "x\n3\n"

    # Asked for: all of it.
    assert seeded(scratch, "--overwrite")["written"] == ["homes/grace/notes.txt"]
    assert home.read_text() == "hello"


def test_a_folder_without_what_is_seeded_is_refused(scratch: Scratch) -> None:
    for folder, said in (("hub", "has none of lake, notebooks, homes"), ("gone", "no such folder")):
        refused = scratch.call("seed", folder)
        assert refused.returncode == 2
        assert said in refused.stderr


def test_reset_takes_all_of_one_user_and_nothing_of_another(scratch: Scratch) -> None:
    where = scratch.endpoints()
    homes = scratch.state / "process" / "homes"
    with HubClient(where["hub_url"], where["hub_api_token"]) as hub:
        for name in ("grace", "linus"):
            hub.ensure(name)
            hub.start(name)
        wait_for(lambda: hub.runs("grace") and hub.runs("linus"), 90)
        project = Path(where["project_path"]) / "of-all.txt"
        project.write_text("everybody's")

        refused = scratch.call("reset", "grace")
        assert refused.returncode == 2
        assert "the home of grace" in refused.stderr
        assert "the running server" in refused.stderr
        assert hub.runs("grace")

        assert "the home of grace" in scratch.good("reset", "grace", "--yes")
        assert not (homes / "grace").exists()
        assert hub.user("grace") is None
        assert not [each for each in scratch.found() if each.user == "grace"]
        assert (homes / "linus").is_dir()
        assert hub.runs("linus")
        assert project.read_text() == "everybody's"
        assert "nothing here to delete" in scratch.good("reset", "grace", "--yes")

        hub.ensure("grace")
        hub.start("grace")
        wait_for(lambda: hub.runs("grace"), 90)
