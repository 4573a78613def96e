"""What Kubernetes alone can show: policies, rights and limits of pods, and pods that come back."""

import contextlib
import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import requests
import websocket

from tests.e2e.unprivileged_pods import METADATA, PORT, Place, Strangers, connecting, strangers

from .cluster import Cluster
from .collector import Collector
from .endpoints import Endpoints
from .hub_client import Hub, HubError
from .kernels import Kernel, KernelError
from .server_client import Server
from .waiting import until

SERVER_PORT = 8888
# What a policy denies a user's server, each reached by a pod that no policy holds.
DENIED = (
    *("the API server", "the API server by its own address", "the kubelet"),
    *("the metadata address", "a pod at a private address"),
)
STATUS = """
import json, os
lines = open("/proc/self/status").read().splitlines()
found = dict(line.split(":", 1) for line in lines)
print(json.dumps({
    "uid": os.getuid(),
    "effective": int(found["CapEff"], 16),
    "no new rights": found["NoNewPrivs"].strip() == "1",
    "seccomp": int(found["Seccomp"]),
    "token": os.path.exists("/var/run/secrets/kubernetes.io"),
}))
"""
# Version 2 of control groups, and version 1.
LIMIT = """
import pathlib
files = ("memory.max", "memory/memory.limit_in_bytes")
print([p.read_text() for p in (pathlib.Path("/sys/fs/cgroup") / f for f in files) if p.exists()][0])
"""
TAKE = """
import subprocess, sys
take = "import sys; b'x' * int(sys.argv[1])"
for size in (1_000_000, SIZE):
    print(subprocess.run([sys.executable, "-c", take, str(size)]).returncode)
"""


@pytest.fixture(scope="module")
def cluster(endpoints: Endpoints) -> Cluster:
    """The cluster, as its kubeconfig opens it."""
    assert endpoints.kubernetes, "the deployment's endpoints say where its cluster is"
    return Cluster(endpoints.kubernetes)


@pytest.fixture(scope="module")
def kernel(server: Server, run_id: str) -> Iterator[Kernel]:
    """A kernel of a user: what it can do, the user can."""
    server.make_folder(run_id)
    with Kernel(server, f"{run_id}/kubernetes.ipynb") as started:
        yield started


@pytest.fixture(scope="module")
def others(cluster: Cluster, server: Server, run_id: str) -> Iterator[Strangers]:
    """Pods of nobody, beside the user's."""
    pod = cluster.server_of(server.person.name)
    with strangers(cluster, run_id, pod) as running:
        yield running


@pytest.fixture(scope="module")
def denied(
    cluster: Cluster, server: Server, others: Strangers, kernel: Kernel
) -> dict[str, tuple[bool, bool]]:
    """Each place: whether a pod without a policy can connect to it, whether a user can."""
    node = cluster.server_of(server.person.name).spec.node_name
    places: list[Place] = [
        ("kubernetes.default.svc", 443),
        cluster.api_server(),
        (cluster.node_address(node), 10250),
        (METADATA, 80),
        (others.addresses["other"], PORT),
    ]
    until("Places that can be reached", lambda: all(others.reach(places)), 20)
    from_outside = others.reach(places)
    from_user: list[bool] = json.loads(kernel.text_of(connecting(places)))
    seen = zip(from_outside, from_user, strict=True)
    return dict(zip(DENIED, seen, strict=True))


def test_the_chart_is_called_by_its_own_name(cluster: Cluster, collector: Collector) -> None:
    """The report says which chart runs, by the chart's own word."""
    chart = cluster.chart()
    collector.run.versions["Chart"] = chart.title
    assert chart.name == "jupyterhub" or "jupyterhub" not in chart.title.lower()


def test_a_server_reaches_what_it_needs(kernel: Kernel, endpoints: Endpoints) -> None:
    """A user's pod resolves names, and reaches the hub and S3."""
    places: list[Place] = [("hub", 8081)]
    s3 = endpoints.services.get("s3")
    if s3 and s3.from_notebook:
        parts = urlsplit(s3.from_notebook)
        places.append((parts.hostname or "", parts.port or 443))
    assert json.loads(kernel.text_of(connecting(places))) == [True] * len(places)


@pytest.mark.parametrize("place", DENIED)
def test_a_server_does_not_reach(denied: dict[str, tuple[bool, bool]], place: str) -> None:
    """A user's pod is kept from what any other pod reaches"""
    from_a_stranger, from_the_user = denied[place]
    assert from_a_stranger, "nothing would show that a policy keeps users from it"
    assert not from_the_user


def test_a_server_does_not_reach_anothers(
    cluster: Cluster, kernel: Kernel, others: Strangers, other_server: Server
) -> None:
    """A user's pod is reached by the proxy, and neither by another user's nor by any other pod."""
    pod = cluster.server_of(other_server.person.name)
    at: Place = (pod.status.pod_ip, SERVER_PORT)
    assert other_server.status().ok
    assert json.loads(kernel.text_of(connecting([at]))) == [False]
    assert others.reach([at]) == [False]


def test_a_server_has_no_rights_over_machine_or_cluster(
    cluster: Cluster, server: Server, kernel: Kernel
) -> None:
    """A user's pod is no root, can't become it, adds no capability and has no token."""
    pod = cluster.server_of(server.person.name)
    for container in pod.spec.containers:
        about = container.security_context
        assert not (about.capabilities and about.capabilities.add), container.name
        assert not about.privileged
        assert not about.allow_privilege_escalation
    assert not any([pod.spec.host_network, pod.spec.host_pid, pod.spec.host_ipc])
    seen = json.loads(kernel.text_of(STATUS))
    assert seen["uid"] != 0
    assert seen["effective"] == 0
    assert seen["no new rights"]
    assert not seen["token"]
    wanted = pod.spec.security_context.seccomp_profile
    assert seen["seccomp"] == 2 or not wanted


def test_the_hub_is_confined(cluster: Cluster) -> None:
    """The hub's pod is no root, filters system calls, and it alone has a token of the cluster."""
    (pod,) = cluster.pods("hub")
    seen = cluster.python(cluster.namespace, pod.metadata.name, STATUS)
    assert seen["uid"] != 0
    assert seen["seccomp"] == 2
    assert seen["token"], "or a user's missing token would show nothing"


def test_a_hub_that_is_killed_leaves_servers_alone(
    cluster: Cluster, hub: Hub, server: Server, kernel: Kernel, collector: Collector
) -> None:
    """A killed hub's pod comes back, and users' servers and kernels go on meanwhile."""
    name = server.person.name
    before = cluster.server_of(name)
    kernel.text_of("kept = 41")
    (killed,) = cluster.pods("hub")
    with collector.timed("Hub's pod comes back"):
        cluster.kill(killed)
        assert kernel.text_of("print(kept + 1)") == "42\n"
        until("A new hub", lambda: _answers(hub, cluster, killed.metadata.uid), 120)
    after = cluster.server_of(name)
    assert after.metadata.uid == before.metadata.uid
    assert hub.has_server(name)
    assert kernel.text_of("print(kept + 2)") == "43\n"


def _answers(hub: Hub, cluster: Cluster, old: str) -> bool:
    """Whether the new one does: the old one may for a moment after its pod is off the list."""
    ready = [
        each.metadata.uid
        for each in cluster.pods("hub")
        for condition in each.status.conditions or ()
        if condition.type == "Ready" and condition.status == "True"
    ]
    with contextlib.suppress(HubError, requests.RequestException):
        return bool(ready) and old not in ready and bool(hub.get(""))
    return False


def test_a_server_that_is_killed_loses_nothing_saved(
    cluster: Cluster, other_server: Server, run_id: str
) -> None:
    """After a user's pod was killed, the next one has what was saved in home and in S3."""
    person = other_server.person
    killed = cluster.server_of(person.name)
    for folder in (run_id, f"notebooks/{run_id}"):
        if not other_server.exists(folder):
            other_server.make_folder(folder)
        other_server.save_text(f"{folder}/before.txt", "saved")
    cluster.kill(killed)

    def started_anew() -> bool:
        with contextlib.suppress(HubError):  # the hub may not have seen it yet
            person.start_server()
        pod = cluster.servers().get(person.name)
        return pod is not None and pod.metadata.uid != killed.metadata.uid

    until("Another pod", started_anew, 60)
    person.start_server()
    other_server.enter()
    for folder in (run_id, f"notebooks/{run_id}"):
        assert other_server.read(f"{folder}/before.txt")["content"] == "saved"


def test_a_server_takes_no_more_memory_than_its_limit(
    cluster: Cluster, server: Server, other_server: Server, run_id: str
) -> None:
    """Who takes more memory than allowed is killed; the server stays, or is started again."""
    pod = cluster.server_of(server.person.name)
    limit = pod.spec.containers[0].resources.limits["memory"]
    with Kernel(server, f"{run_id}/memory.ipynb") as kernel:
        allowed = int(kernel.text_of(LIMIT))
        assert limit == str(allowed)
        fine, killed = "0", "-9"
        with contextlib.suppress(KernelError, websocket.WebSocketException, OSError):
            said = kernel.text_of(TAKE.replace("SIZE", str(allowed + allowed // 10)))
            assert said.split() == [fine, killed]
            assert server.status().ok, "the server is not what was killed"
            return
    # Control groups of version 2 end all of a container, as the kubelet has them do.
    until("The server is back", lambda: server.status().ok, 60)
    again = cluster.server_of(server.person.name)
    ended = again.status.container_statuses[0].last_state.terminated
    assert ended.reason == "OOMKilled"
    assert other_server.status().ok
