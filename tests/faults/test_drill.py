"""People save while parts are broken one after the other, and no acknowledged save is lost."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.parts import Platform
from tests.runnable_modes import missing
from tests.scratch import Scratch

SECONDS = 45
MODES = ["process", "hub"]


@pytest.fixture(scope="module", params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    """Modes in which the drill is one of its own; in kind it is in test_kind_work.py."""
    return str(request.param)


@pytest.fixture(scope="module")
def drilled(
    platform_of: Callable[[str], Platform],
) -> dict[str, subprocess.CompletedProcess[str]]:
    """A drill in each mode that this machine can run, all at the same time: they mostly wait."""
    able = [platform_of(mode) for mode in MODES if not missing(mode)]
    drill = ("drill", "save", "--seconds", str(SECONDS), "--json")
    with ThreadPoolExecutor(len(MODES)) as pool:
        done = pool.map(lambda each: each.scratch.call(*drill), able)
        return dict(zip((each.mode for each in able), done, strict=True))


def test_no_acknowledged_save_is_lost_while_parts_are_broken(
    platform: Platform, drilled: dict[str, subprocess.CompletedProcess[str]], mode: str
) -> None:
    done = drilled[mode]
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert (told["lost"], told["corrupted"], told["refused_but_saved"]) == ([], [], [])
    assert told["saved"] > 0
    first = told["faults"][0]  # how many there is time for depends on the machine
    assert first["name"] == "s3-killed"
    assert first["back"] is not None, "everybody whom it hit could save again"
    assert (platform.scratch.state / "report" / f"drill-{mode}.svg").is_file()
    listed = platform.scratch.good("s3", "ls", "notebooks")
    assert "drill-" not in listed, "a drill without a loss tidies up"


def test_a_drill_needs_a_platform_that_is_up_and_known_faults(scratch: Scratch) -> None:
    done = scratch.call("drill", "save")
    assert done.returncode == 1
    assert "Try: habari-local up" in done.stderr
