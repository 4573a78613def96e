"""Where kind mode is: its cluster, registry and files, found by the checkout's id."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from habari_local.config.render.helm import PROJECT
from habari_local.core.errors import HabariError
from habari_local.drivers import kind_nodes, processes
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.docker import compose
from habari_local.drivers.docker.client import ResourceLabels
from habari_local.drivers.helm import Release
from habari_local.drivers.kind import Kind
from habari_local.drivers.kubernetes.cluster import Cluster
from habari_local.images import bundled_binaries
from habari_local.images.build import Images
from habari_local.platform.mode import Context
from habari_local.platform.s3_setup import S3Setup

NAME = "kind"
NAMESPACE = RELEASE = "habari"
REGISTRY = "registry"
S3 = S3Setup("kind_")


def resource_labels(ctx: Context) -> ResourceLabels:
    """Return whose containers and volumes in the engine are this mode's."""
    return ResourceLabels(ctx.checkout.id, NAME)


def images(ctx: Context) -> Images:
    """Return the checkout's images."""
    return Images(ctx.checkout, ctx.settings, ctx.environ)


def environ(ctx: Context) -> dict[str, str]:
    """Return the environment of kind, helm and kubectl, with our label.

    kind gives a machine's proxy to its nodes, which reach the registry beside them without it.
    """
    found = bundled_binaries.environment(images(ctx))
    beside = ["localhost", "127.0.0.1", registry_container(ctx)]
    names = ("NO_PROXY", "no_proxy")
    direct = {each: ",".join(filter(None, [found.get(each), *beside])) for each in names}
    return {**found, **direct, processes.LABEL: processes.label(ctx.checkout.id, NAME)}


def name(ctx: Context) -> str:
    """Return the cluster's name."""
    return f"habari-{ctx.checkout.id}"


def kubeconfig(ctx: Context) -> Path:
    """Return our own kubeconfig: the user's is neither read nor written."""
    return ctx.checkout.root / ".habari" / NAME / "kubeconfig"


def keys(ctx: Context) -> Path:
    """Return the folder of keys out of the kubeconfig, while somebody works with them."""
    return kubeconfig(ctx).with_name("keys")


def kind(ctx: Context) -> Kind:
    """Return kind for this cluster."""
    program = bundled_binaries.program(images(ctx), "kind")
    return Kind(program, name(ctx), kubeconfig(ctx), environ(ctx))


def cluster(ctx: Context) -> Cluster:
    """Return the cluster as its client sees it."""
    file = kubeconfig(ctx)
    return Cluster(file, f"kind-{name(ctx)}", keys(ctx))


def release(ctx: Context) -> Release:
    """Return the release of the chart."""
    seen = cluster(ctx)
    return Release(RELEASE, NAMESPACE, seen.kubeconfig, seen.context, environ(ctx))


def nodes(ctx: Context) -> list[kind_nodes.Node]:
    """Return the cluster's nodes.

    Raises:
        HabariError: a cluster of that name is there that this tool did not make.
    """
    found = kind_nodes.find(name(ctx))
    foreign = [each.name for each in found if PROJECT not in each.mounts]
    if foreign:
        raise HabariError(
            f"Cluster {name(ctx)}: {foreign[0]} was not created by habari-local, so it is"
            " left as it is.",
            f"kind delete cluster --name {name(ctx)}",
        )
    return found


def shared(ctx: Context) -> str:
    """Return the folder of the volume that all nodes have, made when absent.

    A user's home in it is where the user is, whichever node that is; a folder of one node is not.
    """
    return docker_client.ensure_volume(f"{project(ctx).name}-volumes", resource_labels(ctx).labels)


def registry(ctx: Context) -> str:
    """Return the registry as this machine and, by its own file, the node call it."""
    return f"localhost:{ctx.settings.port('registry')}"


def registry_container(ctx: Context) -> str:
    """Return the name of the registry's container, by which nodes find it."""
    return f"{project(ctx).name}-{REGISTRY}-1"


def pushed(ctx: Context, names: Mapping[str, str]) -> dict[str, str]:
    """Return images as the node pulls them: name → reference, given the catalogue's names."""
    known = images(ctx)
    return {key: f"{registry(ctx)}/{known.reference(image)}" for key, image in names.items()}


def project(ctx: Context) -> compose.Project:
    """Return the Compose project of the registry."""
    return compose.Project(
        name=f"habari-{ctx.checkout.id}-{NAME}",
        files=compose.files(ctx.checkout.root / "compose", (NAME,)),
        env_file=ctx.checkout.of_mode(NAME) / "compose.env",
        label=processes.label(ctx.checkout.id, NAME),
    )
