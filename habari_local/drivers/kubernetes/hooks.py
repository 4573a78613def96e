"""Hooks of a release: what helm waits for before and after an upgrade, and why one can't end.

helm itself says nothing of them until its time is over
(https://helm.sh/docs/topics/charts_hooks/): a pre-puller that waits for a tag that is not there
costs five minutes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from habari_local.drivers.kubernetes.api_errors import ApiError
from habari_local.drivers.kubernetes.cluster import SECONDS, Cluster
from habari_local.drivers.kubernetes.pods import CRASHES, UNSCHEDULABLE, Pod, described
from habari_local.drivers.kubernetes.readiness import ImagePull, evidence, explain_taint

HOOK = "helm.sh/hook"  # annotation
LOOK_SECONDS = 1.0  # between two looks
PULLS = {"Pulling", "Pulled", "Failed", "BackOff"}  # events of an image; the first: under way


class Hooks:
    """The hooks of one upgrade in a namespace: those that are not there when this is made.

    What an earlier helm left is deleted by the next one; `every` has those count too. `growing` is
    for a cluster that may add nodes. Where this account may not look, nothing is said of them.
    """

    def __init__(
        self, cluster: Cluster, namespace: str, *, growing: bool = False, every: bool = False
    ) -> None:
        self._cluster, self._namespace, self._growing = cluster, namespace, growing
        self._pulls: dict[str, ImagePull] = {}
        self._pods: list[Pod] = []
        self._jobs: set[str] = set()  # names of pods whose restarts their Job counts
        self._broken: Pod | None = None
        self._blind = False
        self._looked, self._seen = 0.0, ""
        self._earlier: frozenset[str] = frozenset()
        if not every:
            self._earlier = frozenset(self._owners())

    def failed(self) -> str | None:
        """Return why one of them can't end any more; None while they can."""
        self._look()
        for pod in self._pods:
            why = self._failure(pod)
            if why:
                self._broken = pod
                return f"{pod.name}: {why}"
        return None

    def progress(self) -> str:
        """Return in a few words what they do; "" of none."""
        self._look()
        told = [f"{e.name} {e.pull or e.told or e.phase.lower()}" for e in self._waiting()]
        return f"hooks: {', '.join(told[:3])}" if told else ""

    def show(self, say: Callable[[str], None]) -> None:
        """Have it said what they do, if there are any."""
        told = self.progress()
        if told:
            say(told)

    def works(self) -> bool:
        """Whether they did something since this was last asked; a pull that goes on is that.

        A node gives up a pull of which nothing comes for five minutes: containerd's
        `image_pull_progress_timeout`,
        https://github.com/containerd/containerd/blob/main/docs/cri/config.md.
        """
        before, self._seen = self._seen, self.progress()
        return before != self._seen or self.pulling()

    def pulling(self) -> bool:
        """Whether a node pulls an image for one of them now."""
        self._look()
        return any(self._pulls_now(each) for each in self._pods if each.phase == "Pending")

    def evidence(self) -> list[str]:
        """Return events and last lines of what can't end, else of all that have not."""
        found = [self._broken] if self._broken else self._waiting()[:3]
        return [e for pod in found for e in evidence(self._cluster, self._namespace, pod)]

    def _waiting(self) -> list[Pod]:
        return [each for each in self._pods if not each.ready and each.phase != "Succeeded"]

    def _failure(self, pod: Pod) -> str:
        if pod.failure.startswith(UNSCHEDULABLE) and self._growing:
            return ""
        if CRASHES in pod.failure and pod.name in self._jobs:
            return ""  # its Job counts them, and helm hears of that
        pull = self._pulls.setdefault(pod.name, ImagePull(self._cluster, self._namespace))
        return pod.failure or pull.refusal(pod) or explain_taint(self._cluster, pod.told)

    def _pulls_now(self, pod: Pod) -> bool:
        happened = [e for e in self._cluster.events(self._namespace, pod.name) if e.reason in PULLS]
        return bool(happened) and happened[-1].reason == "Pulling"

    def _look(self) -> None:
        if self._blind or time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        try:
            owners = self._owners()
            found = [
                each
                for each in self._cluster.raw_pods(self._namespace)
                if any(uid in owners for uid in (each.metadata.uid, *_owners_of(each)))
            ]
        except ApiError as error:
            self._blind = not error.transient
            return
        self._pods = [described(each) for each in found]
        self._jobs = {
            each.metadata.name
            for each in found
            if any(owners.get(uid) == "Job" for uid in _owners_of(each))
        }

    def _owners(self) -> dict[str, str]:
        """Return the hooks that are pods, or make some, by their uids."""
        from kubernetes import client

        batch, apps = client.BatchV1Api(self._cluster.api.api_client), self._cluster.apps
        asks = {
            "Job": batch.list_namespaced_job,
            "DaemonSet": apps.list_namespaced_daemon_set,
            "Pod": self._cluster.api.list_namespaced_pod,
        }
        found: dict[str, str] = {}
        for kind, ask in asks.items():
            try:
                listed = self._cluster.listed(
                    lambda ask=ask: ask(self._namespace, _request_timeout=SECONDS)  # type: ignore[misc]
                )
            except ApiError as error:
                self._blind = self._blind or not error.transient
                continue
            found |= {each.metadata.uid: kind for each in listed if _is_hook(each)}
        return {uid: kind for uid, kind in found.items() if uid not in self._earlier}


def _is_hook(found: Any) -> bool:
    return HOOK in (found.metadata.annotations or {})


def _owners_of(pod: Any) -> list[str]:
    return [each.uid for each in pod.metadata.owner_references or ()]
