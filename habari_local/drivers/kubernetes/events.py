"""What a cluster says happened to its objects: events, kept for an hour, the newest last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from habari_local.drivers.kubernetes.cluster import SECONDS, Cluster

AGAIN = 4  # times that a kubelet looks for what is to be mounted, in some 4 s
PULL = "Failed to pull image"
STARTED = "Started"  # of a pod whose container runs


@dataclass(frozen=True)
class Event:
    """Something that happened to an object `name`, `count` times, last at `when` (epoch)."""

    name: str
    reason: str
    message: str
    warning: bool
    count: int
    when: float

    def __str__(self) -> str:
        """As a person reads it."""
        return f"{self.reason}: {self.message}"


def of(cluster: Cluster, namespace: str, name: str) -> list[Event]:
    """Return what happened to one object."""
    return _listed(cluster, namespace, f"involvedObject.name={name}")


def of_pods(cluster: Cluster, namespace: str, prefix: str) -> list[Event]:
    """Return what happened to pods whose names begin so, those that are gone among them."""
    found = _listed(cluster, namespace, "involvedObject.kind=Pod")
    return [each for each in found if each.name.startswith(prefix)]


def not_found(cluster: Cluster, namespace: str, pod: str) -> str:
    """Return what a pod was to mount and the kubelet did not find, looked for again and again.

    The first times don't count: a new namespace gets its own certificates a moment later.
    """
    for each in of(cluster, namespace, pod):
        if each.reason == "FailedMount" and "not found" in each.message and each.count >= AGAIN:
            return str(each)
    return ""


def failed_pull(cluster: Cluster, namespace: str, pod: str) -> str:
    """Return why an image could not be pulled last; "" where nothing is told of it."""
    told = [each for each in of(cluster, namespace, pod) if PULL in each.message]
    return told[-1].message if told else ""


def _listed(cluster: Cluster, namespace: str, selector: str) -> list[Event]:
    ask = cluster.api.list_namespaced_event
    listed = cluster.attempt(
        lambda: ask(namespace, field_selector=selector, _request_timeout=SECONDS).items
    )
    return sorted((_event(each) for each in listed or ()), key=lambda each: each.when)


def _event(found: Any) -> Event:
    series = found.series
    when = (series and series.last_observed_time) or found.last_timestamp or found.event_time
    return Event(
        name=found.involved_object.name,
        reason=found.reason or "",
        message=found.message or "",
        warning=found.type == "Warning",
        count=(series and series.count) or found.count or 1,
        when=when.timestamp() if when else 0.0,
    )
