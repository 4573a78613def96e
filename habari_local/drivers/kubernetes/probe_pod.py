"""Pods that run a few lines of Python where users' servers run, as those may; gone afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

from habari_local.core import polling
from habari_local.core.errors import HabariError, pasteable
from habari_local.drivers.kubernetes.cluster import SECONDS, Cluster

START_SECONDS = 120.0  # an image may have to be pulled
PORT = 8888  # where servers listen
NODE = "NODE"  # in an address: the node that the probe is on
# What the chart's policies know a user's server by.
LABELS = {
    "app": "jupyterhub",
    "component": "singleuser-server",
    "hub.jupyter.org/network-access-hub": "true",
}
POLICY = "singleuser"  # the chart's, of users' servers
LISTEN = ["python3", "-m", "http.server", str(PORT)]
CONNECT = """
import concurrent.futures, json, os, socket
def seen(address):
    host, port = address.replace("NODE", os.environ["NODE"]).rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=3).close()
        return True
    except OSError:
        return False
targets = json.loads(os.environ["TARGETS"])
with concurrent.futures.ThreadPoolExecutor(16) as pool:
    print(json.dumps(dict(zip(targets, pool.map(seen, targets)))))
"""


@dataclass(frozen=True)
class ProbeTarget:
    """Where probes run: a namespace, the image of its servers and who may pull it."""

    cluster: Cluster
    namespace: str
    image: str
    pull_secrets: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)  # beside LABELS


def server_labels(cluster: Cluster, namespace: str) -> dict[str, str]:
    """Return the labels by which the chart's policy knows users' servers there, the release's too.

    None where there is no such policy: nothing is denied a server then.

    Raises:
        ApiError: the API server refused.
    """
    from kubernetes import client

    api: Any = client.NetworkingV1Api(cluster.api.api_client)
    ask = api.read_namespaced_network_policy
    found = cluster.read(lambda: ask(POLICY, namespace, _request_timeout=SECONDS))
    return dict(found.spec.pod_selector.match_labels or {}) if found else {}


@contextmanager
def listener(where: ProbeTarget) -> Iterator[str]:
    """Give the address of a pod that listens as a user's server does."""
    ready = {"tcpSocket": {"port": PORT}, "periodSeconds": 1}
    with _pod(where, LISTEN, {}, {"readinessProbe": ready}) as name:

        def up() -> bool:
            found = _read(where, name)
            return any(
                each.type == "Ready" and each.status == "True"
                for each in found.status.conditions or ()
            )

        polling.wait_until(up, f"Probe in {where.namespace}", seconds=START_SECONDS)
        yield f"{_read(where, name).status.pod_ip}:{PORT}"


def can_connect(where: ProbeTarget, targets: Sequence[str]) -> dict[str, bool]:
    """Return which addresses (HOST:PORT, `NODE`:PORT) are open to a user's server there.

    Raises:
        NotReady: the probe did not come to an end.
    """
    command = ["python3", "-c", CONNECT]
    with _pod(where, command, {"TARGETS": json.dumps(list(targets))}, {}) as name:
        polling.wait_until(
            lambda: _read(where, name).status.phase in ("Succeeded", "Failed"),
            f"Probe in {where.namespace}",
            seconds=START_SECONDS,
            log=lambda: [str(each) for each in where.cluster.events(where.namespace, name)],
        )
        said = where.cluster.last_lines(where.namespace, name, 5)
    found: dict[str, bool] = json.loads(said[-1]) if said else {}
    return found


@contextmanager
def _pod(
    where: ProbeTarget, command: Sequence[str], environ: Mapping[str, str], more: Mapping[str, Any]
) -> Iterator[str]:
    name = f"habari-probe-{token_hex(4)}"
    container = {
        "name": "probe",
        "image": where.image,
        "command": list(command),
        "env": [
            {"name": NODE, "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}},
            *({"name": key, "value": text} for key, text in environ.items()),
        ],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        **more,
    }
    body = {
        "metadata": {"name": name, "labels": {**LABELS, **where.labels}},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "imagePullSecrets": [{"name": each} for each in where.pull_secrets],
            "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "runAsGroup": 100},
            "containers": [container],
        },
    }
    make = where.cluster.api.create_namespaced_pod
    where.cluster.write(lambda: make(where.namespace, body, _request_timeout=SECONDS))
    try:
        yield name
    finally:
        where.cluster.delete_pod(where.namespace, name)


def _read(where: ProbeTarget, name: str) -> Any:
    ask = where.cluster.api.read_namespaced_pod
    found = where.cluster.read(lambda: ask(name, where.namespace, _request_timeout=SECONDS))
    if found is None:
        raise HabariError(
            f"Probe {name} in {where.namespace}: deleted by somebody before it had ended.",
            pasteable("kubectl", "--namespace", where.namespace, "get", "events"),
        )
    return found
