"""What mode cluster deploys, and where: the context and namespace that the settings name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from habari_local.core.container_user import JOVYAN
from habari_local.core.errors import NotRunning
from habari_local.drivers.helm import Release
from habari_local.drivers.kubernetes import kubeconfig
from habari_local.drivers.kubernetes.cluster import Cluster
from habari_local.drivers.kubernetes.readiness import PodWatch
from habari_local.helm_values.chart import chart_path
from habari_local.helm_values.tenants import Tenant
from habari_local.helm_values.values import Data, map_at, text_at, texts_at
from habari_local.images import bundled_binaries
from habari_local.platform.mode import Context

NAME = "cluster"
LONGEST = 53  # letters of a release's name, says Helm
EARLIER = "habari"  # what every release was called before they were named after namespaces
CALLBACK = "/hub/oauth_callback"
SERVICE = "habari-local"  # the hub's service whose token the suite gets
LISTS = ("admin_users", "allowed_users")


@dataclass(frozen=True)
class ClusterPlatform:
    """The deployment of one context. What is made when first asked for is kept."""

    ctx: Context
    server_uid: int = JOVYAN

    @property
    def namespace(self) -> str:
        """The namespace; of a tenant one of its own, named after it."""
        tenant, prefix = self.ctx.settings.tenant, self.ctx.settings.kube_namespace
        return f"{prefix}-{tenant}" if tenant else prefix

    @property
    def release_name(self) -> str:
        """The release's name: the namespace's.

        What the chart makes in no namespace, as the user scheduler's rights, is named after the
        release: two of one name could not be in one cluster.
        """
        return self.namespace[:LONGEST].rstrip("-")

    @property
    def tenant(self) -> Tenant | None:
        """The tenant whose deployment it is, None where there are no tenants."""
        name = self.ctx.settings.tenant
        return Tenant(self.ctx.checkout.root, name) if name else None

    @cached_property
    def cluster(self) -> Cluster:
        """The cluster as its client sees it.

        Raises:
            HabariError: no context was named, or not one of the kubeconfig.
        """
        context = self.ctx.settings.kube_context
        return Cluster(kubeconfig.find(self.ctx.environ, context), context)

    @cached_property
    def pod_watch(self) -> PodWatch:
        """What follows the pods for those who are in its block."""
        return PodWatch(self.cluster, self.namespace)

    @cached_property
    def release(self) -> Release:
        """The release of the chart: one that has its earlier name keeps it.

        Raises:
            ApiError: the cluster does not answer us; helm would wait for ever.
            CommandFailed: the cluster refused to say which releases there are.
        """
        self.cluster.require_answer()
        file, context = self.cluster.kubeconfig, self.cluster.context
        release = Release(self.release_name, self.namespace, file, context, self.environ)
        if release.name == EARLIER or release.status() is not None:
            return release
        earlier = replace(release, name=EARLIER)
        return earlier if earlier.status() is not None else release

    @cached_property
    def environ(self) -> Mapping[str, str]:
        """The environment of helm: the machine's own, else the one of our image `tools`."""
        return self.environ_with("helm")

    def environ_with(self, name: str) -> Mapping[str, str]:
        """Return an environment with a program in its PATH: the machine's, or that of our image."""
        return bundled_binaries.environment_with(name, self.ctx.images)

    @cached_property
    def chart(self) -> Path:
        """The chart."""
        ctx = self.ctx
        root = ctx.checkout.root
        return chart_path(ctx.settings, root, self.environ, cancel=ctx.cancel)

    def values(self) -> dict[str, object]:
        """Return the values that the release was given.

        Raises:
            NotRunning: it is not there.
        """
        if self.release.status() is None:
            raise NotRunning(f"Release {self.release.name} in {self.namespace}")
        return self.release.values()

    def hub_token(self) -> str:
        """Return the hub's token of the suite; "" where the values have none."""
        found = self.cluster.secret(self.namespace, "hub")
        return found.get(f"hub.services.{SERVICE}.apiToken", "")

    def server_variable(self, values: Data, name: str) -> str:
        """Return a variable of users' servers, out of the secret that it comes from; "" of none."""
        place = ("singleuser", "extraEnv", name)
        plain = text_at(values, *place)
        if plain:
            return plain
        where = map_at(values, *place, "valueFrom", "secretKeyRef")
        if not where:
            return ""
        secret = self.cluster.secret(self.namespace, str(where.get("name")))
        return secret.get(str(where.get("key")), "")


def public_url(values: Data) -> str:
    """Return the address that people open, without a slash at its end; "" if there is none."""
    for _, its in _authenticators(values):
        found = its.get("oauth_callback_url")
        if isinstance(found, str) and found.endswith(CALLBACK):
            return found.removesuffix(CALLBACK)
    hosts = texts_at(values, "ingress", "hosts")
    return f"https://{hosts[0]}" if hosts else ""


def allowed_users(values: Data) -> list[str]:
    """Return the accounts that are let in by name."""
    lists = [its.get(key) or () for _, its in _authenticators(values) for key in LISTS]
    found = [name for each in lists for name in each]
    return list(dict.fromkeys(str(name).lower() for name in found))


def _authenticators(values: Data) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, its in map_at(values, "hub", "config").items():
        if name.endswith("Authenticator") and isinstance(its, dict):
            yield name, its
