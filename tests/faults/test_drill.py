"""People save while parts are broken one after the other, and no acknowledged save is lost."""

from __future__ import annotations

import json

import pytest

from tests.scratch import Scratch, must_be_able_to_run


@pytest.mark.parametrize("mode", ["process", "hub"])
def test_no_acknowledged_save_is_lost_while_parts_are_broken(scratch: Scratch, mode: str) -> None:
    must_be_able_to_run(mode)
    scratch.settings["HABARI_S3_BACKEND"] = "moto"
    scratch.good("up", "--mode", mode)
    done = scratch.call("drill", "save", "--seconds", "45", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert (told["lost"], told["torn"], told["untrue"]) == ([], [], [])
    assert told["saved"] > 0
    first = told["faults"][0]  # how many there is time for depends on the machine
    assert first["name"] == "s3-killed"
    assert first["back"] is not None, "everybody whom it hit could save again"
    assert (scratch.state / "report" / f"drill-{mode}.svg").is_file()
    listed = scratch.good("s3", "ls", "notebooks")
    assert "drill-" not in listed, "a drill without a loss tidies up"


def test_a_drill_needs_a_platform_that_is_up_and_known_faults(scratch: Scratch) -> None:
    done = scratch.call("drill", "save")
    assert done.returncode == 1
    assert "Try: habari-local up" in done.stderr
