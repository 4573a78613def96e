"""What an autoscaler's words mean for a pod that has no node."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from habari_local.drivers.kubernetes import readiness
from habari_local.drivers.kubernetes.cluster import Cluster
from habari_local.drivers.kubernetes.pods import Pod
from habari_local.drivers.kubernetes.readiness import Autoscaler, PodWatch, Readiness

FULL = "Unschedulable, 0/3 nodes are available: 3 Insufficient memory."
WAITING = Pod("hub-1", "hub", "", "Pending", ready=False, since=None, failure=FULL, uid="1")
NO_ROOM = "pod didn't trigger scale-up: 1 max node group size reached"


class Seen(Cluster):
    """A cluster with a pod that has no node, and what is said of it."""

    error = None  # it is followed, too

    def __init__(self, *told: tuple[str, str]) -> None:
        items = [self._event(n, *each) for n, each in enumerate(told)]
        listed = SimpleNamespace(items=items)
        vars(self)["api"] = SimpleNamespace(list_namespaced_event=lambda *_, **__: listed)

    def listed(self, ask: Callable[[], Any]) -> list[Any]:
        return list(ask().items)

    def deployment(self, namespace: str, name: str) -> Any:
        return None

    def newest(self, component: str, template: str) -> Pod:
        return WAITING

    def progress(self, component: str) -> str:
        return "its pod is pending"

    @staticmethod
    def _event(second: int, reason: str, message: str) -> Any:
        return SimpleNamespace(
            involved_object=SimpleNamespace(name="hub-1"), reason=reason, message=message,
            type="Normal", count=1, series=None, event_time=None,
            last_timestamp=datetime(2026, 11, 25, 10, 0, second, tzinfo=UTC),
        )  # fmt: skip


def asked(*told: tuple[str, str]) -> str:
    return Autoscaler(Seen(*told), "habari").refusal(WAITING, FULL)


@pytest.mark.parametrize(
    "word",
    [("TriggeredScaleUp", "pod triggered scale-up"), ("Nominated", "Pod should schedule on: x")],
)
def test_a_node_on_its_way_is_waited_for(word: tuple[str, str]) -> None:
    assert asked(("FailedScheduling", "no room"), word) == ""


def test_who_adds_none_ends_the_wait_in_its_own_words() -> None:
    late = ("TriggeredScaleUp", "pod triggered scale-up"), ("NotTriggerScaleUp", NO_ROOM)
    assert asked(*late) == f"{FULL}; NotTriggerScaleUp: {NO_ROOM}"


def test_silence_is_waited_out_first(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(("FailedScheduling", "no room")) == ""
    monkeypatch.setattr(readiness, "WORD_SECONDS", 0)
    assert asked(("FailedScheduling", "no room")).startswith(f"{FULL}; no autoscaler")


def test_only_where_nodes_may_be_added() -> None:
    """A node of kind stays as it is: there the first word of the scheduler ends the wait."""
    seen = Seen(("TriggeredScaleUp", "pod triggered scale-up"))
    following = cast(PodWatch, seen)
    fixed = Readiness(seen, "habari", "hub", "hub")
    assert fixed.failed(following) == FULL
    growing = Readiness(seen, "habari", "hub", "hub", growing=True)
    assert growing.failed(following) is None
    assert growing.progress(following) == (
        "its pod is pending, TriggeredScaleUp: pod triggered scale-up"
    )
