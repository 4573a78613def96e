"""What keeps a pod from running: which check of `why` it belongs to, from states and events."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from habari_local.drivers.kubernetes.cluster import Cluster
from habari_local.drivers.kubernetes.pods import Pod
from habari_local.platform.helm import pod_status
from habari_local.platform.mode import PodIssue


def pod(told: str = "", *, claims: tuple[str, ...] = (), ready: bool = False) -> Pod:
    return Pod(
        "jupyter-grace", "singleuser-server", "grace", "Pending", ready, None, "",
        told=told, claims=claims,
    )  # fmt: skip


def event(
    reason: str,
    message: str,
    name: str = "jupyter-grace",
    *,
    kind: str = "Warning",
    second: int = 0,
) -> Any:
    """An event as the client has it."""
    return SimpleNamespace(
        involved_object=SimpleNamespace(name=name), reason=reason, message=message, type=kind,
        count=5, series=None, event_time=None,
        last_timestamp=datetime(2026, 11, 25, 10, 0, second, tzinfo=UTC),
    )  # fmt: skip


class Seen(Cluster):
    """A cluster, as far as it is asked here."""

    def __init__(self, pods: list[Pod], events: list[Any]) -> None:
        vars(self)["pods_here"], vars(self)["events_here"] = pods, events
        vars(self)["api"] = SimpleNamespace(list_namespaced_event=self._listed)

    def pods(self, namespace: str) -> list[Pod]:
        found: list[Pod] = vars(self)["pods_here"]
        return found

    def last_lines(
        self, namespace: str, pod: str, count: int, since: float | None = None
    ) -> list[str]:
        return ["a last line"]

    def listed(self, ask: Callable[[], Any]) -> list[Any]:
        return list(ask().items)

    def _listed(self, namespace: str, *, field_selector: str, **_: object) -> Any:
        name = field_selector.partition("involvedObject.name=")[2]
        found = [e for e in vars(self)["events_here"] if name in ("", e.involved_object.name)]
        return SimpleNamespace(items=found)


def of_grace(pods: list[Pod], *events: Any) -> PodIssue | None:
    return pod_status.user_issue(Seen(pods, list(events)), "habari", "grace")


@pytest.mark.parametrize(
    ("told", "check"),
    [
        ("notebook: ImagePullBackOff, Back-off pulling image", "image"),
        ("notebook: ErrImagePull", "image"),
        ("notebook: InvalidImageName", "image"),
        ("Unschedulable, 0/1 nodes are available: 1 Insufficient memory.", "scheduling"),
        ("Unschedulable, 1 node(s) had volume node affinity conflict", "volume"),
        ("Unschedulable, pod has unbound immediate PersistentVolumeClaims", "volume"),
        ('notebook: CreateContainerConfigError, secret "x" not found', "spawner"),
        ("notebook: CrashLoopBackOff", "spawner"),
    ],
)
def test_each_state_has_its_check(told: str, check: str) -> None:
    found = of_grace([pod(told)])
    assert found
    assert (found.check, found.message) == (check, told)
    assert found.log == ["a last line"]


def test_nothing_is_wrong_with_one_that_is_ready_or_on_its_way() -> None:
    failed = event("Failed", "an earlier try")
    assert of_grace([pod(ready=True)], failed) is None
    assert of_grace([pod()]) is None


def test_a_volume_that_cannot_be_made_says_why() -> None:
    waits = "Unschedulable, pod has unbound immediate PersistentVolumeClaims"
    lost = event("ProvisioningFailed", 'storageclass "nowhere" not found', "claim-grace")
    found = of_grace([pod(waits, claims=("claim-grace",))], lost)
    assert found
    assert found.check == "volume"
    assert "nowhere" in found.message


def test_a_mount_that_is_not_found_shows_in_events_alone() -> None:
    found = of_grace([pod()], event("FailedMount", 'secret "x" not found'))
    assert found
    assert found.check == "volume"


def test_of_a_pod_that_is_gone_events_tell() -> None:
    failed = event("FailedScheduling", "1 Insufficient memory", second=1)
    going = event("FailedScheduling", "skip schedule deleting pod: habari/jupyter-grace", second=2)
    found = of_grace([], going, failed)
    assert found
    assert (found.check, found.message) == ("scheduling", "FailedScheduling: 1 Insufficient memory")


def test_a_server_that_ran_after_all_is_no_trouble() -> None:
    failed = event("Failed", "Failed to pull image", second=1)
    started = event("Started", "Started container", kind="Normal", second=2)
    assert of_grace([], started, failed) is None
