"""What a cluster's autoscaler says of a pod that has no node: it adds one, or that would not help.

The words are events of the pod: of Kubernetes' Cluster Autoscaler (GKE's among them,
https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md) and of Karpenter.
"""

from __future__ import annotations

import time

from habari_local.drivers.kubernetes import events as k8s_events
from habari_local.drivers.kubernetes.cluster import Cluster
from habari_local.drivers.kubernetes.pods import Pod

ADDS = {"TriggeredScaleUp", "Nominated"}
REFUSES = {"NotTriggerScaleUp"}
ASK_SECONDS = 2.0
WORD_SECONDS = 30.0  # until its first word: it looks every 10 s by default


class Autoscaler:
    """The autoscaler of a cluster, if it has one; `says` is its last word while it adds a node."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster, self._namespace = cluster, namespace
        self._began: dict[str, float] = {}
        self._asked = 0.0
        self.says = ""

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
        self.says = str(words[-1]) if words else ""
        if words or now - began < WORD_SECONDS:
            return ""
        return f"{failure}; no autoscaler has said in {WORD_SECONDS:.0f} s that it adds a node"
