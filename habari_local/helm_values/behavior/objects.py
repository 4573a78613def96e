"""Whether Kubernetes takes what is rendered, and users' pods: what its API server validates.

Fields and types are looked at where the values are loaded, by the models of Kubernetes' client
(hub/habari_evaluation/object_types.py); here is what is no matter of types: names, quantities,
words, what one part of an object says of another.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from habari_local.helm_values.behavior.finding import Finding
from habari_local.helm_values.behavior.object_kinds import of_kind
from habari_local.helm_values.behavior.object_pods import expressions
from habari_local.helm_values.behavior.object_values import (
    CHECKS,
    WORDS,
    Problem,
    below,
    object_name,
    words,
)
from habari_local.helm_values.evaluate import Evaluation
from habari_local.helm_values.values import Data, Place, leaves

# Maps whose keys are somebody's own, and no fields.
PLAIN: tuple[str, ...] = ("labels", "annotations", "matchLabels", "nodeSelector", "limits")
PLAIN += ("requests", "volumeAttributes", "parameters", "rules", "data")
KINDS = {"Ingress": "ingress", "HTTPRoute": "httpRoute"}
PARTS = {
    "user-scheduler": "scheduling",
    "user-placeholder": "scheduling",
    "image-puller": "prePuller",
    "image-awaiter": "prePuller",
    "proxy": "proxy",
    "autohttps": "proxy",
    "singleuser": "singleuser",
}


def taken(evaluation: Evaluation) -> Iterator[Finding]:
    """Kubernetes takes every object that is rendered, and the pod and the volume of each choice."""
    found: dict[Finding, None] = {}
    typed = evaluation.get("invalid", default=[])
    for number, made in enumerate(evaluation.manifests):
        wrong = typed[number] if number < len(typed) else []
        found |= dict.fromkeys(_of_object(evaluation, made, wrong, _part(made)))
    for each in evaluation.get("pods", default=[]):
        wrong = each.get("invalid", [])
        found |= dict.fromkeys(_of_object(evaluation, each["pod"], wrong, "singleuser"))
        found |= dict.fromkeys(_of_object(evaluation, each["volume"] or {}, [], "singleuser"))
    yield from found


def _of_object(
    evaluation: Evaluation, made: Data, typed: list[Any], part: str
) -> Iterator[Finding]:
    where = made.get("kind", "") if part != "singleuser" else "users' pods"
    problems = [(tuple(each["path"]), each["says"]) for each in typed]
    problems = problems or [*problems_of(made)]  # which takes the types for granted
    for path, says in problems:
        named = ".".join(map(str, path))
        yield Finding(
            _placed(evaluation, made, path, part), f"Kubernetes refuses {where}: {named}: {says}"
        )


def problems_of(made: Data) -> Iterator[Problem]:
    """Yield what the API server would refuse in an object: where, and why."""
    if made.get("kind") in ("ConfigMap", "Secret"):
        made = {"metadata": made.get("metadata")}
    name = (made.get("metadata") or {}).get("name")
    yield from below(("metadata", "name"), object_name(name))
    yield from of_kind(made)
    yield from _walk(made, ())


def _walk(node: Any, path: Place) -> Iterator[Problem]:
    """Yield what is wrong in fields that mean the same wherever they are."""
    name = str(path[-1]) if path else ""
    if node is not None and name in CHECKS:
        yield from below(path, CHECKS[name](node))
    if name == "matchExpressions":
        yield from below(path, expressions(node))
    if name in WORDS:
        yield from below(path, words(name, node))
    if isinstance(node, dict) and not (name in PLAIN and _of_text(node)):
        for key, value in node.items():
            yield from _walk(value, (*path, key))
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from _walk(value, (*path, number))


def _of_text(node: Data) -> bool:
    return not any(isinstance(each, (dict, list)) for each in node.values())


def _part(made: Data) -> str:
    """Return the key of the values that an object is made of."""
    if made.get("kind") in KINDS:
        return KINDS[str(made["kind"])]
    name = str((made.get("metadata") or {}).get("name", ""))
    return next((part for word, part in PARTS.items() if word in name), "hub")


def _placed(evaluation: Evaluation, made: Data, path: Place, part: str) -> Place:
    """Return where the values say so: the same value under that key, else the object's part."""
    node: Any = made
    for key in path:
        inside = isinstance(node, dict) and key in node
        node = node[key] if inside or (isinstance(node, list) and isinstance(key, int)) else None
    keys = [str(each) for each in path if isinstance(each, str)]
    same = [
        place
        for place, value in leaves(evaluation.data)
        if node is not None and value == node and value not in ("", True, False)
    ]
    for place in same:
        if [each for each in place if isinstance(each, str)][-1:] == keys[-1:]:
            return place
    if same:
        return same[0]
    for place, _ in leaves(evaluation.data):
        if keys[-1:] and keys[-1] in place and place[0] == part:
            return place[: place.index(keys[-1]) + 1]
    return (part,)
