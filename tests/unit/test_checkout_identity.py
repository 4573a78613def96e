"""A checkout keeps its id when it is moved, a copy gets one of its own, notes can be lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from habari_local import active_mode, modes
from habari_local.config.secrets import Secrets, load_secrets
from habari_local.config.settings import Settings
from habari_local.core.checkout import NOTE, of_the_same_path
from habari_local.core.errors import HabariError
from habari_local.core.paths import Checkout
from habari_local.drivers.kind import Node
from habari_local.platform.mode import Context


@pytest.fixture
def first(tmp_path: Path) -> Checkout:
    """A checkout that has been worked in."""
    root = tmp_path / "first"
    root.mkdir()
    checkout = Checkout(root)
    checkout.state.joinpath("secrets.json").write_text("{}")
    return checkout


def at(path: Path) -> Checkout:
    """The checkout at a path as the next call finds it, with its note written."""
    checkout = Checkout(path)
    assert checkout.state.is_dir()
    assert Checkout(path).id == checkout.id, "what is written says the same"
    return checkout


def test_it_is_the_same_when_only_the_notes_are_gone(first: Checkout) -> None:
    shutil.rmtree(first.state)
    assert at(first.root).id == first.id


def test_a_move_keeps_it(first: Checkout, tmp_path: Path) -> None:
    moved = first.root.rename(tmp_path / "moved")
    assert at(moved).id == first.id


def test_a_new_one_in_the_place_of_a_moved_one_has_another(first: Checkout, tmp_path: Path) -> None:
    first.root.rename(tmp_path / "moved")
    first.root.mkdir()
    assert at(first.root).id != first.id
    assert at(tmp_path / "moved").id == first.id
    assert of_the_same_path(at(first.root).id, first.id), "so that `up` can name what was kept"


def test_a_copy_has_another_and_the_first_keeps_its_own(first: Checkout, tmp_path: Path) -> None:
    copy = shutil.copytree(first.root, tmp_path / "copy")
    second = at(copy)
    assert second.id != first.id
    assert second.identity.earlier == "", "it is known whose that is"
    assert at(first.root).id == first.id


def test_a_copy_whose_first_was_moved_is_not_taken_for_it(first: Checkout, tmp_path: Path) -> None:
    """`cp -a habari new; mv habari old`: both notes name a folder that is gone."""
    copy = shutil.copytree(first.root, tmp_path / "new")
    first.root.rename(tmp_path / "old")
    second = at(copy)
    assert (second.id != first.id, second.identity.earlier) == (True, first.id)
    assert at(tmp_path / "old").id == first.id


def test_one_that_changed_places_with_its_copy_yields(first: Checkout, tmp_path: Path) -> None:
    old = first.root.rename(tmp_path / "old")
    shutil.copytree(old, first.root)
    assert at(first.root).id == first.id
    assert at(old).id != first.id


def test_one_from_before_there_were_notes_keeps_what_it_had(first: Checkout) -> None:
    (first.state / NOTE).unlink()
    (first.root / ".habari" / NOTE).unlink(missing_ok=True)
    legacy = Checkout(first.root).id
    assert of_the_same_path(legacy, first.id)
    assert at(first.root).id == legacy


@pytest.mark.parametrize("text", ["", "no JSON", "[]", '{"id": "1"}'])
def test_a_note_that_cannot_be_read_is_none(first: Checkout, text: str) -> None:
    (first.root / ".habari" / "secrets.json").unlink()
    (first.root / ".habari" / NOTE).write_text(text)
    assert at(first.root).id == first.id


def test_what_is_up_in_the_first_is_not_up_in_its_copy(
    first: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("habari_local.drivers.docker.client.reachable", lambda: False)
    active_mode.remember(Context(first, Settings(), Secrets(), {}), "process")
    copy = at(shutil.copytree(first.root, tmp_path / "copy"))
    assert active_mode.active_mode(copy) is None
    assert active_mode.active_mode(first) == "process"


def test_a_cluster_that_runs_is_found_by_its_name(
    first: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kind puts no label of ours on its nodes."""

    def nodes(cluster: str) -> list[Node]:
        name = f"habari-{first.id}"
        found = Node("1", f"{name}-control-plane", "node", True, frozenset(), frozenset())
        return [found] if cluster == name else []

    monkeypatch.setattr("habari_local.drivers.docker.client.reachable", lambda: True)
    monkeypatch.setattr(
        "habari_local.drivers.docker.client.running_modes",
        lambda each: {"kind"} if each == first.id else set(),
    )
    monkeypatch.setattr("habari_local.drivers.docker.client.containers", lambda _: [])
    monkeypatch.setattr("habari_local.drivers.kind.find_nodes", nodes)
    assert active_mode.active_mode(first) == "kind"
    ctx = Context(first, Settings(), Secrets(), {})
    assert [row.title for row in active_mode.without_notes(ctx, "kind")] == [
        f"habari-{first.id}-control-plane"
    ]
    assert active_mode.active_mode(Checkout(first.root.parent)) is None


class TestEarlier:
    """What is kept in Docker of a checkout that was here, or that this one was."""

    @pytest.fixture
    def ctx(self, first: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
        shutil.copytree(first.root, tmp_path / "moved")
        shutil.rmtree(first.root)
        checkout = at(tmp_path / "moved")
        kept = {first.id: ["habari-first"], checkout.id[:6] + "0000": ["habari-here"], "x": ["y"]}
        monkeypatch.setattr("habari_local.drivers.docker.client.reachable", lambda: True)
        monkeypatch.setattr(
            "habari_local.drivers.docker.client.volumes_by_checkout", lambda _: kept
        )
        monkeypatch.setattr("habari_local.drivers.docker.client.running_modes", lambda _: set())
        monkeypatch.setattr("habari_local.drivers.kind.find_nodes", lambda _: [])
        monkeypatch.setattr(modes.get("hub"), "data", lambda _: [])
        return Context(checkout, Settings(), load_secrets(checkout.state), {})

    def test_it_is_named(self, ctx: Context, first: Checkout) -> None:
        found = active_mode.earlier(modes.get("hub"), ctx)
        assert list(found.values()) == [["habari-first"], ["habari-here"]]

    def test_what_is_in_use_is_left_out(
        self, ctx: Context, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("habari_local.drivers.docker.client.running_modes", lambda _: {"hub"})
        assert active_mode.earlier(modes.get("hub"), ctx) == {}

    def test_it_is_adopted(self, ctx: Context, first: Checkout) -> None:
        active_mode.adopt(modes.get("hub"), ctx, first.id)
        assert at(ctx.checkout.root).id == first.id

    def test_what_was_never_here_is_not(self, ctx: Context) -> None:
        with pytest.raises(HabariError, match="x: nothing of mode hub"):
            active_mode.adopt(modes.get("hub"), ctx, "x")
        note = json.loads((ctx.checkout.root / ".habari" / NOTE).read_text())
        assert note["id"] == ctx.checkout.id
