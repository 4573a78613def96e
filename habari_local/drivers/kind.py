"""kind: clusters by its program, with a kubeconfig of our own; their nodes by the Docker engine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from habari_local.core.errors import Cancelled
from habari_local.core.subprocesses import run
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.docker import exec_stream

RESTARTED: Any = {"Name": "on-failure", "MaximumRetryCount": 1}  # as kind makes nodes
LEFT_ALONE: Any = {"Name": "no"}


@dataclass(frozen=True)
class Kind:
    """kind with all that it must not find out by itself: the kubeconfig is never the user's."""

    program: Path
    cluster: str
    kubeconfig: Path
    environ: Mapping[str, str]

    def create(
        self,
        config: Path,
        image: str,
        *,
        on_line: Callable[[str], None],
        cancel: threading.Event,
    ) -> None:
        """Make the cluster; kind takes away a half-made one.

        Raises:
            CommandFailed: it could not be made.
            Cancelled: `cancel` was set.
        """
        words = ["create", "cluster", "--config", str(config), "--image", image]
        self._run(*words, on_line=on_line, cancel=cancel)

    def delete(self) -> None:
        """Delete the cluster with all that is on it; none there is fine."""
        self._run("delete", "cluster")

    def export(self) -> None:
        """Write the kubeconfig of a cluster that is there."""
        self._run("export", "kubeconfig")

    def _run(
        self,
        *words: str,
        on_line: Callable[[str], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> None:
        argv = [str(self.program), *words, "--name", self.cluster]
        argv += ["--kubeconfig", str(self.kubeconfig)]
        hint = "habari-local doctor --mode kind"
        run(argv, env=self.environ, on_line=on_line, cancel=cancel, hint=hint)


@dataclass(frozen=True)
class Node:
    """A node's container; `mounts` are paths in it, `ports` what it publishes on this machine."""

    id: str
    name: str
    image: str
    running: bool
    mounts: frozenset[str]
    ports: frozenset[tuple[str, int]]


def find_nodes(cluster: str) -> list[Node]:
    """Return the nodes of a cluster, running or not."""
    found = docker_client.api().containers(
        all=True, filters={"label": [f"{docker_client.KIND_CLUSTER}={cluster}"]}
    )
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

    def start_one(node: str) -> None:
        docker_client.api().update_container(node, restart_policy=RESTARTED)
        docker_client.api().start(node)

    docker_client.in_parallel(start_one, [each.id for each in nodes])


def stop(nodes: Sequence[Node]) -> None:
    """Stop nodes; what is on them stays, and an engine that restarts leaves them alone.

    As kind makes them it would start them again, since systemd ends with another code than 0.
    """

    def stop_one(node: str) -> None:
        docker_client.api().update_container(node, restart_policy=LEFT_ALONE)
        docker_client.api().stop(node, timeout=docker_client.STOP_SECONDS)

    docker_client.in_parallel(stop_one, [each.id for each in nodes])


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
    said = bytearray()
    with exec_stream.run(node.id, argv) as program:
        for _, chunk in program.frames():
            if cancel is not None and cancel.is_set():
                raise Cancelled
            said += chunk
            on_line(said.rstrip().rpartition(b"\n")[2].decode(errors="replace"))
        return program.require_success(bytes(said))
