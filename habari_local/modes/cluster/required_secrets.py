"""The Kubernetes secrets that values name: pods wait without end for one that is not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from habari_local.core.errors import HabariError
from habari_local.drivers.kubernetes.objects import Objects
from habari_local.helm_values.values import at, merge_layers, read
from habari_local.modes.cluster import values_files
from habari_local.modes.cluster.platform import ClusterPlatform

EXISTING = ("hub", "existingSecret")
CLIENT_SECRET = ("hub", "config", "GitHubOAuthenticator", "client_secret")
PAGE = "docs/how-to/configure-production.md#secrets"


def missing(platform: ClusterPlatform) -> list[str]:
    """Return each secret that values name and is not in the namespace, with where it is named."""
    return _missing(platform, _values(platform))


def require_secrets(platform: ClusterPlatform) -> None:
    """Refuse to begin without them.

    Raises:
        HabariError: all that are missing.
    """
    found = _values(platform)
    names = _missing(platform, found)
    if not names:
        return
    whole = at(found, EXISTING) and at(found, CLIENT_SECRET)
    twice = "- hub.existingSecret: the client secret is among the values already. Leave it out, if"
    raise HabariError(
        f"Namespace {platform.namespace}: no secret {', '.join(names)}, expected there.",
        hint(platform),
        details=[f"{twice} that is all that it is for."] if whole else [],
    )


def hint(platform: ClusterPlatform) -> str:
    """Return what shows the secrets that are there, and where it says how to make others."""
    to = f"--context {platform.ctx.settings.kube_context} -n {platform.namespace}"
    return f"kubectl {to} get secrets   (how to make them: {PAGE})"


def named(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the secrets that pods can't start without, each with a place that names it.

    One to pull images with is none of them: without it they are pulled by nobody's leave.
    """
    found = {str(name): where for name, where in _variables(values)}
    existing = at(values, EXISTING)
    return {**found, **({str(existing): ".".join(EXISTING)} if existing else {})}


def _variables(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for part in ("hub", "singleuser"):
        given = at(values, (part, "extraEnv"), {})
        items = given.values() if isinstance(given, Mapping) else given or ()
        for each in items:
            reference = at(each, ("valueFrom", "secretKeyRef"), {})
            if reference.get("name") and not reference.get("optional"):
                yield reference["name"], f"{part}.extraEnv"


def _missing(platform: ClusterPlatform, values: Mapping[str, Any]) -> list[str]:
    objects = Objects(platform.cluster, platform.namespace)
    return [f"{name} ({where})" for name, where in named(values).items() if _no(objects, name)]


def _values(platform: ClusterPlatform) -> Mapping[str, Any]:
    with values_files.closed(platform) as files:
        return merge_layers([read(each).data for each in files])


def _no(objects: Objects, name: str) -> bool:
    """Whether it is certainly not there; who may not look at secrets is not kept from trying."""
    with suppress(HabariError):
        manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}
        return objects.live(manifest) is None
    return False
