"""What runs in a namespace: how its pods are, what they log, and why one does not run."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence

from habari_local.core import polling
from habari_local.core.errors import HabariError
from habari_local.diagnosis import hints
from habari_local.drivers.kubernetes.cluster import STARTED, Cluster
from habari_local.drivers.kubernetes.pod_exec import Pod as ContainerOfPod
from habari_local.drivers.kubernetes.pod_exec import execute
from habari_local.drivers.kubernetes.pods import OOM, Pod, described
from habari_local.drivers.kubernetes.readiness import evidence, explain_taint
from habari_local.platform.mode import PodIssue, ServiceStatus, origin

Log = tuple[str, Iterator[str]]  # what a log is called, and its lines as they come
# Check of `why` → words by which a state or an event belongs there; the first that fits.
CHECKS = {
    "volume": ("PersistentVolumeClaim", "volume node affinity", "FailedMount", "Provisioning"),
    "scheduling": ("Unschedulable", "FailedScheduling"),
    "image": ("ImagePull", "InvalidImageName", "ErrImage", "Failed to pull", "pulling image"),
}
OTHER = "spawner"
# Of a container's control group, version 2 or 1.
OOM_COUNT = (
    "cat /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control 2>/dev/null"
    " | sed -n 's/^oom_kill //p'"
)
DELETED = "skip schedule deleting pod"  # somebody deleted the pod


def service(name: str, page: str, pods: Sequence[Pod], memory: Mapping[str, int]) -> ServiceStatus:
    """Return how a service is, by its pods and by the page that it answers."""
    address = origin(page)
    if not pods:
        return ServiceStatus(name, "stopped", address)
    # Beside the one that works there may be one that was evicted, or that can't follow it.
    pod = max(pods, key=lambda each: (each.ready, each.created))
    state = "running" if pod.ready and polling.http_ok(page) else "not answering"
    return ServiceStatus(name, state, address, pod.since, memory.get(pod.name))


def servers(pods: Sequence[Pod], memory: Mapping[str, int], image: str = "") -> list[ServiceStatus]:
    """Return how users' servers are; `image` is the one of those that start now, if known."""
    return [
        ServiceStatus(
            "server",
            "running" if pod.ready else "not answering",
            "",
            pod.since,
            memory.get(pod.name),
            pod.user,
            outdated=image not in ("", pod.image),
        )
        for pod in sorted((each for each in pods if each.user), key=lambda each: each.user)
    ]


def pod_logs(
    cluster: Cluster,
    namespace: str,
    titles: Mapping[str, str],
    count: int,
    since: float | None = None,
    *,
    follow: bool,
) -> list[Log]:
    """Return the last lines of pods' logs (pod → what it is called), then each new one."""

    def read(pod: str) -> Iterator[str]:
        ask = cluster.follow if follow else cluster.last_lines
        yield from ask(namespace, pod, count, since)

    return [(title, read(pod)) for pod, title in titles.items()]


def component_issue(cluster: Cluster, namespace: str, component: str) -> PodIssue | None:
    """Return what keeps the newest pod of a component from running; None if nothing is reported."""
    found = [each for each in cluster.pods(namespace) if each.component == component]
    return _issue(cluster, namespace, _newest(found)) if found else None


def user_issue(cluster: Cluster, namespace: str, user: str) -> PodIssue | None:
    """Return what keeps a user's server from running, or kept the last one; None if nothing is."""
    found = [each for each in cluster.pods(namespace) if each.user == user]
    if found:
        return _issue(cluster, namespace, _newest(found))
    happened = cluster.pod_events(namespace, f"jupyter-{user}")
    since = [n for n, each in enumerate(happened) if each.reason == STARTED]
    after = happened[since[-1] + 1 :] if since else happened
    failed = [str(each) for each in after if each.warning and DELETED not in each.message]
    return (
        PodIssue(_check(failed[-1]), failed[-1], [str(each) for each in after]) if failed else None
    )


def killed_for_memory(cluster: Cluster, namespace: str, user: str) -> str:
    """Return what of a user's server was killed for memory, with its limit; "" of nothing.

    Kubernetes tells of a container that ended. Of a kernel that was killed inside one that goes on
    its control group alone knows; where this account may not look into the pod, nothing is said.
    """
    selector = "component=singleuser-server"
    for raw in cluster.raw_pods(namespace, selector):
        pod = described(raw)
        if pod.user != user or pod.phase != "Running":
            continue
        container = raw.spec.containers[0]
        limit = ((container.resources and container.resources.limits) or {}).get("memory", "none")
        ended = [each.last_state for each in raw.status.container_statuses or ()]
        whole = any(e and e.terminated and e.terminated.reason == OOM for e in ended)
        if whole or _kills(ContainerOfPod(cluster, namespace, pod.name, container.name)):
            return hints.killed_for_memory(user, limit, whole=whole)
    return ""


def _kills(pod: ContainerOfPod) -> int:
    """Return how often the kernel of the machine killed a process in a container for memory."""
    said = io.BytesIO()
    try:
        execute(pod, ["sh", "-c", OOM_COUNT], into=said)
    except HabariError:
        return 0
    return int(said.getvalue().decode(errors="replace").strip() or 0)


def _newest(found: Sequence[Pod]) -> Pod:
    return max(found, key=lambda each: each.created)


def _issue(cluster: Cluster, namespace: str, pod: Pod) -> PodIssue | None:
    if pod.ready:
        return None
    claimed = [each for name in pod.claims for each in cluster.events(namespace, name)]
    unbound = [str(each) for each in claimed if each.warning]
    message = explain_taint(cluster, pod.told) or pod.told
    if unbound and (not message or _check(message) == "volume"):
        message = f"Unschedulable, PersistentVolumeClaim: {unbound[-1]}"
    message = message or cluster.missing_mount(namespace, pod.name)
    return (
        PodIssue(_check(message), message, evidence(cluster, namespace, pod)) if message else None
    )


def _check(message: str) -> str:
    fitting = (check for check, words in CHECKS.items() if any(word in message for word in words))
    return next(fitting, OTHER)
