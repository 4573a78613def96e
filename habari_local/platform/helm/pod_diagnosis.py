"""What keeps a pod from running, as the cluster tells it: its state, its events, its volumes."""

from __future__ import annotations

from collections.abc import Sequence

from habari_local.drivers.kubernetes import events as k8s_events
from habari_local.drivers.kubernetes.cluster import Cluster
from habari_local.drivers.kubernetes.pods import Pod
from habari_local.drivers.kubernetes.readiness import evidence
from habari_local.drivers.kubernetes.scheduling import explain_taint
from habari_local.platform.mode import PodIssue

# Check of `why` → words by which a state or an event belongs there; the first that fits.
CHECKS = {
    "volume": ("PersistentVolumeClaim", "volume node affinity", "FailedMount", "Provisioning"),
    "scheduling": ("Unschedulable", "FailedScheduling"),
    "image": ("ImagePull", "InvalidImageName", "ErrImage", "Failed to pull", "pulling image"),
}
OTHER = "spawner"
GOING = "skip schedule deleting pod"  # no trouble: somebody took the pod away


def of_component(cluster: Cluster, namespace: str, component: str) -> PodIssue | None:
    """Return what keeps the newest pod of a component from running; None if nothing is told."""
    found = [each for each in cluster.pods(namespace) if each.component == component]
    return _of(cluster, namespace, _newest(found)) if found else None


def of_user(cluster: Cluster, namespace: str, user: str) -> PodIssue | None:
    """Return what keeps a user's server from running, or kept the last one; None if nothing is."""
    found = [each for each in cluster.pods(namespace) if each.user == user]
    if found:
        return _of(cluster, namespace, _newest(found))
    happened = k8s_events.of_pods(cluster, namespace, f"jupyter-{user}")
    since = [n for n, each in enumerate(happened) if each.reason == k8s_events.STARTED]
    after = happened[since[-1] + 1 :] if since else happened
    failed = [str(each) for each in after if each.warning and GOING not in each.message]
    return (
        PodIssue(_check(failed[-1]), failed[-1], [str(each) for each in after]) if failed else None
    )


def _newest(found: Sequence[Pod]) -> Pod:
    return max(found, key=lambda each: each.created)


def _of(cluster: Cluster, namespace: str, pod: Pod) -> PodIssue | None:
    if pod.ready:
        return None
    claimed = [each for name in pod.claims for each in k8s_events.of(cluster, namespace, name)]
    unbound = [str(each) for each in claimed if each.warning]
    message = explain_taint(cluster, pod.told) or pod.told
    if unbound and (not message or _check(message) == "volume"):
        message = f"Unschedulable, PersistentVolumeClaim: {unbound[-1]}"
    message = message or k8s_events.not_found(cluster, namespace, pod.name)
    return (
        PodIssue(_check(message), message, evidence(cluster, namespace, pod)) if message else None
    )


def _check(message: str) -> str:
    fitting = (check for check, words in CHECKS.items() if any(word in message for word in words))
    return next(fitting, OTHER)
