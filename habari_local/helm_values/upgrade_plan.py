"""What an upgrade would do to a cluster: rendered manifests against the objects that are there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from habari_local.core.errors import HabariError
from habari_local.helm_values.report import arrow
from habari_local.helm_values.tree_diff import ABSENT, Change, by_name, changes, objects, summarize
from habari_local.helm_values.values import Data, at, dotted

# What changes with every request, or is the cluster's own to say.
NOISE = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp")
TEMPLATE = ("spec", "template")
KEPT = ("metadata", "annotations", "helm.sh/resource-policy")
AT_ONCE = 8  # requests


class ObjectReader(Protocol):
    """Who knows the objects of a cluster."""

    def live(self, manifest: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the object of a manifest as it is; None where there is none."""

    def tried(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Return the object as it would be."""


@dataclass(frozen=True)
class UpgradePlan:
    """What happens to each object (`Kind/name`); no secret is in it."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[tuple[str, Change], ...]
    same: int

    @property
    def anything(self) -> bool:
        """Whether anything happens at all."""
        return bool(self.added or self.removed or self.changed)

    @property
    def restarted(self) -> tuple[str, ...]:
        """The workloads whose pods are replaced."""
        found = [thing for thing, change in self.changed if change.place[:2] == TEMPLATE]
        return tuple(dict.fromkeys(found))


def plan_upgrade(before: str, after: str, cluster: ObjectReader) -> UpgradePlan:
    """Compare the manifests of the release (`before`, "" of none) and those to come with what is.

    What was changed by hand since counts too: an upgrade takes it back, where a manifest says how
    it should be.

    Raises:
        HabariError: the cluster did not tell.
    """
    old, new = objects(before), objects(after)
    gone = [name for name in old if name not in new and at(old[name], KEPT) != "keep"]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        live = dict(zip(new, pool.map(cluster.live, new.values()), strict=True))
        still = dict(zip(gone, pool.map(lambda name: cluster.live(old[name]), gone), strict=True))
        there = [name for name in new if live[name] is not None]

        def compared(name: str) -> list[Change]:
            return list(_changes(old.get(name), new[name], live[name] or {}, cluster))

        found = dict(zip(there, pool.map(compared, there), strict=True))
    changed = [(n, summarize(c)) for n, each in found.items() for c in _under(n, each)]
    return UpgradePlan(
        tuple(name for name in new if live[name] is None),
        tuple(name for name in gone if still[name] is not None),
        tuple(changed),
        sum(not each for each in found.values()),
    )


def _under(name: str, found: list[Change]) -> Iterator[Change]:
    for each in found:
        yield Change((name, *each.place), each.before, each.after)


def _changes(old: Data | None, new: Data, live: Data, cluster: ObjectReader) -> Iterator[Change]:
    """Yield what becomes different in an object that is there."""
    was, to_be, now = by_name(old or new), by_name(new), by_name(_quiet(live))
    try:
        tried = by_name(_quiet(cluster.tried(new)))
    except HabariError:  # the cluster does not take old and new together, as a port renumbered
        yield from changes(was, to_be)
        return
    found = list(changes(now, tried))
    yield from found
    told_of = {each.place for each in found}
    for each in changes(was, to_be):
        value = at(now, each.place, ABSENT)
        if each.after is ABSENT and value is not ABSENT and each.place not in told_of:
            yield Change(each.place, value, ABSENT)


def _quiet(found: Mapping[str, Any]) -> Data:
    about = {name: each for name, each in found.get("metadata", {}).items() if name not in NOISE}
    return {**{k: v for k, v in found.items() if k != "status"}, "metadata": about}


def as_data(found: UpgradePlan) -> dict[str, Any]:
    """Return the outcome for programs."""
    return {
        "added": list(found.added),
        "removed": list(found.removed),
        "changed": [
            {"object": thing, "place": dotted(change.place), "change": arrow(change)}
            for thing, change in found.changed
        ],
        "same": found.same,
        "restarted": list(found.restarted),
    }


def as_lines(found: UpgradePlan) -> Iterator[str]:
    """Yield the outcome for people."""
    yield from (f"  + {name}" for name in found.added)
    yield from (f"  - {name}" for name in found.removed)
    for thing, change in found.changed:
        yield f"  ~ {thing} {dotted(change.place)}: {arrow(change)}"
    objects_changed = len({thing for thing, _ in found.changed})
    yield (
        f"{len(found.added)} added, {len(found.removed)} removed, {objects_changed} changed,"
        f" {found.same} the same."
        + (f" Pods are replaced: {', '.join(found.restarted)}." if found.restarted else "")
    )
