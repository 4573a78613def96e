"""Hooks of a release while helm waits for them: what goes on, and what can't end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from kubernetes import client

from habari_local.drivers.kubernetes import hooks as module
from habari_local.drivers.kubernetes.cluster import Cluster, Event
from habari_local.drivers.kubernetes.hooks import HOOK, Hooks

LONG_AGO = datetime(2026, 11, 25, tzinfo=UTC)


def found(kind: str, uid: str, *, hook: bool, owner: str = "", waiting: str = "") -> Any:
    about = {"name": f"{kind}-{uid}", "uid": uid, "creationTimestamp": LONG_AGO.isoformat()}
    state = {"waiting": {"reason": waiting, "message": f"{waiting} of it"}} if waiting else {}
    status = {
        "phase": "Pending",
        "containerStatuses": [
            {"name": "pull", "state": state, "ready": False, "restartCount": 5,
             "image": "x", "imageID": ""}
        ],
    }  # fmt: skip
    return client.V1Pod.from_dict(
        {
            "metadata": {
                **about,
                **({"annotations": {HOOK: "pre-upgrade"}} if hook else {}),
                **({"ownerReferences": [{"uid": owner, "name": "o", "kind": "Job",
                                         "apiVersion": "batch/v1"}]} if owner else {}),
            },
            "status": status,
        }
    )  # fmt: skip


class Seen:
    """A cluster with these Jobs, DaemonSets and pods; `told` is the newest event of any."""

    def __init__(self) -> None:
        self.jobs: list[Any] = []
        self.daemons: list[Any] = []
        self.pods: list[Any] = []
        self.told = "Pulling"
        self.api = SimpleNamespace(api_client=None, list_namespaced_pod=self._list("pods"))
        self.apps = SimpleNamespace(list_namespaced_daemon_set=self._list("daemons"))

    def _list(self, name: str) -> Callable[..., Any]:
        return lambda *_, **__: SimpleNamespace(items=getattr(self, name))

    def listed(self, ask: Callable[[], Any]) -> list[Any]:
        return list(ask().items)

    def raw_pods(self, namespace: str) -> list[Any]:
        return self.pods

    def events(self, namespace: str, name: str) -> list[Event]:
        return [Event(name, self.told, "", warning=False, count=1, when=0.0)]

    def failed_pull(self, namespace: str, name: str) -> str:
        return ""


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    cluster = Seen()
    batch = SimpleNamespace(list_namespaced_job=cluster._list("jobs"))
    monkeypatch.setattr(client, "BatchV1Api", lambda _: batch)
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.0)
    return cluster


def hooks_of(seen: Seen) -> Hooks:
    return Hooks(cast(Cluster, seen), "habari")


def test_a_pull_that_goes_on_is_waited_for_however_long(seen: Seen) -> None:
    hooks = hooks_of(seen)
    seen.daemons = [found("puller", "d", hook=True)]
    seen.pods = [found("pod", "p", hook=False, owner="d", waiting="ContainerCreating")]
    assert hooks.works(), "it is new"
    assert hooks.works(), "nothing changes, and the node pulls"
    seen.told = "Failed"
    assert not hooks.works()
    assert hooks.failed() is None


def test_what_an_earlier_helm_left_and_other_pods_do_not_count(seen: Seen) -> None:
    seen.daemons = [found("puller", "old", hook=True)]
    hooks = hooks_of(seen)
    seen.pods = [
        found("pod", "p", hook=False, owner="old", waiting="InvalidImageName"),
        found("user", "u", hook=False, waiting="InvalidImageName"),
    ]
    assert hooks.failed() is None
    assert hooks.progress() == ""


def test_a_hook_that_cannot_start_is_named_and_one_that_its_job_counts_is_not(seen: Seen) -> None:
    hooks = hooks_of(seen)
    seen.jobs = [found("awaiter", "j", hook=True)]
    seen.pods = [found("pod", "p", hook=False, owner="j", waiting="CrashLoopBackOff")]
    assert hooks.failed() is None
    seen.pods = [found("pod", "p", hook=False, owner="j", waiting="InvalidImageName")]
    assert hooks.failed() == "pod-p: pull: InvalidImageName, InvalidImageName of it"
