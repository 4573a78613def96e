"""Whether every container that is started runs the same image tomorrow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from habari_local.helm_values.behavior.finding import Finding, of_trait, origin
from habari_local.helm_values.evaluate import Evaluation
from habari_local.helm_values.values import Data, Place, at, leaves

SERVER: Place = ("singleuser", "image")
# github.com/distribution/reference: a name, a tag, a digest.
NAME = r"(?:[\w.-]+(?::\d+)?/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*"
REFERENCE = re.compile(
    rf"(?P<name>{NAME})(?::(?P<tag>\w[\w.-]{{0,127}}))?(?P<digest>@sha256:[0-9a-f]{{64}})?"
)
# Tags that projects move as they go, and numbers that stand for the newest of several.
MOVING = re.compile(
    r"main|master|trunk|head|dev|devel|develop|development|edge|nightly|canary|next|stable|release"
    r"|prod|production|staging|test|testing|current|snapshot|rolling|lts|v?\d+",
    re.IGNORECASE,
)
TYPED = "habari/typed-by-the-user"  # of hub/habari_evaluation/pods.py


def pinned(evaluation: Evaluation) -> Iterator[Finding]:
    """Every container of what is rendered and of users' pods runs an image that stays the same."""
    yield from _unnamed(evaluation)
    yield from (each for each in _judged(evaluation) if not each.warning)


def moving(evaluation: Evaluation) -> Iterator[Finding]:
    """A branch's name, or a number that is a version's beginning, is pushed again."""
    yield from (each for each in _judged(evaluation) if each.warning)


def unlisted(evaluation: Evaluation) -> Iterator[Finding]:
    """Who may name any image runs any image, with the rights of servers."""
    pods = [each["pod"] for each in evaluation.get("pods", default=[])]
    if any(TYPED in str(each.get("image")) for pod in pods for each in containers(pod)):
        says = "users may run any image that they type, a validation_regex was expected"
        yield Finding(("singleuser", "profileList"), says)


def _unnamed(evaluation: Evaluation) -> Iterator[Finding]:
    """Yield images that have the chart's own name or tag with somebody else's tag or name."""
    named = at(evaluation.data, (*SERVER, "name"))
    by_trait = at(evaluation.data, ("hub", "config", "KubeSpawner", "image"))
    if not (named or by_trait or origin(evaluation, "spawner", "image")[1]):
        yield Finding((*SERVER, "name"), "not set, and the chart's own image is not Habari's")
    for place, its in image_maps(evaluation.data):
        name = its.get("name")
        if isinstance(name, str) and name and "@" not in name and not its.get("tag"):
            tagged = REFERENCE.fullmatch(name)
            if not (tagged and tagged["tag"]):
                says = "has no tag of its own, the chart's is of another image"
                yield Finding((*place, "name"), says)


def _judged(evaluation: Evaluation) -> list[Finding]:
    """Return what is wrong with each image of what is rendered and of users' pods, once."""
    pods = [each["pod"] for each in evaluation.get("pods", default=[])]
    for manifest in evaluation.manifests:
        template = at(manifest, ("spec", "template")) or {}
        pods.append(manifest if manifest.get("kind") == "Pod" else template)
    images = dict.fromkeys(str(each.get("image")) for pod in pods for each in containers(pod))
    found = [_of_reference(evaluation, each) for each in images if TYPED not in each]
    return list(dict.fromkeys(each for each in found if each))


def containers(pod: Data) -> list[Data]:
    """Return the containers of a pod, those that run before the others too."""
    spec = pod.get("spec") or {}
    kinds = ("initContainers", "containers")
    return [each for kind in kinds for each in spec.get(kind) or () if isinstance(each, dict)]


def _of_reference(evaluation: Evaluation, image: str) -> Finding | None:
    says, warning = verdict(image)
    return _placed(evaluation, image, says, warning) if says else None


def verdict(image: str) -> tuple[str, bool]:
    """Return what is wrong with an image's reference, "" for nothing, and if it is a warning."""
    found = REFERENCE.fullmatch(image)
    if found is None:
        return "no image is called so: a name, a colon and a tag were expected", False
    if found["digest"]:
        return "", False
    if not found["tag"] or found["tag"].lower() == "latest":
        seen = "latest" if found["tag"] else "no tag, which means latest,"
        return f"{seen} names another image tomorrow, a tag that stays was expected", False
    if MOVING.fullmatch(found["tag"]):
        return "a tag that projects move, one that stays or a digest was expected", True
    return "", False


def _placed(evaluation: Evaluation, image: str, says: str, warning: bool) -> Finding | None:
    """Return a finding where the values say so of an image; None where the chart does."""
    for place, its in image_maps(evaluation.data):
        name, tag = its.get("name"), its.get("tag")
        if image in (f"{name}:{tag}", name) or (name and image == f"{name}:{tag or ''}"):
            return Finding((*place, "tag" if tag else "name"), says, warning)
    for place, value in leaves(evaluation.data):
        if value == image and place[:2] != ("hub", "extraConfig"):
            return Finding(place, says, warning)
    if image == at(evaluation.get("spawner", "traits", default={}), ("image",)):
        return of_trait(evaluation, "spawner", "image", says, warning)
    for place, value in leaves(evaluation.data):
        if isinstance(value, str) and place[:2] == ("hub", "extraConfig") and image in value:
            return Finding(place, says, warning)
    return None


def image_maps(node: Any, place: Place = ()) -> Iterator[tuple[Place, Data]]:
    """Yield the maps of values that name an image by name and tag."""
    if isinstance(node, dict):
        for key, value in node.items():
            here = (*place, key)
            parent = place[-1] if place else ""
            if isinstance(value, dict) and (key == "image" or parent == "extraImages"):
                yield here, value
            yield from image_maps(value, here)
