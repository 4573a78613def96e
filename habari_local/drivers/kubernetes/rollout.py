"""How far a Deployment is with what it was last told: which of its pods are of that, and all up."""

from __future__ import annotations

import time
from typing import Any

from habari_local.drivers.kubernetes.cluster import Cluster

INTERVAL = 0.25  # seconds between two questions: it is asked beside a page that is polled
TEMPLATE = "pod-template-hash"  # label by which a Deployment tells its pods apart


class Rollout:
    """Follows a Deployment by asking; what was asked a moment ago is not asked again."""

    def __init__(self, cluster: Cluster, namespace: str, name: str) -> None:
        self._cluster, self._namespace, self._name = cluster, namespace, name
        self._asked = 0.0
        self._done, self._template = False, ""

    def done(self) -> bool:
        """Whether every pod is of the last template, and up."""
        self._look()
        return self._done

    def template(self) -> str:
        """The hash of the last template; empty until the controller has seen it."""
        self._look()
        return self._template

    def _look(self) -> None:
        if self._done or time.monotonic() - self._asked < INTERVAL:
            return
        found = self._cluster.deployment(self._namespace, self._name)
        self._asked = time.monotonic()
        if found is None or (found.status.observed_generation or 0) < found.metadata.generation:
            return
        self._template = self._of_now(found)
        status, wanted = found.status, found.spec.replicas
        counts = (status.replicas, status.updated_replicas, status.available_replicas)
        self._done = all((count or 0) == wanted for count in counts)

    def _of_now(self, found: Any) -> str:
        """The hash of what the Deployment says now; empty until pods of that are asked for.

        Its revision can't tell: with the strategy Recreate it is the old one until old pods are
        gone.
        """
        sets = self._cluster.replica_sets(self._namespace, found.spec.selector.match_labels)
        wanted = _content(found)
        fitting = [each for each in sets if _content(each) == wanted]
        return str(fitting[0].metadata.labels[TEMPLATE]) if fitting else ""


def _content(found: Any) -> tuple[Any, ...]:
    """What pods are made of, by a Deployment or a ReplicaSet: all but the hash."""
    template = found.spec.template
    labels = {**(template.metadata.labels or {}), TEMPLATE: None}
    return labels, template.metadata.annotations or {}, template.spec
