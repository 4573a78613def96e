"""Pods to be reached and to reach from, which no policy holds: what they show, a policy denies.

They are in a namespace of the run, of the image that users' servers have, and gone at the end. One
has the metadata address of clouds on its node: without it, nobody could be refused there.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from kubernetes.client.exceptions import ApiException

from tests.e2e.cluster import SECONDS, Cluster
from tests.e2e.waiting import until

METADATA, PORT = "169.254.169.254", 8000
Place = tuple[str, int]

CONNECT = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def reached(place):
    try:
        socket.create_connection(place, timeout=4).close()
    except OSError:
        return False
    return True
with ThreadPoolExecutor(16) as pool:
    print(json.dumps(list(pool.map(reached, PLACES))))
"""
LISTEN = f"""
import socket
listening = socket.create_server(("", {PORT}))
while True:
    listening.accept()[0].close()
"""
# An alias of lo, by ioctl(2) as netdevice(7) says; it is the node's, so it is taken away again.
PLAY_METADATA = f"""
import fcntl, signal, socket, struct, sys
asking = socket.socket()
def change(number, layout, *values):
    fcntl.ioctl(asking, number, struct.pack("16s" + layout, b"lo:e2e", *values))
def address(number, text):
    change(number, "HH4s8x", socket.AF_INET, 0, socket.inet_aton(text))
def leave(*_):
    change(0x8914, "H14x", 0)
    sys.exit()
signal.signal(signal.SIGTERM, leave)
address(0x8916, "{METADATA}")
address(0x891C, "255.255.255.255")
listening = socket.create_server(("{METADATA}", 80))
while True:
    listening.accept()[0].close()
"""


def connecting(places: list[Place]) -> str:
    """Python that prints, as JSON, which of these places can be connected to."""
    return CONNECT.replace("PLACES", repr(places))


class Strangers:
    """The pods, running; `addresses` by their names."""

    def __init__(self, cluster: Cluster, namespace: str, addresses: Mapping[str, str]) -> None:
        self.cluster, self.namespace, self.addresses = cluster, namespace, addresses

    def reach(self, places: list[Place]) -> list[bool]:
        """Which places a pod that no policy holds can connect to."""
        found: list[bool] = self.cluster.python(self.namespace, "one", connecting(places))
        return found


@contextmanager
def strangers(cluster: Cluster, namespace: str, beside: Any) -> Iterator[Strangers]:
    """Run them on the node of the pod `beside`, which has their image."""
    api = cluster.api
    api.create_namespace({"metadata": {"name": namespace}}, _request_timeout=SECONDS)
    try:
        for name, code, extra in _PODS:
            pod = _pod(name, code, beside, extra)
            until(f"Pod {name} made", partial(_made, api, namespace, pod), 30)
        until("Pods of the run", lambda: len(_addresses(api, namespace)) == len(_PODS), 60)
        yield Strangers(cluster, namespace, _addresses(api, namespace))
    finally:
        with suppress(ApiException):
            api.delete_namespace(namespace, _request_timeout=SECONDS)


_PODS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("one", LISTEN, {}),
    ("other", LISTEN, {}),
    ("metadata", PLAY_METADATA, {"hostNetwork": True}),
)


def _pod(name: str, code: str, beside: Any, extra: Mapping[str, Any]) -> dict[str, Any]:
    security: dict[str, Any] = {"runAsUser": 65534}
    if extra:
        security = {"runAsUser": 0, "capabilities": {"add": ["NET_ADMIN"]}}
    container = {
        "name": "it",
        "image": beside.spec.containers[0].image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", code],
        "securityContext": security,
    }
    spec = {
        "nodeName": beside.spec.node_name,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 2 if extra else 0,
        "containers": [container],
        **extra,
    }
    return {"metadata": {"name": name}, "spec": spec}


def _made(api: Any, namespace: str, pod: Mapping[str, Any]) -> bool:
    """Whether it was made: a new namespace has no service account for a moment."""
    try:
        api.create_namespaced_pod(namespace, pod, _request_timeout=SECONDS)
    except ApiException as error:
        if error.status == 403:
            return False
        raise
    return True


def _addresses(api: Any, namespace: str) -> dict[str, str]:
    pods = api.list_namespaced_pod(namespace, _request_timeout=SECONDS).items
    return {each.metadata.name: each.status.pod_ip for each in pods if _listens(each)}


def _listens(pod: Any) -> bool:
    return bool(pod.status.pod_ip) and pod.status.phase == "Running"
