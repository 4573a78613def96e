"""Processor time that a platform has spent so far, by part; that of the crowd too."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil

from habari_local.drivers import kind
from habari_local.drivers.docker import client as docker_client
from tests.e2e.cluster import Cluster
from tests.e2e.endpoints import parse
from tests.scratch import Scratch

SERVERS, CROWD, ENGINE = "users' servers", "the crowd itself", "the engine"
KUBERNETES = "Kubernetes"  # its own pods, the kubelet, containerd
Effort = Counter[str]  # part → seconds of processor time
# A pod in the name of its control group, as the kubelet or systemd spells it.
POD = re.compile(r"pod([0-9a-f]{8}[-_][0-9a-f_-]{27})")


def spent(scratch: Scratch, mode: str) -> Effort:
    """Return what all that runs has spent; what has ended is counted by whoever waited for it."""
    found: Effort = Counter()
    found[CROWD] += _of(psutil.Process(), children=False)
    if mode == "process":
        for each in scratch.found():
            part = SERVERS if each.user else each.service
            found[part or SERVERS] += _of(each.process)
        return found
    inside: set[int] = set()
    if mode == "kind":
        for part, process in _of_pods(scratch):
            inside.add(process.pid)
            found[part] += _of(process)
    for container in scratch.containers(mode):
        pid = docker_client.api().inspect_container(container.id)["State"]["Pid"]
        part = SERVERS if container.user else container.service
        found[part] += _tree(psutil.Process(pid))
    for process in psutil.process_iter(["name"]):
        own = process.info["name"] in ("dockerd", "containerd", "containerd-shim-runc-v2")
        if own and process.pid not in inside:
            found[ENGINE] += _of(process)
    return found


def _of_pods(scratch: Scratch) -> Iterator[tuple[str, psutil.Process]]:
    """Yield every process of the nodes, and the part that it belongs to."""
    where = parse(scratch.good("endpoints"), "habari-local endpoints").kubernetes
    assert where, "mode kind says where its cluster is"
    parts = {}
    for pod in Cluster(where).api.list_namespaced_pod(where.namespace).items:
        part = pod.metadata.labels.get("component") or pod.metadata.labels["app"]
        named = {"singleuser-server": SERVERS}.get(part, part.removeprefix("habari-"))
        parts[pod.metadata.uid] = named
    for each in kind.find_nodes(f"habari-{scratch.id}"):
        init = psutil.Process(docker_client.api().inspect_container(each.id)["State"]["Pid"])
        for process in (init, *init.children(recursive=True)):
            yield parts.get(_pod(process), KUBERNETES), process


def _pod(process: psutil.Process) -> str:
    try:
        groups = Path(f"/proc/{process.pid}/cgroup").read_text(encoding="ascii")
    except OSError:
        return ""
    found = POD.search(groups)
    return found[1].replace("_", "-") if found else ""


def _tree(process: psutil.Process) -> float:
    return _of(process) + sum(_of(child) for child in process.children(recursive=True))


def _of(process: psutil.Process, *, children: bool = True) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    own = times.user + times.system
    return own + times.children_user + times.children_system if children else own


def idle(seconds: float = 1.0) -> float:
    """Return how many cores the rest of the machine leaves free just now."""
    before = psutil.cpu_times()
    time.sleep(seconds)
    return (psutil.cpu_times().idle - before.idle) / seconds
