"""What nodes have too little of: one under pressure takes no pod, and ends those it has.

The scheduler of Kubernetes 1.34 says that taints keep a pod away, and not which.
"""

from __future__ import annotations

from habari_local.drivers.kubernetes.cluster import SECONDS, Cluster
from habari_local.drivers.kubernetes.pods import UNSCHEDULABLE

# https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/
TAINTS = {f"node.kubernetes.io/{each}-pressure" for each in ("disk", "memory", "pid")}
UNSAID = "untolerated taint"


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
