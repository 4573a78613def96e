"""Snapshots by name: refused names, what a killed command leaves, homes as each mode has them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from habari_local.backup import snapshots
from habari_local.commands import completion, snapshot
from habari_local.core.atomic_dir import PREFIX
from habari_local.core.errors import USAGE, HabariError
from habari_local.core.paths import Checkout
from habari_local.drivers.kubernetes.claim_name import claim_name
from habari_local.modes.hub.mode import _escaped
from tests.unit.test_backup import some_backup

# Ends itself, as `kill -9` does, when it has renamed what it deletes.
KILLED = """
import os, signal, sys
from pathlib import Path
from habari_local.backup import snapshots
from habari_local.core.paths import Checkout
def hook(name, args):
    if name in ("os.remove", "os.rmdir", "shutil.rmtree"):
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
snapshots.delete(Checkout(Path(sys.argv[1])), ["one"])
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    made = Checkout(tmp_path)
    monkeypatch.setattr("habari_local.core.paths.find_checkout", lambda: made)
    for name in ("one", "two"):
        some_backup(snapshots.folder(made) / name)
    return made


def test_a_name_is_plain_and_nobody_elses(checkout: Checkout) -> None:
    assert snapshots.folder(checkout).stat().st_mode & 0o777 == 0o700
    assert snapshots.place_for(checkout, "before-upgrade-2").name == "before-upgrade-2"
    for name in ("Before Upgrade", "../one", "", "-a", "a-", "a" * 64, ".making-x", "a\n"):
        with pytest.raises(HabariError, match="lower-case letters, digits and dashes") as refused:
            snapshots.place_for(checkout, name)
        tried = refused.value.hint.removeprefix("habari-local snapshot save ")
        assert snapshots.place_for(checkout, tried)
        assert refused.value.code == USAGE
    with pytest.raises(HabariError, match="Snapshot one: already there") as refused:
        snapshots.place_for(checkout, "one")
    assert refused.value.hint == "habari-local snapshot save one-2"
    with pytest.raises(HabariError, match="Snapshot onne: not there; did you mean one"):
        snapshots.find(checkout, "onne")


def test_they_are_listed_and_completed_and_what_is_half_made_is_not(checkout: Checkout) -> None:
    half = snapshots.folder(checkout) / f"{PREFIX}abc"
    (half / "backup").mkdir(parents=True)
    listed = snapshot.list_()
    assert {each["name"] for each in listed.data} == {"one", "two"}
    assert listed.data[0]["users"] == ["ada"]
    assert completion.snapshots("t") == ["two"]
    snapshots.delete(checkout, ["two"])
    assert not half.exists(), "what a killed command left is swept by the next"
    assert snapshots.names(checkout) == ["one"]


def test_a_delete_that_is_killed_leaves_no_half_of_it(checkout: Checkout) -> None:
    argv = [sys.executable, "-c", KILLED, str(checkout.root)]
    ended = subprocess.run(argv, env={**os.environ, "PYTHONPATH": str(Path.cwd())}, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert snapshots.names(checkout) == ["two"]
    assert list(snapshots.folder(checkout).glob(f"{PREFIX}*"))
    snapshots.delete(checkout, [])
    assert [each.name for each in snapshots.folder(checkout).iterdir()] == ["two"]


def test_delete_asks_and_deletes_all_or_none(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(HabariError, match="there are one, two"):
        snapshot.delete(["one", "xyz"], yes=True)
    with pytest.raises(HabariError, match="--yes is needed"):
        snapshot.delete(["one"])
    assert "snapshot one, 0 MB" in capsys.readouterr().err
    assert snapshots.names(checkout) == ["one", "two"]
    assert snapshot.delete(["one", "two"], yes=True).data == {"deleted": ["one", "two"]}
    assert "No snapshots" in str(snapshot.list_().shown)


@pytest.mark.parametrize(
    ("user", "claim", "volume"),
    [  # as KubeSpawner 7 and DockerSpawner 14 make them
        ("ada", "claim-ada", "ada"),
        ("ada-l", "claim-ada-l", "ada-2dl"),
        ("1ada", "claim-x-1ada---ba26231b", "1ada"),
        ("x--y", "claim-x-y---6484a281", "x-2d-2dy"),
        ("a.b", "claim-a-b---2e7336dc", "a-2eb"),
        ("a" * 60, f"claim-{'a' * 37}---11ee3912", "a" * 60),
    ],
)
def test_homes_are_called_as_the_spawners_call_them(user: str, claim: str, volume: str) -> None:
    assert claim_name(user) == claim
    assert _escaped(user) == volume
