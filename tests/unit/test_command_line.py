"""The command line itself: its pipes, its help and what it says of a slip of the pen."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer

from habari_local.cli import app, main
from habari_local.config.secrets import load_secrets
from habari_local.core import console
from habari_local.core.console import Result, Table
from habari_local.drivers import log_files
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
    assert done.stderr.endswith("Try: habari-local up --mode process\n")
    assert "Traceback" not in done.stderr


def test_what_is_said_beside_a_reader_that_left_ends_nothing(tmp_path: Path) -> None:
    """Progress on standard error, `2>&1 | head -1`: the work behind it goes on."""
    done = tmp_path / "done"
    program = (
        "import pathlib, sys; from habari_local.core.console import board, outlive_readers\n"
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


def every_command() -> Iterator[tuple[str, Any]]:
    """Every command and group below the program, with its whole name."""

    def below(command: Any, name: str) -> Iterator[tuple[str, Any]]:
        for verb, each in getattr(command, "commands", {}).items():
            yield f"{name} {verb}", each
            yield from below(each, f"{name} {verb}")

    yield from below(typer.main.get_command(app), "habari-local")


@pytest.mark.parametrize(("name", "command"), [*every_command()], ids=lambda each: str(each)[:40])
def test_the_line_in_help_is_short_and_whole(name: str, command: Any) -> None:
    line = command.get_short_help_str(1000)
    assert len(line) <= 45
    assert command.get_short_help_str(45) == line, f"{name}: cut in --help"


def test_help_imports_nothing_heavy() -> None:
    """It is 0.25 s on a quiet machine: what takes longest of that is imports."""
    heavy = {
        *("pydantic", "rich", "boto3", "docker", "kubernetes", "requests", "psutil"),
        *("jsonschema", "pyrage", "ruamel", "dotenv", "python_on_whales"),
    }
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "habari_local", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    assert lines
    assert not {line.rpartition("|")[2].strip().partition(".")[0] for line in lines} & heavy


@pytest.mark.parametrize(
    ("typed", "said", "tried"),
    [
        ("statsu", "Did you mean 'status'", "habari-local status --help"),
        ("image bild", "Did you mean 'build'?", "habari-local image build --help"),
        ("up --mod hub", "Did you mean --mode", "habari-local up --help"),
        ("up --mode hubb", "did you mean hub?", "habari-local up --mode hub"),
        ("config set HUB_PRT 1", "did you mean HABARI_HUB_PORT?",
         "habari-local config set HABARI_HUB_PORT 1"),
        ("config get habari-hub-port", "did you mean HABARI_HUB_PORT?",
         "habari-local config get HABARI_HUB_PORT"),
        ("config unset HABARI_HUBPORT", "did you mean HABARI_HUB_PORT?",
         "habari-local config unset HABARI_HUB_PORT"),
        ("config show --set HABARI_HUB_PRT=1", "did you mean HABARI_HUB_PORT?", ""),
    ],
)  # fmt: skip
def test_a_slip_of_the_pen_is_answered_with_what_was_meant(
    typed: str, said: str, tried: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(typed.split())
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert said in told
    assert f"Try: {tried}" in told


def test_a_setting_is_set_read_and_taken_out_again(scratch: Scratch) -> None:
    def get() -> str:
        return scratch.good("config", "get", "HABARI_ADMIN_USERS").strip()

    default = get()
    scratch.good("config", "set", "HABARI_ADMIN_USERS", "margaret")
    assert get() == "margaret"
    scratch.good("config", "unset", "HABARI_ADMIN_USERS")
    assert get() == default
    assert "was not in" in scratch.good("config", "unset", "HABARI_ADMIN_USERS")


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("habari-local stat", ["status"]),
        ("habari-local up --mode k", ["kind"]),
        ("habari-local config set HABARI_HUB_P", ["HABARI_HUB_PORT"]),
        ("habari-local why ", ["ada", "grace", "linus"]),
    ],
)
def test_the_shell_completes(line: str, wanted: list[str]) -> None:
    """By what the scripts of --show-completion ask, in each shell."""
    words = line.split(" ")
    zsh = {"_TYPER_COMPLETE_ARGS": line}
    asked = {
        "bash": {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)},
        "zsh": zsh,
        "fish": {**zsh, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }
    for shell, given in asked.items():
        done = subprocess.run(
            [Path(sys.executable).with_name("habari-local")],
            cwd=ROOT,
            env={**os.environ, **given, "_HABARI_LOCAL_COMPLETE": f"complete_{shell}"},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert done.stderr == ""
        found = re.findall(r'^(?:_arguments .*\(\()?"?([\w-]+)', done.stdout, re.MULTILINE)
        assert found == wanted, shell


@pytest.mark.parametrize(
    ("line", "moment"),
    [
        ("[I 2026-11-30 10:52:19.538 JupyterHub app:3652] Ad", datetime(2026, 11, 30, 10, 52, 19)),
        ("2026-11-30T10:36:30.920Z [ConfigProxy] warn: 403",
         datetime(2026, 11, 30, 10, 36, 30, tzinfo=UTC)),
        ("127.0.0.1 - - [30/Nov/2026 10:21:34] GET /", datetime(2026, 11, 30, 10, 21, 34)),
        ("Traceback (most recent call last):", None),
        ("2026-99-99 10:00:00 is no day", None),
    ],
)  # fmt: skip
def test_a_line_tells_when_it_was_written(line: str, moment: datetime | None) -> None:
    assert log_files.written_at(line) == (moment.timestamp() if moment else None)


def test_a_time_without_a_day_is_of_the_last_24_hours() -> None:
    for ago in (5, 3600, 80_000):
        then = datetime.fromtimestamp(time.time() - ago)
        written = log_files.written_at(f"{then:%H:%M:%S} HEAD /habari-lake 200")
        assert written is not None
        assert abs(time.time() - ago - written) < 2


def test_lines_without_a_time_are_as_old_as_the_one_before() -> None:
    old, new = "2026-11-30T10:00:00Z one", "2026-11-30T11:00:00Z two"
    since = datetime(2026, 11, 30, 10, 30, tzinfo=UTC).timestamp()
    assert list(log_files.not_before([old, " a", new, " b"], since)) == [new, " b"]
    assert list(log_files.not_before([old, " a"], None)) == [old, " a"]


@pytest.mark.parametrize("follow", [False, True])
def test_several_logs_are_one_with_their_names_before_each_line(follow: bool) -> None:
    logs = [("hub", iter(["up"])), ("proxy", iter(["a", "b"]))]
    merged = list(log_files.merge(logs, follow=follow))
    assert sorted(merged) == ["hub   | up", "proxy | a", "proxy | b"]
    assert list(log_files.merge([], follow=follow)) == []
