"""The cluster that a deployment runs in: its pods, what runs in them, and the chart they are of."""

import base64
import gzip
import json
from dataclasses import dataclass
from typing import Any

from kubernetes import client, config
from kubernetes.stream import stream

from .endpoints import Kubernetes

SECONDS = 20  # for one answer of the API server


@dataclass(frozen=True)
class Chart:
    """What the release was made of, by the chart's own word."""

    name: str
    version: str
    description: str

    @property
    def title(self) -> str:
        """What people are told that runs."""
        return f"{self.name} {self.version}"


def chart_of(release: str) -> Chart:
    """The chart of a release as Helm keeps it: JSON, zipped, in base64 twice."""
    kept = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(release))))
    about = kept["chart"]["metadata"]
    return Chart(about["name"], about["version"], about.get("description", ""))


class Cluster:
    """The deployment's namespace, by the kubeconfig and context of its endpoints alone."""

    def __init__(self, where: Kubernetes) -> None:
        self.namespace = where.namespace
        loaded = client.Configuration()
        config.load_kube_config(  # type: ignore[no-untyped-call]
            str(where.kubeconfig), where.context, client_configuration=loaded, persist_config=False
        )
        loaded.proxy = None
        self.api: Any = client.CoreV1Api(client.ApiClient(loaded))

    def chart(self) -> Chart:
        """The chart of the release that is in force."""
        found = self.api.list_namespaced_secret(
            self.namespace, label_selector="owner=helm,status=deployed", _request_timeout=SECONDS
        ).items
        newest = max(found, key=lambda each: int(each.metadata.labels["version"]))
        return chart_of(newest.data["release"])

    def pods(self, component: str) -> list[Any]:
        """The pods of a component of the chart that are not about to go."""
        found = self.api.list_namespaced_pod(
            self.namespace, label_selector=f"component={component}", _request_timeout=SECONDS
        ).items
        return [each for each in found if not each.metadata.deletion_timestamp]

    def images(self) -> dict[str, str]:
        """The image of each container that runs, with its digest, by the pod's component."""
        pods = self.api.list_namespaced_pod(self.namespace, _request_timeout=SECONDS).items
        return {
            f"{(pod.metadata.labels or {}).get('component', pod.metadata.name)}/{each.name}": (
                f"{each.image} {each.image_id.rpartition('@')[2]}"
            )
            for pod in pods
            for each in pod.status.container_statuses or ()
        }

    def servers(self) -> dict[str, Any]:
        """The pods of users' servers, by the user's name."""
        name = "hub.jupyter.org/username"
        return {each.metadata.annotations[name]: each for each in self.pods("singleuser-server")}

    def server_of(self, user: str) -> Any:
        """The pod of a user's server; raises KeyError if there is none."""
        return self.servers()[user]

    def kill(self, pod: Any) -> None:
        """End a pod at once, as a machine that goes away does."""
        about = pod.metadata
        self.api.delete_namespaced_pod(
            about.name, about.namespace, grace_period_seconds=0, _request_timeout=SECONDS
        )

    def python(self, namespace: str, pod: str, code: str) -> Any:
        """What Python code prints in a pod, as JSON."""
        running = stream(
            self.api.connect_get_namespaced_pod_exec,
            pod,
            namespace,
            command=["python3", "-c", code],
            stdin=False,
            stdout=True,
            stderr=True,
            tty=False,
            _preload_content=False,
        )
        try:
            running.run_forever(timeout=SECONDS)
            return json.loads(running.read_all())
        finally:
            running.sock.shutdown()  # close() does nothing once the other side has closed

    def node_address(self, name: str) -> str:
        """A node's address in the cluster's network."""
        addresses = self.api.read_node(name, _request_timeout=SECONDS).status.addresses
        (found,) = [str(each.address) for each in addresses if each.type == "InternalIP"]
        return found

    def api_server(self) -> tuple[str, int]:
        """Where the API server itself listens, behind its Service."""
        api: Any = client.DiscoveryV1Api(self.api.api_client)
        (found,) = api.list_namespaced_endpoint_slice(
            "default",
            label_selector="kubernetes.io/service-name=kubernetes",
            _request_timeout=SECONDS,
        ).items
        return str(found.endpoints[0].addresses[0]), int(found.ports[0].port)
