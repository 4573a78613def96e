"""What a pod's status tells: ready, on its way, or never going to come up."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes.client import V1Pod

from habari_local.drivers.kubernetes.pods import Pod, described, pull_verdict, with_advice


def pod(*containers: dict[str, Any], conditions: tuple[dict[str, Any], ...] = ()) -> Pod:
    """A pod as the API server answers."""
    status = {
        "phase": "Pending",
        "conditions": [{"status": "True", **each} for each in conditions],
        "containerStatuses": [
            {
                "name": "hub",
                "image": "",
                "imageID": "",
                "ready": False,
                "restartCount": 0,
                **each,
            }
            for each in containers
        ],
    }
    labels = {"component": "hub", "app": "jupyterhub"}
    about = {"name": "hub-1", "labels": labels, "creationTimestamp": "2026-11-25T10:00:00Z"}
    data = {"metadata": about, "spec": None, "status": status}
    made = V1Pod.from_dict(data)
    assert made is not None
    return described(made)


def waiting(reason: str, **more: Any) -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason, "message": "why"}}, **more}


@pytest.mark.parametrize(
    ("container", "told"),
    [
        (waiting("ContainerCreating"), ""),
        (waiting("ErrImagePull"), ""),
        (waiting("ImagePullBackOff"), ""),  # an older Kubernetes: its events say why
        (waiting("CreateContainerConfigError"), "hub: CreateContainerConfigError, why"),
        (waiting("CrashLoopBackOff", restartCount=1), ""),
        (waiting("CrashLoopBackOff", restartCount=2), "hub: CrashLoopBackOff, why"),
    ],
)
def test_a_container_that_waits_for_nothing(container: dict[str, Any], told: str) -> None:
    assert pod(container).failure == told


def test_a_kubelet_that_has_just_begun_asks_again() -> None:
    message = "failed to sync secret cache: timed out waiting for the condition"
    state = {"waiting": {"reason": "CreateContainerConfigError", "message": message}}
    assert pod({"state": state}).failure == ""


def test_a_container_that_took_too_much_memory() -> None:
    ended = {"lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}
    assert "memory" in pod({"state": {}, **ended}).failure


@pytest.mark.parametrize(
    ("message", "hopeless"),
    [
        ("0/1 nodes are available: 1 Insufficient memory.", True),
        ("0/1 nodes are available: 1 node(s) had untolerated taint(s).", False),
        ("1 node(s) had untolerated taint {node.kubernetes.io/disk-pressure: }.", True),
        ("0/2 nodes are available: 1 node(s) had volume node affinity conflict.", True),
    ],
)
def test_a_pod_that_fits_on_no_node(message: str, hopeless: bool) -> None:
    scheduled = {"type": "PodScheduled", "status": "False", "message": message}
    assert bool(pod(conditions=(scheduled,)).failure) == hopeless


def test_a_pod_that_is_ready() -> None:
    found = pod({"state": {}}, conditions=({"type": "Ready"},))
    assert (found.ready, found.failure, found.title) == (True, "", "hub")


HEAD = 'failed to pull and unpack image "q.test/denied:429": failed to resolve "q.test/x": '
ASKED = "unexpected status from HEAD request to https://q.test/v2/503/denied/manifests/1"


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ("q.test/x:1: not found", "final"),
        ("pull access denied, repository does not exist or may require authorization", "final"),
        (f"{ASKED}: 403 Forbidden", "final"),
        ("failed to authorize: failed to fetch oauth token: 401 Unauthorized", "final"),
        (f"{ASKED}: 503 Service Unavailable", "passing"),
        (f"{ASKED}: 500 Internal Server Error", "passing"),
        (f"{ASKED}: 429 Too Many Requests - toomanyrequests: your pull rate limit", "passing"),
        ('failed to do request: Head "https://q.test/v2/": dial tcp: i/o timeout', "passing"),
        (
            'failed to do request: Head "https://q.test/v2/": net/http: TLS handshake timeout',
            "passing",
        ),
        ('failed to do request: Head "https://q.test/v2/": context deadline exceeded', "passing"),
        ('failed to do request: Head "https://q.test/v2/": EOF', "passing"),
        ("dial tcp: lookup q.test: Temporary failure in name resolution", "passing"),
        ("dial tcp 127.0.0.1:1: connect: connection refused", "unknown"),
        ("x509: certificate signed by unknown authority", "unknown"),
    ],
)
def test_a_pull_that_failed_passes_or_does_not(said: str, verdict: str) -> None:
    assert pull_verdict(HEAD + said) == verdict
    first = {"state": {"waiting": {"reason": "ErrImagePull", "message": HEAD + said}}}
    again = f'Back-off pulling image "q.test/x:1": ErrImagePull: {HEAD}{said}'
    second = {"state": {"waiting": {"reason": "ImagePullBackOff", "message": again}}}
    assert bool(pod(first).failure) == (verdict == "final"), "told at once"
    assert bool(pod(second).failure) == (verdict != "passing")
    assert bool(pod(second).pull) == (verdict == "passing")
    assert said in pod(second).told


def test_a_registry_that_counts_pulls_comes_with_advice() -> None:
    assert "HABARI_IMAGE_MIRROR" in with_advice("429 Too Many Requests")
    assert with_advice("503 Service Unavailable") == "503 Service Unavailable"
