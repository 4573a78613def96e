"""Mode cluster when an upgrade can't run, and the end-to-end suite in a cluster of others."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from habari_local.core import polling
from tests.rehearsals.external_cluster import Foreign, call, good, read, words, write
from tests.scratch import Scratch

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module", autouse=True)
def release(trial: Scratch) -> Scratch:
    """The release, up; once more, since the chart settles with the second."""
    good(trial, "up")
    good(trial, "up")
    return trial


# Only in a cluster, so that it passes when the values are evaluated.
CRASH = "import os\nif 'KUBERNETES_SERVICE_HOST' in os.environ: raise SystemExit('not today')"
BROKEN = {
    "CrashLoopBackOff": {"extraConfig": {"zBroken": CRASH}},
    "ImagePullBackOff": {"image": {"name": "127.0.0.1:9/none", "tag": "5.5.0"}},
}


@pytest.mark.parametrize("told", list(BROKEN))
def test_what_can_not_run_is_taken_back_and_told(
    cluster: Foreign, trial: Scratch, told: str
) -> None:
    values = read(trial)
    broken = json.loads(json.dumps(values))
    for name, value in BROKEN[told].items():
        broken["hub"][name] = {**broken["hub"].get(name, {}), **value}
    write(trial, broken)
    done = call(trial, "up")
    write(trial, values)
    assert done.returncode == 4, done.stdout + done.stderr
    assert ("not today" if told.startswith("Crash") else "127.0.0.1:9/none") in done.stderr
    assert told in done.stderr
    assert "Release trial: rolled back to revision " in done.stderr
    now = cluster.release("trial").status()
    assert now is not None
    assert now.description.startswith("Rollback to ")
    assert json.loads(good(trial, "status", "--json"))["good"]
    assert json.loads(good(trial, "up", "--plan", "--json"))["changed"] == []


def test_a_node_that_an_autoscaler_adds_is_waited_for(cluster: Foreign, trial: Scratch) -> None:
    """The cluster has none: its two words, which are events of the pod, are said by the test."""
    values = read(trial)
    large = json.loads(json.dumps(values))
    large["hub"]["resources"] = {"requests": {"memory": "900Gi"}}
    write(trial, large)
    upping = trial.start(*words("up"))
    about = pod_without_room(cluster)
    say(cluster, about, "TriggeredScaleUp", "pod triggered scale-up: [a 1->2 (max: 2)]")
    with pytest.raises(subprocess.TimeoutExpired):
        upping.wait(8)
    say(cluster, about, "NotTriggerScaleUp", "pod didn't trigger scale-up: 1 max node group size")
    said, _ = upping.communicate(timeout=120)
    write(trial, values)
    assert upping.returncode == 4, said
    assert "Insufficient memory" in said
    assert "NotTriggerScaleUp: pod didn't trigger scale-up: 1 max node group size" in said
    assert json.loads(good(trial, "status", "--json"))["good"]


def pod_without_room(of: Foreign) -> dict[str, str]:
    """Wait for it, and return it as an event names it."""
    found: list[Any] = []

    def there() -> bool:
        pods = of.own.api.list_namespaced_pod("trial", field_selector="status.phase=Pending").items
        found[:] = [
            each
            for each in pods
            for condition in each.status.conditions or ()
            if "Insufficient memory" in (condition.message or "")
        ]
        return bool(found)

    polling.wait_until(there, "A pod without room", seconds=90)
    about = found[0].metadata
    return {"kind": "Pod", "namespace": "trial", "name": about.name, "uid": about.uid}


def say(of: Foreign, about: dict[str, str], reason: str, message: str) -> None:
    """Say it as a Cluster Autoscaler does."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    event = {
        "metadata": {"generateName": "autoscaler-"},
        "involvedObject": about,
        "reason": reason,
        "message": message,
        "type": "Normal",
        "firstTimestamp": now,
        "lastTimestamp": now,
        "source": {"component": "cluster-autoscaler"},
    }
    of.own.api.create_namespaced_event("trial", event)


def test_the_suite_runs_and_leaves_nothing(cluster: Foreign, trial: Scratch) -> None:
    root = Path(__file__).resolve().parents[2]
    (trial.root / "tests").symlink_to(root / "tests")
    said = good(trial, "e2e", "--", "-p", "no:cacheprovider")
    assert " passed" in said
    assert cluster.own.claims("trial") == ["hub-db-dir"]
