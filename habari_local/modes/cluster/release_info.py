"""What a deployment says of itself: its address, S3 and users, from its release's values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from habari_local.drivers.kubernetes.cluster import Cluster
from habari_local.helm_values.values import Data, map_at, text_at, texts_at

CALLBACK = "/hub/oauth_callback"
SERVICE = "habari-local"  # the hub's service whose token the suite gets
LISTS = ("admin_users", "allowed_users")


def url(values: Data) -> str:
    """Return the address that people open, without a slash at its end; "" if none is told."""
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


def token(cluster: Cluster, namespace: str) -> str:
    """Return the hub's token of the suite, which the chart made; "" where the values have none."""
    return cluster.secret(namespace, "hub").get(f"hub.services.{SERVICE}.apiToken", "")


def variable(values: Data, name: str, cluster: Cluster, namespace: str) -> str:
    """Return a variable of users' servers, out of the secret that it comes from; "" of none."""
    place = ("singleuser", "extraEnv", name)
    plain = text_at(values, *place)
    if plain:
        return plain
    where = map_at(values, *place, "valueFrom", "secretKeyRef")
    if not where:
        return ""
    return cluster.secret(namespace, str(where.get("name"))).get(str(where.get("key")), "")


def _authenticators(values: Data) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, its in map_at(values, "hub", "config").items():
        if name.endswith("Authenticator") and isinstance(its, dict):
            yield name, its
