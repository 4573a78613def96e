"""What a pod's status tells: ready, on its way, or never going to come up."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes.client import V1Pod

from habari_local.drivers.pods import Pod, described


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
        (waiting("ImagePullBackOff"), "hub: ImagePullBackOff, why"),
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
