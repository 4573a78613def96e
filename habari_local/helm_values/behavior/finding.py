"""What a rule finds, and the place in the values where a trait got what it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from habari_local.helm_values.evaluate import Evaluation
from habari_local.helm_values.values import Place, at

EXTRA: Place = ("hub", "extraConfig")
CONFIG: Place = ("hub", "config")
# Traits that the chart sets of values with other names than theirs.
SINGLEUSER = {
    "environment": "extraEnv",
    "mem_limit": "memory.limit",
    "mem_guarantee": "memory.guarantee",
    "cpu_limit": "cpu.limit",
    "cpu_guarantee": "cpu.guarantee",
    "image": "image",
    "image_pull_policy": "image.pullPolicy",
    "events_enabled": "events",
    "service_account": "serviceAccountName",
    "storage_extra_labels": "storage.extraLabels",
    "storage_class": "storage.dynamic.storageClass",
    "storage_access_modes": "storage.dynamic.storageAccessModes",
    "storage_capacity": "storage.capacity",
    "volumes": "storage.extraVolumes",
    "volume_mounts": "storage.extraVolumeMounts",
    "tolerations": "extraTolerations",
    "node_affinity_required": "extraNodeAffinity.required",
    "node_affinity_preferred": "extraNodeAffinity.preferred",
    "extra_resource_limits": "extraResource.limits",
    "extra_resource_guarantees": "extraResource.guarantees",
    "pvc_name_template": "storage.dynamic.pvcNameTemplate",
}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: at a place of the values, or at a line of code that stands there."""

    place: Place
    says: str
    warning: bool = False
    line: int = 0  # of the code at the place, from 1


def of_code(where: list[Any], says: str, warning: bool = False) -> Finding:
    """Return what is found in a line of extraConfig: `where` is its key and the line."""
    return Finding((*EXTRA, str(where[0])), says, warning, int(where[1]))


def of_trait(
    evaluation: Evaluation, kind: str, trait: str, says: str, warning: bool = False
) -> Finding:
    """Return what is found of a trait of the authenticator, the spawner or the hub (`kind`)."""
    section, where = origin(evaluation, kind, trait)
    if where:
        return of_code(where, says, warning)
    return Finding(section, says, warning)


def origin(evaluation: Evaluation, kind: str, trait: str) -> tuple[Place, list[Any] | None]:
    """Return where a trait gets its value: a place, and the line of code that set it, if any."""
    sections = sections_of(evaluation, kind)
    for section in sections:
        where = evaluation.get("origins", f"{section}.{trait}")
        if where:
            return EXTRA, where
    for section in sections:
        if at(evaluation.data, (*CONFIG, section, trait), ...) is not ...:
            return (*CONFIG, section, trait), None
    first, *rest = trait.split("_")
    camel = first + "".join(each.title() for each in rest)
    value: Place = tuple(SINGLEUSER.get(trait, camel).split("."))
    if kind == "spawner":
        return ("singleuser", *value), None
    if kind == "hub" and at(evaluation.whole, ("hub", *value), ...) is not ...:
        return ("hub", *value), None
    return (*CONFIG, _usual(sections), trait), None


def _usual(sections: list[str]) -> str:
    """Return the section that people would write: the library's class, not a subclass of it."""
    return next((each for each in sections if each.endswith("OAuthenticator")), sections[0])


def sections_of(evaluation: Evaluation, kind: str) -> list[str]:
    """Return what the sections of a class are called in a configuration: itself, its parents."""
    if kind == "hub":
        return ["JupyterHub"]
    names = [evaluation.get(kind, "class", default=""), *evaluation.get(kind, "bases", default=[])]
    ours = [name.rpartition(".")[2] for name in names if not name.startswith("traitlets.")]
    return [name for name in ours if name not in ("object", "")] or [kind.title()]
