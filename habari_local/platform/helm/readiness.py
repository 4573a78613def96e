"""A component on its way: whether its pods of now are up, and why they can't come up any more.

Pods of before don't count: one that is about to go may answer still, or have failed.
"""

from __future__ import annotations

import time

from habari_local.drivers.kubernetes import events as k8s_events
from habari_local.drivers.kubernetes import node_pressure
from habari_local.drivers.kubernetes.cluster import Cluster
from habari_local.drivers.kubernetes.cluster_autoscaler import Autoscaler
from habari_local.drivers.kubernetes.pod_watch import PodWatch
from habari_local.drivers.kubernetes.pods import (
    BACK_OFF,
    UNSCHEDULABLE,
    Pod,
    pull_verdict,
    with_advice,
)
from habari_local.drivers.kubernetes.rollout import Rollout

PULL_SECONDS = 180.0  # how long a registry may be busy: a kubelet asks 5 times meanwhile
ASK_SECONDS = 2.0  # between two questions for what no state of a pod tells


class Readiness:
    """The pods of a Deployment `name`, which carry the label `component`.

    `growing` is for a cluster that may add nodes: a pod without room is no failure there yet.
    """

    def __init__(
        self, cluster: Cluster, namespace: str, name: str, component: str, *, growing: bool = False
    ) -> None:
        self._cluster, self._namespace, self._component = cluster, namespace, component
        self._rollout = Rollout(cluster, namespace, name)
        self._asked = time.monotonic()
        self._pulling = 0.0  # since when the registry has been busy
        self._broken: Pod | None = None
        self._autoscaler = Autoscaler(cluster, namespace) if growing else None

    def complete(self) -> bool:
        """Whether all of its pods are of the last template, and up."""
        return self._rollout.done()

    def failed(self, following: PodWatch) -> str | None:
        """Return why its newest pod can't come up any more."""
        found = following.newest(self._component, self._rollout.template())
        failure = found and (found.failure or self._pull(found) or self._asked_for(found))
        if found and failure and self._autoscaler and failure.startswith(UNSCHEDULABLE):
            failure = self._autoscaler.refusal(found, failure)
        self._broken = found if failure else None
        return failure or None

    def _asked_for(self, pod: Pod) -> str:
        """Ask now and then for what no state tells of: what is not there to mount, a full node."""
        if pod.phase != "Pending" or time.monotonic() - self._asked < ASK_SECONDS:
            return ""
        self._asked = time.monotonic()
        missing = k8s_events.not_found(self._cluster, self._namespace, pod.name)
        return missing or node_pressure.explain_taint(self._cluster, pod.told)

    def _pull(self, pod: Pod) -> str:
        """Return why its image can't be pulled, once that was waited out or won't pass."""
        if not pod.pull:
            return ""
        now = time.monotonic()
        self._pulling = self._pulling or now
        why = pod.pull
        if BACK_OFF in why and pull_verdict(why) == "unknown":
            why = self._why(pod)
            if pull_verdict(why) != "passing" and why != pod.pull:
                return why
        over = now - self._pulling
        return f"{with_advice(why)}; after {over:.0f} s" if over >= PULL_SECONDS else ""

    def _why(self, pod: Pod) -> str:
        """Return what its events say of a pull that is not tried again yet, asked now and then."""
        if time.monotonic() - self._asked < ASK_SECONDS:
            return pod.pull
        self._asked = time.monotonic()
        said = k8s_events.failed_pull(self._cluster, self._namespace, pod.name)
        return f"{pod.pull}: {said}" if said else pod.pull

    def says(self, following: PodWatch) -> str:
        """Return in a few words how far it is."""
        word = self._autoscaler.says if self._autoscaler else ""
        newest = following.newest(self._component, self._rollout.template())
        if newest and newest.pull:
            word = f"its image can't be pulled yet: {with_advice(newest.pull)}"
        return f"{following.says(self._component)}{word and f', {word}'}"

    def evidence(self, following: PodWatch) -> list[str]:
        """Return the last events and log lines of what failed, else of what is newest."""
        newest = following.pods(self._component)[-1:]
        found = self._broken or (newest[0] if newest else None)
        return evidence(self._cluster, self._namespace, found) if found else []


def failures(cluster: Cluster, namespace: str) -> list[str]:
    """Return the evidence of every pod that failed or can't come up: a hook's among them."""
    pods = [each for each in cluster.pods(namespace) if each.failure or each.phase == "Failed"]
    return [line for each in pods if not each.user for line in evidence(cluster, namespace, each)]


def evidence(cluster: Cluster, namespace: str, found: Pod) -> list[str]:
    """Return a pod's last events and log lines, for a person to see why."""
    happened = k8s_events.of(cluster, namespace, found.name)[-8:]
    told = [f"{found.name}: {each}" for each in happened]
    return told + cluster.last_lines(namespace, found.name, 12)
