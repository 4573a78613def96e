"""Whether users keep what they write: a home each, on a volume that outlives their server's pod."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import replace

from habari_local.helm_values.behavior.finding import Finding, of_code, of_trait, origin
from habari_local.helm_values.behavior.object_values import items
from habari_local.helm_values.evaluate import Evaluation
from habari_local.helm_values.values import Data, Place, at, leaves, map_at, text_at

STORAGE: Place = ("singleuser", "storage")
# Volumes that end with the pod or with its node, or that hold no files of the server's own.
PASSING: tuple[str, ...] = (
    "emptyDir",
    "ephemeral",
    "hostPath",
    "configMap",
    "secret",
    "downwardAPI",
)
PASSING += ("projected", "image")
SLIP = 0.9  # of 1: how alike two paths are, of which one is the other misspelled
FIELD = re.compile(r"\\{[^/]*?\\}")  # what KubeSpawner fills in, in an escaped path
SETTING = ("volume_mounts", "volumes", "modify_pod_hook", "pre_spawn_hook")


def separate(evaluation: Evaluation) -> Iterator[Finding]:
    """Two users have a pod and a home each: nobody writes into somebody else's."""
    pods = evaluation.get("pods", default=[])
    first, other = pods[0] if pods else {}, evaluation.get("pod_of_another", default={})
    if not (first.get("pod") and other.get("pod")):
        return
    if first["pod"]["metadata"].get("name") == other["pod"]["metadata"].get("name"):
        says = "the pods of all users are called the same: one user at a time has a server"
        yield of_trait(evaluation, "spawner", "pod_name_template", says)
    home = _home(evaluation)
    if _homes(first["pod"], home) & _homes(other["pod"], home):
        static = text_at(evaluation.whole, *STORAGE, "type") == "static"
        where = ("static", "subPath") if static else ("dynamic", "pvcNameTemplate")
        says = "all users have the same home, {username} was expected in it"
        yield Finding((*STORAGE, *where), says)


def mounted(evaluation: Evaluation) -> Iterator[Finding]:
    """With each choice of a user, their home is on a volume that stays."""
    pods = evaluation.get("pods", default=[])
    home = _home(evaluation)
    found = {str(each.get("choice") or ""): _kept(each["pod"], home) for each in pods}
    lost = [choice for choice, kept in found.items() if kept is None]
    in_part = {kept for kept in found.values() if kept}
    everywhere = len(lost or in_part) == len(found)
    if lost:
        named = next(filter(None, lost), "")
        choice = f" ({named})" if named and not everywhere else ""
        says = f"the home, {home}, is on no volume that stays{choice}: notebooks go with the server"
        if any(_of_node(each["pod"], home) for each in pods):
            says = f"the home, {home}, is a folder of one node{choice}: notebooks go with the node"
        told = _finding(evaluation, says, everywhere=everywhere)
        asked = text_at(evaluation.whole, *STORAGE, "type") == "none"
        mounted_there = any(_is_in(home, path) for each in pods for path in _paths(each["pod"]))
        yield replace(told, warning=asked and not mounted_there)  # no homes: legal
    elif in_part:
        says = f"of the home, {home}, {min(in_part)} alone is kept when a server ends"
        asked = text_at(evaluation.whole, *STORAGE, "type") == "none"  # else it was to be mounted
        yield replace(_finding(evaluation, says, everywhere=everywhere), warning=asked)


def emptied(evaluation: Evaluation) -> Iterator[Finding]:
    """Nothing that runs with each start or end of a server deletes the home."""
    home = _home(evaluation)
    wipes = re.compile(rf"\brm\s+(-\S+\s+)+[\"']?({re.escape(home)}|\$HOME|~)/?\*?[\"']?(\s|;|&|$)")
    says = f"deletes what is in the home, {home}"
    for each in evaluation.get("pods", default=[]):
        spec = each["pod"].get("spec") or {}
        for kind, trait in (("initContainers", "init_containers"), ("containers", "cmd")):
            for _, container in items(spec.get(kind)):
                if any(wipes.search(words) for words in _commands(container)):
                    yield of_trait(evaluation, "spawner", trait, says)
                    return
                hooks = map_at(container, "lifecycle")
                if any(wipes.search(text) for _, text in leaves(_joined(hooks))):
                    yield of_trait(evaluation, "spawner", "lifecycle_hooks", says)
                    return


def _commands(container: Data) -> Iterator[str]:
    for kind in ("command", "args"):
        yield " ".join(map(str, container.get(kind) or ()))


def _joined(hooks: Data) -> Data:
    """Return the command of each hook as one text."""
    return {name: " ".join(map(str, at(hooks, (name, "exec", "command")) or ())) for name in hooks}


def named(evaluation: Evaluation) -> Iterator[Finding]:
    """The home is mounted where the image has it: a slip of the pen is another folder."""
    home, usual = _home(evaluation), "/home/jovyan"
    variables = {"NB_USER", "HOME"} & set(map_at(evaluation.whole, "singleuser", "extraEnv"))
    alike = difflib.SequenceMatcher(None, home, usual).ratio() >= SLIP
    if home != usual and alike and not variables:
        says = f"looks like a slip: {usual} was expected, the home of Jupyter's images"
        yield Finding((*STORAGE, "homeMountPath"), says)


def _home(evaluation: Evaluation) -> str:
    given = text_at(evaluation.whole, *STORAGE, "homeMountPath") or "/home/jovyan"
    return given.rstrip("/") or "/"


def _kept(pod: Data, home: str) -> str | None:
    """Return "" where the whole home stays, what does of it, or None where nothing does."""
    spec = pod.get("spec") or {}
    stays = {
        each.get("name")
        for _, each in items(spec.get("volumes"))
        if not any(each.get(kind) is not None for kind in PASSING)
        and any(value is not None for name, value in each.items() if name != "name")
    }
    mounts = {str(each.get("mountPath")).rstrip("/") or "/": each for each in _mounts(spec)}
    kept = {
        path
        for path, mount in mounts.items()
        if mount.get("name") in stays and not mount.get("readOnly")
    }
    above = {path for path in mounts if _is_in(home, path)}
    if max(above, key=len, default="") in kept:
        return ""
    inside = re.compile(_pattern(home) + "/")
    return min((path for path in kept - above if inside.match(path)), default=None)


def _mounts(spec: Data) -> Iterator[Data]:
    for _, container in items(spec.get("containers")):
        if container.get("name") == "notebook":
            yield from (each for _, each in items(container.get("volumeMounts")))


def _pattern(home: str) -> str:
    return FIELD.sub("[^/]+", re.escape(home))


def _is_in(home: str, path: str) -> bool:
    """Whether the home is a path, or in it; fields of both may be filled in."""
    parts = home.split("/")
    above = ("/".join(parts[:count]) or "/" for count in range(1, len(parts) + 1))
    return any(re.fullmatch(_pattern(each), path) for each in above)


def _finding(evaluation: Evaluation, says: str, *, everywhere: bool) -> Finding:
    """Return a finding at what most likely took the home away."""
    for trait in SETTING if everywhere else ("profile_list",):
        place, where = origin(evaluation, "spawner", trait)
        if where:
            return of_code(where, says)
        if trait == "profile_list" or at(evaluation.data, place) is not None:
            return Finding(place, says)
    return Finding(STORAGE, says)


def _paths(pod: Data) -> list[str]:
    mounts = _mounts(pod.get("spec") or {})
    return [str(each.get("mountPath")).rstrip("/") or "/" for each in mounts]


def _of_node(pod: Data, home: str) -> bool:
    """Whether a folder of the node is mounted as the home."""
    spec = pod.get("spec") or {}
    folders = {each.get("name") for _, each in items(spec.get("volumes")) if each.get("hostPath")}
    paths = [str(each.get("mountPath")) for each in _mounts(spec) if each.get("name") in folders]
    return any(_is_in(home, path.rstrip("/") or "/") for path in paths)


def _homes(pod: Data, home: str) -> set[tuple[str, str]]:
    """Return the claims, and folders in them, that a server has mounted as the home to write to.

    None where several are mounted there: Kubernetes refuses that, which is its own error.
    """
    spec = pod.get("spec") or {}
    claims = {
        each.get("name"): str((each.get("persistentVolumeClaim") or {}).get("claimName"))
        for _, each in items(spec.get("volumes"))
        if each.get("persistentVolumeClaim")
    }
    at_home = [
        mount
        for mount in _mounts(spec)
        if re.fullmatch(_pattern(home), str(mount.get("mountPath")).rstrip("/"))
    ]
    return {
        (claims[mount.get("name")], str(mount.get("subPath") or ""))
        for mount in at_home
        if len(at_home) == 1 and mount.get("name") in claims and not mount.get("readOnly")
    }
