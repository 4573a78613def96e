"""`up` in kind while something can't come up: told at once, with events and log lines."""

from __future__ import annotations

import shutil
import time

import pytest

from tests.faults.clusters import KindPlatform, write_values
from tests.faults.matrix import Recovery

pytestmark = [pytest.mark.mode("kind"), pytest.mark.row(7), pytest.mark.timeout(300)]
STANDIN = "kind/manifests/github.yaml"
CONTAINERS = "      containers:\n"
HOOK = """
apiVersion: batch/v1
kind: Job
metadata:
  name: hook
  annotations: {helm.sh/hook: pre-upgrade, helm.sh/hook-delete-policy: before-hook-creation}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: hook
          image: "{{ .Values.hub.image.name }}:{{ .Values.hub.image.tag }}"
          command: [sh, -c, echo broken on purpose; exit 3]
"""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        pytest.param(
            CONTAINERS,
            "      initContainers: [{name: first, image: 'localhost:1/nowhere:1'}]\n" + CONTAINERS,
            ["first: ImagePullBackOff", "localhost:1/nowhere:1"],
            id="image",
        ),
        pytest.param(
            "secretRef: {name: habari-github}",
            "secretRef: {name: nowhere}",
            ['github: CreateContainerConfigError, secret "nowhere" not found'],
            id="secret",
        ),
        pytest.param(
            CONTAINERS + "        - name: github\n",
            "      volumes: [{name: lost, secret: {secretName: nowhere}}]\n"
            + CONTAINERS
            + "        - name: github\n"
            + "          volumeMounts: [{name: lost, mountPath: /lost}]\n",
            ["FailedMount", 'secret "nowhere" not found'],
            id="volume",
        ),
        pytest.param(
            "          args:",
            "          resources: {requests: {memory: 900Gi}}\n          args:",
            ["Unschedulable, 0/1 nodes are available: 1 Insufficient memory", "FailedScheduling"],
            id="room",
        ),
    ],
)
def test_a_pod_that_cannot_come_up_is_told_with_its_events(
    in_kind: KindPlatform, old: str, new: str, told: list[str]
) -> None:
    with in_kind.changed(STANDIN, old, new):
        began = time.monotonic()
        done = in_kind.fails()
    assert time.monotonic() - began < 60, "it must not wait for a time-out"
    assert done.returncode == 4
    assert "GitHub stand-in: " in done.stderr
    assert all(each in done.stderr for each in told), done.stderr
    assert "Try: habari-local logs github" in done.stderr


def test_after_that_up_mends_it(in_kind: KindPlatform, recovery: Recovery) -> None:
    with recovery():
        in_kind.mend()
    assert in_kind.scratch.call("status").returncode == 0


def test_a_value_that_kubernetes_refuses_is_told(in_kind: KindPlatform) -> None:
    """The chart's schema takes it: no more is said of it than that it is text."""
    write_values(in_kind.scratch, {"resources": {"limits": {"memory": "lots"}}})
    done = in_kind.fails()
    assert done.returncode == 1
    assert "quantities must match" in done.stderr


def test_a_hook_that_fails_is_told_with_its_last_words(in_kind: KindPlatform) -> None:
    chart = in_kind.scratch.root / "chart"
    shutil.copytree(in_kind.scratch.environment()["HABARI_CHART"], chart)
    (chart / "templates" / "hook.yaml").write_text(HOOK)
    write_values(in_kind.scratch)
    done = in_kind.fails("--set", f"HABARI_CHART={chart}")
    assert done.returncode == 1
    assert "pre-upgrade hooks failed" in done.stderr
    assert "broken on purpose" in done.stderr


def test_a_hub_that_crashes_is_told_with_its_last_words_and_named_by_why(
    in_kind: KindPlatform, recovery: Recovery
) -> None:
    """Users' servers go on, and the next `up` does not take the old pod's failure for its own."""
    grace = in_kind.server_of("grace")
    before = in_kind.cluster.server_of("grace").metadata.uid
    write_values(in_kind.scratch, {"extraConfig": {"crash": "raise OSError('broken on purpose')"}})
    began = time.monotonic()
    done = in_kind.fails()
    assert time.monotonic() - began < 90, "it must not wait for a time-out"
    assert done.returncode == 4
    assert "JupyterHub: hub: CrashLoopBackOff" in done.stderr
    assert "broken on purpose" in done.stderr
    found = in_kind.why()
    assert found["broken"] == "hub"
    assert "CrashLoopBackOff" in found["rungs"][-1]["seen"]
    assert any("broken on purpose" in line for line in found["log"])
    write_values(in_kind.scratch)
    with recovery():
        in_kind.mend()
    assert in_kind.cluster.server_of("grace").metadata.uid == before
    assert grace.status().ok
    assert in_kind.why("grace")["good"]
