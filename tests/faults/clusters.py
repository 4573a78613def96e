"""A scratch platform in kind that many tests share, beside a cluster that it must not touch."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubernetes import client
from ruamel.yaml import YAML

from habari_local.drivers import kind
from tests.e2e.cluster import Cluster
from tests.e2e.endpoints import Kubernetes
from tests.e2e.hub_client import Hub
from tests.faults.parts import Platform
from tests.scratch import Scratch

# What goes wrong with users' servers, by the user's name: the cluster itself says so of their pods.
FAULTY = """
def faulty(spawner):
    if spawner.user.name == "pull":
        spawner.image = "localhost:1/nowhere:1"
    elif spawner.user.name == "room":
        spawner.mem_guarantee = spawner.mem_limit = "900G"
    elif spawner.user.name == "secret":
        spawner.extra_container_config = {"envFrom": [{"secretRef": {"name": "nowhere"}}]}
    elif spawner.user.name == "volume":
        spawner.storage_class = "nowhere"
c.Spawner.pre_spawn_hook = faulty
"""
PEOPLE = "grace,linus,pull,room,secret,volume"
KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: production
contexts: [{{name: production, context: {{cluster: production, user: boss, namespace: habari}}}}]
clusters: [{{name: production, cluster: {{server: "https://127.0.0.1:{port}"}}}}]
users: [{{name: boss, user: {{token: of-production}}}}]
"""


class Production:
    """A kubeconfig whose current context is a server that nobody may ask anything."""

    def __init__(self, folder: Path) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.setblocking(False)
        self.file = folder / "kubeconfig-of-production"
        self._text = KUBECONFIG.format(port=self._listening.getsockname()[1])
        self.file.write_text(self._text, encoding="utf-8")

    def untouched(self) -> bool:
        """Whether the file is as it was, byte for byte, and nobody has connected."""
        try:
            self._listening.accept()
        except BlockingIOError:
            return self.file.read_text(encoding="utf-8") == self._text
        return False

    def close(self) -> None:
        self._listening.close()


@dataclass(frozen=True)
class KindPlatform(Platform):
    """The platform, up in kind."""

    production: Production
    away: set[str] = field(default_factory=set)

    @property
    def cluster(self) -> Cluster:
        where = self.endpoints.kubernetes
        assert where
        return Cluster(where)

    @property
    def hub(self) -> Hub:
        return Hub(self.endpoints)

    @property
    def nodes(self) -> list[kind.Node]:
        return kind.find_nodes(f"habari-{self.scratch.id}")

    def scale(self, deployment: str, replicas: int) -> None:
        """Have a Deployment of the namespace run so many pods."""
        cluster = self.cluster
        client.AppsV1Api(cluster.api.api_client).patch_namespaced_deployment_scale(
            deployment, cluster.namespace, {"spec": {"replicas": replicas}}
        )

    def kill_pod(self, app: str) -> None:
        """End the pods of S3 or the fake GitHub at once."""
        for each in self._pods_beside(app):
            self.cluster.kill(each)

    def ready(self, app: str) -> set[str]:
        """Return the uids of the pods of S3 or the fake GitHub that are asked."""
        return {
            pod.metadata.uid
            for pod in self._pods_beside(app)
            for each in pod.status.conditions or ()
            if each.type == "Ready" and each.status == "True"
        }

    def _pods_beside(self, app: str) -> list[Any]:
        ask, labels = self.cluster.api.list_namespaced_pod, f"app=habari-{app}"
        return list(ask(self.cluster.namespace, label_selector=labels).items)

    def kill(self, part: str) -> None:
        """End a part at once; S3, which Kubernetes would start again, stays away until repaired."""
        if part == "s3":
            self.scale(part, 0)
            self.away.add(part)
        super().kill(part)

    def recover(self, *flags: str) -> None:
        while self.away:
            self.scale(self.away.pop(), 1)
        super().recover(*flags)

    def since(self, service: str) -> object:
        return [each.metadata.uid for each in self.cluster.pods(service)]

    def users_running(self) -> set[str]:
        return set(self.cluster.servers())

    def fails(self, *flags: str) -> subprocess.CompletedProcess[str]:
        """What `up` says that must not succeed."""
        done = self.scratch.call("up", *flags)
        assert done.returncode != 0, done.stdout
        assert "Try: " in done.stderr
        return done

    def why(self, *arguments: str) -> dict[str, Any]:
        told = self.scratch.call("why", "--json", *arguments)
        found: dict[str, Any] = json.loads(told.stdout)
        assert told.returncode == (0 if found["good"] else 4), told.stderr
        return found

    @contextmanager
    def changed(self, file: str, old: str, new: str) -> Iterator[None]:
        """Change a file of the checkout for the block."""
        path = self.scratch.root / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        try:
            yield
        finally:
            path.write_text(text, encoding="utf-8")


def write_values(scratch: Scratch, hub: dict[str, Any] | None = None) -> None:
    yaml = YAML()
    values = yaml.load(scratch.root / "config.dist.yaml")
    values["hub"]["extraConfig"]["faulty"] = FAULTY
    for name, value in (hub or {}).items():
        values["hub"][name].update(value)
    yaml.dump(values, scratch.root / "config.yaml")


def at(scratch: Scratch) -> Cluster:
    """The cluster of a checkout whose `up` is under way."""
    context = f"kind-habari-{scratch.id}"
    file = scratch.state / "kind" / "kubeconfig"
    return Cluster(Kubernetes(kubeconfig=file, context=context, namespace="habari"))


@contextmanager
def platform_in_kind(scratch: Scratch) -> Iterator[KindPlatform]:
    """Bring it up while the user's own kubeconfig is production's."""
    production = Production(scratch.root.parent)
    scratch.settings["KUBECONFIG"] = str(production.file)
    scratch.settings |= {"HABARI_ALLOWED_USERS": PEOPLE, "HABARI_MODE": "kind"}
    write_values(scratch)
    scratch.good("up", "--mode", "kind")
    try:
        yield KindPlatform(scratch, "kind", production)
    finally:
        production.close()
