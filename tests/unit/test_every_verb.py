"""Every verb of the command line, from its own list: no other clone is touched, ours is named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from habari_local.cli import app, main
from habari_local.commands.announce import READS, verbs
from habari_local.core import paths
from tests.checkouts import marked, work_on

VERBS = [name for name, _ in verbs(app)]
# These look at the machine, or at files that are named: they need no checkout.
WITHOUT = {"doctor", "image verify", "config secret key"}

MORE = {"tenant check": ["--all"]}  # what a verb wants beside what its options say


@pytest.fixture(autouse=True)
def _nothing_chosen() -> Iterator[None]:
    yield
    paths.choose(None)


def command(verb: str) -> list[str]:
    """A verb with something for each argument and option that it wants."""
    found: Any = typer.main.get_command(app)
    for word in verb.split():
        found = found.commands[word]
    words = [*verb.split(), *MORE.get(verb, ())]
    for each in (each for each in found.params if each.required):
        words += ["1"] if each.param_type_name == "argument" else [each.opts[0], "1"]
    return words


def content(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_list_of_readers_names_verbs() -> None:
    assert set(VERBS) >= READS | WITHOUT
    assert len(VERBS) > 40


@pytest.mark.parametrize("verb", sorted({*VERBS} - WITHOUT))
def test_a_verb_of_one_clone_does_nothing_in_another(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = marked(tmp_path / "ours"), marked(tmp_path / "theirs")
    for each in (ours, theirs):
        thesis = each / ".habari" / "process" / "homes" / "grace" / "thesis.ipynb"
        thesis.parent.mkdir(parents=True)
        thesis.write_text("months of work")
    monkeypatch.setattr(paths, "PACKAGE", ours / "habari_local")
    monkeypatch.chdir(theirs)
    before = content(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(command(verb))
    said = capsys.readouterr()
    assert ended.value.code == 2, said.err
    assert said.out == ""
    assert said.err.startswith(
        f"Two checkouts: this habari-local is {ours}'s, the checkout here is {theirs}."
    )
    assert content(tmp_path) == before


@pytest.mark.parametrize("verb", sorted({*VERBS} - READS))
def test_a_verb_that_changes_something_names_the_checkout_first(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    info = next(each for name, each in verbs(app) if name == verb)
    work_on(tmp_path, monkeypatch)
    paths.choose(tmp_path)
    with pytest.raises(TypeError):
        info.callback(no_such_option=1)
    assert capsys.readouterr().err == f"Checkout: {tmp_path}\n"
