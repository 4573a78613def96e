"""Where mode cluster is: the context and namespace that the settings name, helm and chart."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from habari_local.drivers.helm import Release
from habari_local.drivers.kubernetes import kubeconfig
from habari_local.drivers.kubernetes.cluster import Cluster
from habari_local.helm_values.chart import chart_path
from habari_local.helm_values.tenants import Tenant
from habari_local.images import bundled_binaries
from habari_local.images.build import Images
from habari_local.platform.mode import Context

NAME = "cluster"
RELEASE = "habari"


def namespace(ctx: Context) -> str:
    """Return the namespace; of a tenant one of its own, named after it."""
    settings = ctx.settings
    return (
        f"{settings.kube_namespace}-{settings.tenant}"
        if settings.tenant
        else (settings.kube_namespace)
    )


def tenant(ctx: Context) -> Tenant | None:
    """Return the tenant whose deployment it is, None where there are no tenants."""
    name = ctx.settings.tenant
    return Tenant(ctx.checkout.root, name) if name else None


def cluster(ctx: Context) -> Cluster:
    """Return the cluster as its client sees it.

    Raises:
        HabariError: no context was named, or not one of the kubeconfig.
    """
    context = ctx.settings.kube_context
    return Cluster(kubeconfig.find(ctx.environ, context), context)


def release(ctx: Context) -> Release:
    """Return the release of the chart."""
    seen = cluster(ctx)
    return Release(RELEASE, namespace(ctx), seen.kubeconfig, seen.context, environ(ctx))


def environ(ctx: Context) -> Mapping[str, str]:
    """Return the environment of helm: the machine's own, else the one of our image `tools`."""
    if shutil.which("helm", path=ctx.environ.get("PATH")):
        return ctx.environ
    images = Images(ctx.checkout, ctx.settings, ctx.environ)
    if bundled_binaries.from_image(images):
        bundled_binaries.unpack(images)
    return bundled_binaries.environment(images)


def chart(ctx: Context) -> Path:
    """Return the chart."""
    return chart_path(ctx.settings, ctx.checkout.root, environ(ctx), cancel=ctx.cancel)
