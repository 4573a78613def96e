"""What was backed up comes back after its platform is destroyed, in modes on this machine."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.scratch import Scratch, must_be_able_to_run

SECONDS = 800  # two clusters are made and deleted, one after the other
pytestmark = pytest.mark.timeout(SECONDS + 60)


@pytest.mark.parametrize("mode", ["process", "hub", "nohub", "kind"])
def test_everything_comes_back(scratch: Scratch, mode: str) -> None:
    must_be_able_to_run(mode)
    (scratch.root / ".gitignore").write_text(".habari/\nproject/\n__pycache__/\n")
    subprocess.run(["git", "init", "--quiet"], cwd=scratch.root, check=True)
    done = subprocess.run(
        scratch.command("drill", "restore", "--mode", mode, "--json"),
        cwd=scratch.root,
        env=scratch.environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["good"]
    things = {each["what"] for each in told["compared"]}
    assert {"odd entries", "objects"} <= things
    if mode != "nohub":
        assert {"account", "notebook in home", "checkpoint in lake"} <= things
        assert len({each["owner"] for each in told["compared"]} - {"all"}) == 3
    assert not (scratch.state / "drill-restore").exists()
