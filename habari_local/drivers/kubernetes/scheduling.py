"""Why a pod gets no node: what the autoscaler says of it, and which nodes are under pressure.

The autoscaler's words are events of the pod: of Kubernetes' Cluster Autoscaler (GKE's among them,
https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md) and of Karpenter.
A node under pressure takes no pod, and ends those it has; the scheduler of Kubernetes 1.34 says
that taints keep a pod away, and not which.
"""

from __future__ import annotations

import time

from habari_local.drivers.kubernetes import events as k8s_events
from habari_local.drivers.kubernetes.cluster import SECONDS, Cluster
from habari_local.drivers.kubernetes.pods import UNSCHEDULABLE, Pod

ADDS = {"TriggeredScaleUp", "Nominated"}
REFUSES = {"NotTriggerScaleUp"}
ASK_SECONDS = 2.0
WORD_SECONDS = 30.0  # until its first word: it looks every 10 s by default
# https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/
TAINTS = {f"node.kubernetes.io/{each}-pressure" for each in ("disk", "memory", "pid")}
UNSAID = "untolerated taint"


class Autoscaler:
    """The autoscaler of a cluster, if it has one; `last_word` is its own while it adds a node."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster, self._namespace = cluster, namespace
        self._began: dict[str, float] = {}
        self._asked = 0.0
        self.last_word = ""

    def refusal(self, pod: Pod, failure: str) -> str:
        """Return why the pod gets no node, once that is sure; empty while one may be added."""
        now = time.monotonic()
        began = self._began.setdefault(pod.uid, now)
        if now - self._asked < ASK_SECONDS:
            return ""
        self._asked = now
        told = k8s_events.of(self._cluster, self._namespace, pod.name)
        words = [each for each in told if each.reason in ADDS | REFUSES]
        if words and words[-1].reason in REFUSES:
            return f"{failure}; {words[-1]}"
        self.last_word = str(words[-1]) if words else ""
        if words or now - began < WORD_SECONDS:
            return ""
        return f"{failure}; no autoscaler has said in {WORD_SECONDS:.0f} s that it adds a node"


def explain_taint(cluster: Cluster, told: str) -> str:
    """Return which nodes are under which pressure, where that may be what was told of a pod.

    Nothing where none is, or the nodes may not be asked for.
    """
    if UNSAID not in told:
        return ""
    ask = cluster.api.list_node
    nodes = cluster.attempt(lambda: ask(_request_timeout=SECONDS).items) or ()
    found = [
        f"node {each.metadata.name} has the taint {taint.key}"
        for each in nodes
        for taint in each.spec.taints or ()
        if taint.key in TAINTS
    ]
    return f"{UNSCHEDULABLE}{', '.join(found)}" if found else ""
