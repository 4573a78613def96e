"""`up` in kind while something can't come up: told at once, with events and log lines."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator

import pytest

from habari_local.config.settings import Settings
from habari_local.core.paths import Checkout
from habari_local.drivers import kind
from habari_local.images.build import Images
from habari_local.modes.kind.node_images import CERTS
from tests.faults.clusters import KindPlatform, write_values
from tests.faults.matrix import Recovery
from tests.scratch import ROOT

pytestmark = [pytest.mark.mode("kind"), pytest.mark.row(7), pytest.mark.timeout(300)]
STANDIN = "kind/manifests/github.yaml"
CONTAINERS = "      containers:\n"
INIT = "      initContainers: [{name: first, image: 'IMAGE'}]\n"
# What the evaluation of values finds before helm is asked goes to the cluster, as what it misses.
UNJUDGED = ("--set", "HABARI_WAIVED_RULES=start,objects")
# A registry that is busy for a while after it was first asked, and then has no such image.
BUSY = """
import http.server, time
began = []
class Busy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        began.append(time.monotonic())
        self.send_response(503 if time.monotonic() - began[0] < 12 else 404)
        self.end_headers()
    do_HEAD = do_GET
http.server.HTTPServer(("", 5000), Busy).serve_forever()
"""
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

# As the chart's pre-puller: a DaemonSet pulls on each node, and a Job waits for that.
PULLER = """
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: hook-image-puller
  annotations: {helm.sh/hook: pre-upgrade, helm.sh/hook-weight: "-10"}
spec:
  selector: {matchLabels: {component: hook-image-puller}}
  template:
    metadata: {labels: {component: hook-image-puller}}
    spec:
      containers: [{name: pull, image: "{{ .Values.hub.image.name }}:of-nobody"}]
---
apiVersion: batch/v1
kind: Job
metadata:
  name: hook-image-awaiter
  annotations: {helm.sh/hook: pre-upgrade, helm.sh/hook-delete-policy: before-hook-creation}
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: await
          image: "{{ .Values.hub.image.name }}:{{ .Values.hub.image.tag }}"
          command: [sleep, "900"]
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
    assert "fake GitHub: " in done.stderr
    assert all(each in done.stderr for each in told), done.stderr
    assert "Try: habari-local logs github" in done.stderr


def test_an_image_that_no_registry_has_is_told_at_once(in_kind: KindPlatform) -> None:
    """The registry's own word ends it, at the first try."""
    port = in_kind.scratch.offset + 5001
    new = INIT.replace("IMAGE", f"localhost:{port}/nowhere:1") + CONTAINERS
    with in_kind.changed(STANDIN, CONTAINERS, new):
        done = in_kind.fails()
    assert "first: ErrImagePull, " in done.stderr
    assert f"localhost:{port}/nowhere:1: not found" in done.stderr


@pytest.fixture
def busy(in_kind: KindPlatform) -> Iterator[str]:
    """The name of an image of a registry that is busy."""
    name = f"busy-{in_kind.scratch.id}"
    base = Images(Checkout(ROOT), Settings(images="packages"), dict(os.environ)).reference("base")
    run = ["docker", "run", "-d", "--rm", f"--name={name}", "--network=kind", base]
    subprocess.run([*run, "python3", "-c", BUSY], check=True, capture_output=True)
    folder = f"{CERTS}/{name}:5000"
    told = f'server = "http://{name}:5000"\n[host]'
    script = f"mkdir -p {folder} && echo '{told}' >{folder}/hosts.toml"
    for each in in_kind.nodes:
        kind.execute(each, ["sh", "-c", script])
    yield f"{name}:5000/image:1"
    subprocess.run(["docker", "rm", "-f", name], check=True, capture_output=True)


def test_a_registry_that_is_busy_is_asked_again(in_kind: KindPlatform, busy: str) -> None:
    """It is waited for, and told of, until it says that there is no such image."""
    with in_kind.changed(STANDIN, CONTAINERS, INIT.replace("IMAGE", busy) + CONTAINERS):
        began = time.monotonic()
        done = in_kind.fails()
    assert 12 < time.monotonic() - began < 90
    assert f"{busy}: not found" in done.stderr
    assert "503 Service Unavailable" in done.stderr + done.stdout


def test_after_that_up_mends_it(in_kind: KindPlatform, recovery: Recovery) -> None:
    with recovery():
        in_kind.recover()
    assert in_kind.scratch.call("status").returncode == 0


def test_a_value_that_kubernetes_refuses_is_told(in_kind: KindPlatform) -> None:
    """The chart's schema takes it: no more is said of it than that it is text."""
    write_values(in_kind.scratch, {"resources": {"limits": {"memory": "lots"}}})
    done = in_kind.fails(*UNJUDGED)
    assert done.returncode == 1
    assert "quantities must match" in done.stderr


def chart_with(in_kind: KindPlatform, hook: str) -> str:
    """The setting of a chart that has a hook besides."""
    chart = in_kind.scratch.root / "chart"
    shutil.copytree(in_kind.scratch.environment()["HABARI_CHART"], chart, dirs_exist_ok=True)
    (chart / "templates" / "hook.yaml").write_text(hook)
    write_values(in_kind.scratch)
    return f"HABARI_CHART={chart}"


@pytest.mark.row(26)
def test_a_hook_that_fails_is_told_with_its_last_words(in_kind: KindPlatform) -> None:
    done = in_kind.fails("--set", chart_with(in_kind, HOOK))
    assert done.returncode == 1
    assert "pre-upgrade hooks failed" in done.stderr
    assert "broken on purpose" in done.stderr
    assert "Release habari: rolled back to revision" in done.stderr


@pytest.mark.row(26)
def test_a_hook_that_can_never_end_is_told_at_once_with_its_events(in_kind: KindPlatform) -> None:
    """helm says nothing before its own time is over: five minutes by default."""
    began = time.monotonic()
    done = in_kind.fails("--set", chart_with(in_kind, PULLER))
    assert time.monotonic() - began < 120, "helm's own time must not be waited for"
    assert done.returncode == 4
    assert "Release habari: hook-image-puller-" in done.stderr
    assert "of-nobody: not found" in done.stderr
    assert ": Failed: Failed to pull image" in done.stderr, "an event"
    assert "Release habari: rolled back to revision" in done.stderr
    assert "Try: habari-local kubectl -- describe pods" in done.stderr


def test_up_goes_back_to_the_values_that_worked(in_kind: KindPlatform) -> None:
    """Whoever tries a value has a hub all the while, and users go on."""
    grace = in_kind.server_of("grace")
    write_values(in_kind.scratch, {"extraConfig": {"crash": "raise OSError('broken on purpose')"}})
    done = in_kind.fails(*UNJUDGED)
    assert "JupyterHub: hub: CrashLoopBackOff" in done.stderr
    assert "broken on purpose" in done.stderr
    assert "Release habari: rolled back to revision" in done.stderr
    assert in_kind.scratch.call("status").returncode == 0
    assert in_kind.why("grace")["good"]
    assert grace.status().ok
    write_values(in_kind.scratch)
    again = in_kind.scratch.call("up")
    assert "nothing to do" in again.stdout, again.stdout + again.stderr
    assert in_kind.why("grace")["good"]


def test_a_hub_that_crashes_is_told_with_its_last_words_and_named_by_why(
    in_kind: KindPlatform, recovery: Recovery
) -> None:
    """Users' servers go on, and the next `up` does not take the old pod's failure for its own."""
    grace = in_kind.server_of("grace")
    before = in_kind.cluster.server_of("grace").metadata.uid
    write_values(in_kind.scratch, {"extraConfig": {"crash": "raise OSError('broken on purpose')"}})
    began = time.monotonic()
    done = in_kind.fails("--no-rollback", *UNJUDGED)
    assert time.monotonic() - began < 90, "it must not wait for a time-out"
    assert done.returncode == 4
    assert "JupyterHub: hub: CrashLoopBackOff" in done.stderr
    assert "broken on purpose" in done.stderr
    found = in_kind.why()
    assert found["broken"] == "hub"
    assert "CrashLoopBackOff" in found["checks"][-1]["message"]
    assert any("broken on purpose" in line for line in found["log"])
    write_values(in_kind.scratch)
    with recovery():
        in_kind.recover()
    assert in_kind.cluster.server_of("grace").metadata.uid == before
    assert grace.status().ok
    assert in_kind.why("grace")["good"]
