"""What runs in a namespace, as `status` and `logs` tell it: services by their pods, and servers."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from habari_local.core import polling
from habari_local.core.errors import NotRunning
from habari_local.drivers.kubernetes.cluster import Cluster
from habari_local.drivers.kubernetes.pods import Pod
from habari_local.platform.mode import SHELL, ServiceStatus

Reader = tuple[str, Iterator[str]]  # what a log is called, and its lines as they come


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


def lines(
    cluster: Cluster,
    namespace: str,
    titles: Mapping[str, str],
    count: int,
    since: float | None = None,
) -> Iterator[str]:
    """Yield the last lines of pods' logs (pod → what it is called), one pod after the other."""
    width = max(map(len, titles.values()), default=0)
    for name, title in titles.items():
        for line in cluster.last_lines(namespace, name, count, since):
            yield f"{title:<{width}} | {line}"


def readers(
    cluster: Cluster,
    namespace: str,
    titles: Mapping[str, str],
    count: int,
    since: float | None = None,
) -> list[Reader]:
    """Return what follows pods' logs."""
    follow = cluster.follow
    return [(title, follow(namespace, pod, count, since)) for pod, title in titles.items()]


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


def merged(found: Sequence[Reader]) -> Iterator[str]:
    """Yield the lines of several logs as they come, until all of them end."""
    width = max((len(title) for title, _ in found), default=0)
    said: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read(title: str, rows: Iterator[str]) -> None:
        for line in rows:
            said.put(f"{title:<{width}} | {line}")
        said.put(None)

    for title, rows in found:
        threading.Thread(target=read, args=(title, rows), daemon=True).start()
    left = len(found)
    while left:
        line = said.get()
        left -= line is None
        if line is not None:
            yield line
