"""What runs in a namespace, as `status` and `logs` tell it: services by their pods, and servers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from habari_local.core import polling
from habari_local.core.errors import NotRunning
from habari_local.drivers.kubernetes.cluster import Cluster
from habari_local.drivers.kubernetes.pods import Pod
from habari_local.platform.mode import SHELL, ServiceStatus

Log = tuple[str, Iterator[str]]  # what a log is called, and its lines as they come


def service(name: str, page: str, pods: Sequence[Pod], memory: Mapping[str, int]) -> ServiceStatus:
    """Return how a service is, by its pods and by the page that it answers."""
    address = "/".join(page.split("/")[:3])
    if not pods:
        return ServiceStatus(name, "stopped", address)
    # Beside the one that works there may be one that was evicted, or that can't follow it.
    pod = max(pods, key=lambda each: (each.ready, each.created))
    state = "running" if pod.ready and polling.http_ok(page) else "not answering"
    return ServiceStatus(name, state, address, pod.since, memory.get(pod.name))


def servers(pods: Sequence[Pod], memory: Mapping[str, int]) -> list[ServiceStatus]:
    """Return how users' servers are."""
    return [
        ServiceStatus(
            "server",
            "running" if pod.ready else "not answering",
            "",
            pod.since,
            memory.get(pod.name),
            pod.user,
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


def shell(
    kubectl: Path,
    cluster: Cluster,
    namespace: str,
    pods: Sequence[Pod],
    command: Sequence[str],
    *,
    terminal: bool,
) -> tuple[str, ...]:
    """Return the call of kubectl that runs a command, or a shell, in the first pod that runs.

    Raises:
        NotRunning: none does.
    """
    running = [each for each in pods if each.phase == "Running"]
    if not running:
        raise NotRunning("Pod")
    at = (f"--kubeconfig={cluster.kubeconfig}", f"--context={cluster.context}")
    options = ("--stdin", *(("--tty",) if terminal else ()))
    where = (f"--namespace={namespace}", running[0].name)
    return (str(kubectl), *at, "exec", *options, *where, "--", *(command or SHELL))
