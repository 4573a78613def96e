"""Before something is deleted it is listed, and agreed to: on a terminal, or by --yes."""

from __future__ import annotations

import os
import pty
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from habari_local import modes
from habari_local.cli import main
from habari_local.core import paths
from tests.checkouts import work_on

Call = Callable[..., tuple[int, str]]


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Call]:
    """Call the command line in a checkout that is down; nothing of Docker is there."""
    work_on(tmp_path, monkeypatch)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    monkeypatch.setattr("habari_local.drivers.docker.client.reachable", lambda: False)

    def calling(*words: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(words)
        code = ended.value.code
        assert isinstance(code, int)
        said = capsys.readouterr()
        return code, said.out + said.err

    yield calling
    paths.choose(None)


@pytest.fixture
def thesis(tmp_path: Path) -> Path:
    """What somebody has in mode process."""
    file = tmp_path / ".habari" / "process" / "homes" / "grace" / "thesis.ipynb"
    file.parent.mkdir(parents=True)
    file.write_text("months of work")
    return file


def test_where_nobody_can_be_asked_it_wants_yes(call: Call, thesis: Path, tmp_path: Path) -> None:
    code, said = call("down", "--wipe")
    assert (code, thesis.exists()) == (2, True)
    assert f"This deletes, of {tmp_path}:\n  - .habari/process/homes\n" in said
    assert "Try: habari-local --checkout" in said
    assert "down --mode process --wipe --yes" in said
    assert call("down", "--wipe", "--yes")[0] == 0
    assert not thesis.exists()


@pytest.mark.parametrize(("answer", "gone"), [("n", False), ("", False), ("y", True)])
def test_on_a_terminal_it_asks(
    call: Call, thesis: Path, monkeypatch: pytest.MonkeyPatch, answer: str, gone: bool
) -> None:
    controller, terminal = pty.openpty()
    os.write(controller, f"{answer}\n".encode())
    with open(terminal, encoding="utf-8") as keyboard:  # noqa: PTH123 (a terminal has no path here)
        monkeypatch.setattr(sys, "stdin", keyboard)
        code, _ = call("down", "--wipe")
    os.close(controller)
    assert (code == 0, not thesis.exists()) == (gone, gone)


def test_nothing_to_delete_is_no_question(call: Call) -> None:
    code, said = call("down", "--wipe")
    assert code == 0
    assert "Nothing was running" in said


def test_with_data_of_several_modes_it_wants_one_named(
    call: Call, thesis: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`down` of mode kind, then `down --wipe`: it was process, the default, that lost its homes."""
    monkeypatch.setattr(modes.get("kind"), "data", lambda _: ["cluster habari-1"])
    code, said = call("down", "--wipe", "--yes")
    assert (code, thesis.exists()) == (2, True)
    assert "2 modes have data: say which" in said
    assert "kind: cluster habari-1" in said
    assert "process: .habari/process/homes" in said


def test_the_only_mode_that_has_data_is_meant(
    call: Call, thesis: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HABARI_MODE", "hub")
    call("down", "--wipe", "--yes")
    assert not thesis.exists()


@pytest.mark.parametrize(
    ("words", "now"),
    [
        (("up", "--fresh"), "--recreate"),
        (("up", "--keep"), "--no-rollback"),
        (("backup", "restore", "x", "--over"), "--overwrite"),
        (("config", "init", "--with"), "--answer"),
        (("down", "--yes-i-mean"), "--confirm"),
    ],
)
def test_an_option_that_had_another_name_is_told(
    call: Call, words: tuple[str, ...], now: str
) -> None:
    code, said = call(*words)
    assert code == 2
    assert f"{words[-1]} is now {now}." in said


def test_recreating_lists_and_wants_yes(call: Call, thesis: Path) -> None:
    code, said = call("up", "--mode", "process", "--recreate")
    assert (code, thesis.exists()) == (2, True)
    assert "up --mode process --recreate --yes" in said
