"""Mode cluster when an upgrade can't run, and the end-to-end suite in a cluster of others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.rehearsals.foreign import Foreign, call, good, read, write
from tests.scratch import Scratch

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module", autouse=True)
def release(trial: Scratch) -> Scratch:
    """The release, up; once more, since the chart settles with the second."""
    good(trial, "up")
    good(trial, "up")
    return trial


BROKEN = {
    "CrashLoopBackOff": {"extraConfig": {"broken": "raise SystemExit('not today')"}},
    "ImagePullBackOff": {"image": {"name": "127.0.0.1:9/none", "tag": "5.5.0"}},
}


@pytest.mark.parametrize("told", list(BROKEN))
def test_what_can_not_run_is_taken_back_and_told(
    cluster: Foreign, trial: Scratch, told: str
) -> None:
    values = read(trial)
    broken = json.loads(json.dumps(values))
    broken["hub"] |= BROKEN[told]
    write(trial, broken)
    done = call(trial, "up")
    write(trial, values)
    assert done.returncode == 4, done.stdout + done.stderr
    assert ("not today" if told.startswith("Crash") else "127.0.0.1:9/none") in done.stderr
    assert told in done.stderr
    now = cluster.release("trial").status()
    assert now is not None
    assert now.says.startswith("Rollback to ")
    assert json.loads(good(trial, "status", "--json"))["good"]
    assert json.loads(good(trial, "up", "--plan", "--json"))["changed"] == []


def test_the_suite_runs_and_leaves_nothing(cluster: Foreign, trial: Scratch) -> None:
    root = Path(__file__).resolve().parents[2]
    (trial.root / "tests").symlink_to(root / "tests")
    chosen = "platform or test_second_user_sees_the_notebook"
    said = good(trial, "e2e", "--", "-k", chosen, "-p", "no:cacheprovider")
    assert " passed" in said
    assert cluster.own.claims("trial") == ["hub-db-dir"]
