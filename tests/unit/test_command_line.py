"""The command line itself: its pipes, its help and what it says of a slip of the pen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from habari_local import console
from habari_local.config.secrets import load_secrets
from habari_local.console import Result, Table
from tests.scratch import Scratch

ROOT = Path(__file__).resolve().parents[2]
LONG = "a sentence that is a good deal longer than the eighty columns of a terminal, by some words"


def piped(*arguments: str, readers: bool) -> subprocess.CompletedProcess[str]:
    """Run habari-local into a pipe, whose reader has left before it begins unless `readers`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "habari_local", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    if readers:
        out, error = process.communicate(timeout=60)
        return subprocess.CompletedProcess(arguments, process.returncode, out, error)
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    return subprocess.CompletedProcess(arguments, process.wait(60), "", error)


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["config", "show"], ["config", "show", "--json"]],
    ids=" ".join,
)
def test_a_reader_that_leaves_is_no_error(arguments: list[str]) -> None:
    """As `habari-local … | head -1` does it."""
    done = piped(*arguments, readers=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_stream_ends_with_its_reader(scratch: Scratch) -> None:
    log = scratch.state / "process" / "logs" / "hub.log"
    log.parent.mkdir(parents=True)
    load_secrets(scratch.state)
    log.write_text("a line\n" * 100_000)
    shell = f"{subprocess.list2cmdline(scratch.command('logs', 'hub', '-n', '100000'))} | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", shell],
        cwd=scratch.root,
        env=scratch.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "hub | a line\n", "")


def test_logs_of_what_never_was_up_are_told_in_a_sentence(scratch: Scratch) -> None:
    done = scratch.call("logs", "hub")
    assert done.returncode == 1
    assert done.stderr.endswith("Try: habari-local up\n")
    assert "Traceback" not in done.stderr


def test_what_is_said_beside_a_reader_that_left_ends_nothing(tmp_path: Path) -> None:
    """Progress on standard error, `2>&1 | head -1`: the work behind it goes on."""
    done = tmp_path / "done"
    program = (
        "import pathlib, sys; from habari_local.console import board, outlive_readers\n"
        "outlive_readers()\n"
        "with board(['one']) as shown:\n"
        "    shown.ends(0, 'good', good=True)\n"
        f"pathlib.Path({str(done)!r}).touch()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    assert process.stderr
    process.stderr.close()
    assert process.wait(60) == 0
    assert done.exists()


def test_a_table_in_a_pipe_has_one_line_for_each_row(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(["what", "says", "then"], [("one", LONG, "end"), ("another", "a\nb", "")])
    console.render(Result(shown=["Head", table]))
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "Head"
    assert [line.split("  ")[0] for line in shown[1:]] == ["what", "one", "another"]
    assert shown[2] == f"one      {LONG}  end"
    assert shown[3] == "another  a b"


def test_the_version_is_told() -> None:
    assert piped("--version", readers=True).stdout == "habari-local 0.1.0\n"
