"""The containers that kind's nodes are, seen and used through the Docker engine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from habari_local.core.errors import Cancelled, CommandFailed
from habari_local.drivers.docker import client as docker_client

CLUSTER = "io.x-k8s.kind.cluster"  # kind's own label, with the cluster's name
RESTARTED: Any = {"Name": "on-failure", "MaximumRetryCount": 1}  # as kind makes nodes
LEFT_ALONE: Any = {"Name": "no"}


@dataclass(frozen=True)
class Node:
    """A node's container; `mounts` are paths in it, `ports` what it publishes on this machine."""

    id: str
    name: str
    image: str
    running: bool
    mounts: frozenset[str]
    ports: frozenset[tuple[str, int]]


def find(cluster: str) -> list[Node]:
    """Return the nodes of a cluster, running or not."""
    found = docker_client.api().containers(all=True, filters={"label": [f"{CLUSTER}={cluster}"]})
    return [_described(each["Id"]) for each in found]


def _described(container: str) -> Node:
    seen = docker_client.api().inspect_container(container)
    bindings = (seen["HostConfig"]["PortBindings"] or {}).values()
    ports = {(each["HostIp"], int(each["HostPort"])) for some in bindings for each in some or ()}
    return Node(
        seen["Id"],
        seen["Name"].removeprefix("/"),
        seen["Config"]["Image"],
        bool(seen["State"]["Running"]),
        frozenset(each["Destination"] for each in seen["Mounts"]),
        frozenset(ports),
    )


def start(nodes: Sequence[Node]) -> None:
    """Start stopped nodes."""

    def one(node: str) -> None:
        docker_client.api().update_container(node, restart_policy=RESTARTED)
        docker_client.api().start(node)

    docker_client.in_parallel(one, [each.id for each in nodes])


def stop(nodes: Sequence[Node]) -> None:
    """Stop nodes; what is on them stays, and an engine that starts anew leaves them alone.

    As kind makes them it would start them again, since systemd ends with another code than 0.
    """

    def one(node: str) -> None:
        docker_client.api().update_container(node, restart_policy=LEFT_ALONE)
        docker_client.api().stop(node, timeout=docker_client.STOP_SECONDS)

    docker_client.in_parallel(one, [each.id for each in nodes])


def execute(
    node: Node,
    argv: Sequence[str],
    *,
    cancel: threading.Event | None = None,
    on_line: Callable[[str], None] = lambda _: None,
) -> str:
    """Run a program in a node; return its output, both streams.

    Raises:
        CommandFailed: it ended with another code than 0.
        Cancelled: `cancel` was set; the program goes on by itself in the node.
    """
    from docker.utils.socket import frames_iter

    made = docker_client.api().exec_create(node.id, list(argv))["Id"]
    text = ""
    said: Any = docker_client.api().exec_start(made, socket=True)
    try:
        for _, chunk in frames_iter(said, tty=False):  # type: ignore[no-untyped-call]
            if cancel is not None and cancel.is_set():
                raise Cancelled
            text += chunk.decode(errors="replace")
            on_line(text.rstrip().rpartition("\n")[2])
    finally:  # the client itself would leave it to the garbage collector
        said._response.close()
    code = docker_client.api().exec_inspect(made)["ExitCode"]
    if code:
        raise CommandFailed(["docker", "exec", node.name, *argv], code, text)
    return text
