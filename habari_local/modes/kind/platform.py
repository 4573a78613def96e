"""What mode kind runs, found by the checkout's id: cluster, nodes, registry, release and files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from habari_local.config.render.helm import PROJECT
from habari_local.core import container_user
from habari_local.core.errors import HabariError
from habari_local.core.subprocesses import run
from habari_local.drivers import processes
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.docker import compose
from habari_local.drivers.docker.client import Container, ResourceLabels
from habari_local.drivers.helm import Release
from habari_local.drivers.kind import Kind, Node, find_nodes
from habari_local.drivers.kubernetes.cluster import Cluster
from habari_local.drivers.kubernetes.readiness import PodWatch
from habari_local.images import bundled_binaries
from habari_local.platform.mode import Context
from habari_local.platform.s3_setup import S3Setup

NAME = "kind"
NAMESPACE = RELEASE = "habari"
REGISTRY = "registry"
S3 = S3Setup("kind_")
# Service → the label `app` of its pods, where they are not the chart's.
COMPONENTS = {"s3": "habari-s3", "github": "habari-github"}
APPLY = ("apply", "--server-side", "--force-conflicts", "--filename")


def component(service: str) -> str:
    """Return what a service's pods are labelled."""
    return COMPONENTS.get(service, service)


@dataclass(frozen=True)
class KindPlatform:
    """The platform of one context. What is made when first asked for is kept."""

    ctx: Context
    namespace: str = NAMESPACE

    @property
    def server_uid(self) -> int:
        """Whom users' servers run as."""
        return container_user.uid()

    @property
    def name(self) -> str:
        """The cluster's name."""
        return f"habari-{self.ctx.checkout.id}"

    @cached_property
    def labels(self) -> ResourceLabels:
        """What our containers and volumes in the engine are labelled."""
        return ResourceLabels(self.ctx.checkout.id, NAME)

    @property
    def kubeconfig(self) -> Path:
        """Our own kubeconfig: the user's is neither read nor written."""
        return self.ctx.checkout.root / ".habari" / NAME / "kubeconfig"

    @property
    def keys(self) -> Path:
        """The folder of keys out of the kubeconfig, while somebody works with them."""
        return self.kubeconfig.with_name("keys")

    @cached_property
    def environ(self) -> dict[str, str]:
        """The environment of kind, helm and kubectl, with our label.

        kind gives a machine's proxy to its nodes, which reach the registry without it.
        """
        found = bundled_binaries.environment(self.ctx.images)
        local = ["localhost", "127.0.0.1", self.registry_container]
        names = ("NO_PROXY", "no_proxy")
        direct = {each: ",".join(filter(None, [found.get(each), *local])) for each in names}
        label = processes.label(self.ctx.checkout.id, NAME)
        return {**found, **direct, processes.LABEL: label}

    @cached_property
    def kind(self) -> Kind:
        """kind for this cluster."""
        program = bundled_binaries.program(self.ctx.images, "kind")
        return Kind(program, self.name, self.kubeconfig, self.environ)

    @cached_property
    def cluster(self) -> Cluster:
        """The cluster as its client sees it."""
        return Cluster(self.kubeconfig, f"kind-{self.name}", self.keys)

    @cached_property
    def pod_watch(self) -> PodWatch:
        """What follows the pods for those who are in its block."""
        return PodWatch(self.cluster, self.namespace)

    @cached_property
    def release(self) -> Release:
        """The release of the chart."""
        context = self.cluster.context
        return Release(RELEASE, self.namespace, self.kubeconfig, context, self.environ)

    @property
    def registry(self) -> str:
        """The registry as this machine and, by their own files, the nodes call it."""
        return f"localhost:{self.ctx.settings.port('registry')}"

    @property
    def registry_container(self) -> str:
        """The name of the registry's container, by which nodes find it."""
        return f"{self.project.name}-{REGISTRY}-1"

    @cached_property
    def project(self) -> compose.Project:
        """The Compose project of the registry."""
        return compose.Project(
            name=f"habari-{self.ctx.checkout.id}-{NAME}",
            files=compose.files(self.ctx.checkout.root / "compose", (NAME,)),
            env_file=self.ctx.checkout.of_mode(NAME) / "compose.env",
            label=processes.label(self.ctx.checkout.id, NAME),
        )

    def registry_containers(self) -> list[Container]:
        """Return our containers, running or not: those of the registry."""
        return docker_client.containers(self.labels)

    def nodes(self) -> list[Node]:
        """Return the cluster's nodes.

        Raises:
            HabariError: a cluster of that name is there that this tool did not make.
        """
        found = find_nodes(self.name)
        foreign = [each.name for each in found if PROJECT not in each.mounts]
        if foreign:
            raise HabariError(
                f"Cluster {self.name}: {foreign[0]} was not created by habari-local, so it is"
                " left as it is.",
                f"kind delete cluster --name {self.name}",
            )
        return found

    def shared_volume(self) -> str:
        """Return the folder of the volume that all nodes have, made when absent.

        A user's home in it is where the user is, whichever node that is; a folder of one node is
        not.
        """
        return docker_client.ensure_volume(f"{self.project.name}-volumes", self.labels.labels)

    def pushed(self, names: Mapping[str, str]) -> dict[str, str]:
        """Return images as the nodes pull them: key → reference, given the catalogue's names."""
        known = self.ctx.images
        return {key: f"{self.registry}/{known.reference(image)}" for key, image in names.items()}

    def kubectl(self, *words: str) -> None:
        """Run kubectl on this cluster.

        Raises:
            CommandFailed: the cluster does not take it.
        """
        argv = [str(bundled_binaries.program(self.ctx.images, "kubectl"))]
        argv += ["--kubeconfig", str(self.kubeconfig), "--context", self.cluster.context, *words]
        run(argv, env=self.environ, cancel=self.ctx.cancel)
