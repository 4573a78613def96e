"""Breaking a part in kind on purpose: its pod is taken away, or its processes stand still."""

from __future__ import annotations

from collections.abc import Sequence

from habari_local.drivers import kind_nodes
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.kubernetes.pods import Pod
from habari_local.modes.kind import handles, status_and_logs
from habari_local.platform.mode import Context

SERVER = "server"
# The kubelet names a pod's control groups after it; systemd has _ for the - in that name.
SIGNAL = """
signal=$1
pod=$(echo "$2" | sed 's/-/[-_]/g')
grep -l "pod$pod" /proc/[0-9]*/cgroup 2>/dev/null | cut -d/ -f3 | xargs -r kill -s "$signal"
"""


def kill(ctx: Context, part: str) -> None:
    """Take a part's pod away at once, as a machine that goes away does."""
    if part == handles.REGISTRY:
        docker_client.signal_containers("kill", _registry(ctx, "running"))
        return
    cluster = handles.cluster(ctx)
    for each in _pods(ctx, part):
        cluster.delete_pod(handles.NAMESPACE, each.name, at_once=True)


def freeze(ctx: Context, part: str) -> None:
    """Stop a part's processes where they are."""
    if part == handles.REGISTRY:
        docker_client.signal_containers("pause", _registry(ctx, "running"))
    _signal(ctx, part, "STOP")


def thaw(ctx: Context, part: str) -> None:
    """Let a part's processes go on."""
    if part == handles.REGISTRY:
        docker_client.signal_containers("unpause", _registry(ctx, "paused"))
    _signal(ctx, part, "CONT")


def _signal(ctx: Context, part: str, name: str) -> None:
    for pod in _pods(ctx, part):
        for each in handles.nodes(ctx):
            kind_nodes.execute(each, ["sh", "-c", SIGNAL, "sh", name, pod.uid])


def _pods(ctx: Context, part: str) -> Sequence[Pod]:
    """Return the pods of a service, or that of one user's server."""
    found = handles.cluster(ctx).pods(handles.NAMESPACE)
    if part == SERVER:
        return [each for each in found if each.user and each.phase == "Running"][:1]
    return [each for each in found if each.component == status_and_logs.COMPONENTS.get(part, part)]


def _registry(ctx: Context, state: str) -> list[str]:
    return [
        each.id
        for each in docker_client.containers(handles.resource_labels(ctx))
        if each.state == state
    ]
