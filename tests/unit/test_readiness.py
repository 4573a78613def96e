"""How long a component's image is waited for, by what the registry says of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from habari_local.drivers.kubernetes import readiness
from habari_local.drivers.kubernetes.cluster import Cluster
from habari_local.drivers.kubernetes.pods import Pod
from habari_local.drivers.kubernetes.readiness import PodWatch, Readiness
from tests.fake_kubernetes import Cluster as FakeCluster
from tests.waiting import wait_for

BUSY = "hub: ErrImagePull, unexpected status from HEAD request to https://q.test/x: 429 Too Many"
SILENT = 'hub: ImagePullBackOff, Back-off pulling image "q.test/x:1"'


class Seen(Cluster):
    """A cluster whose newest pod waits for its image; `told` is what its events say of that."""

    error = None  # it is followed, too

    def __init__(self, pull: str, told: str = "") -> None:
        vars(self)["pod"] = Pod(
            "hub-1", "hub", "", "Pending", ready=False, since=None, failure="", pull=pull
        )
        vars(self)["told"] = told
        vars(self)["api"] = SimpleNamespace(list_namespaced_event=self._listed)

    def listed(self, ask: Callable[[], Any]) -> list[Any]:
        return list(ask().items)

    def deployment(self, namespace: str, name: str) -> Any:
        return None

    def newest(self, component: str, template: str) -> Pod:
        found: Pod = vars(self)["pod"]
        return found

    def progress(self, component: str) -> str:
        return "its pod is pending"

    def _listed(self, namespace: str, **_: object) -> Any:
        told: str = vars(self)["told"]
        event = SimpleNamespace(
            involved_object=SimpleNamespace(name="hub-1"), reason="Failed", message=told,
            type="Warning", count=1, series=None, event_time=None,
            last_timestamp=datetime(2026, 11, 25, tzinfo=UTC),
        )  # fmt: skip
        return SimpleNamespace(items=[event] if told else [])


def component(seen: Seen) -> tuple[Readiness, PodWatch]:
    return Readiness(seen, "habari", "hub", "hub"), cast(PodWatch, seen)


def test_a_busy_registry_is_waited_for_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    found, following = component(Seen(BUSY))
    assert found.failed(following) is None
    assert "429 Too Many" in found.progress(following)
    monkeypatch.setattr(readiness, "PULL_SECONDS", 0.0)
    failure = found.failed(following)
    assert failure
    assert failure.startswith(BUSY)
    assert "HABARI_IMAGE_MIRROR" in failure


@pytest.mark.parametrize(
    ("told", "ended"),
    [
        ('Failed to pull image "q.test/x:1": q.test/x:1: not found', True),
        ('Failed to pull image "q.test/x:1": dial tcp: connection refused', True),
        ('Failed to pull image "q.test/x:1": 503 Service Unavailable', False),
        ("", False),
    ],
)
def test_events_say_why_where_the_pod_does_not(
    monkeypatch: pytest.MonkeyPatch, told: str, ended: bool
) -> None:
    monkeypatch.setattr(readiness, "ASK_SECONDS", 0.0)
    found, following = component(Seen(SILENT, told))
    assert found.failed(following) == (f"{SILENT}: {told}" if ended else None)


def test_nobody_follows_the_pods_after_the_last_one_who_waits_has_left(tmp_path: Path) -> None:
    """Each edit under `up --watch` left a thread behind that asked for ever."""
    server = FakeCluster()
    watch = PodWatch(Cluster(server.kubeconfig(tmp_path / "config", "trial"), "trial"), "habari")
    try:
        for _ in range(2):
            with watch:
                with watch:
                    wait_for(lambda: len(following()) == 1)
                server.asked.clear()
                wait_for(lambda: server.asked)
            wait_for(lambda: not following())
    finally:
        server.close()


def following() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "pods of habari"]
