"""Trees of data and where they differ: values as they are, manifests with lists by items' names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from habari_local.core import yaml11
from habari_local.core.redaction import HIDDEN, Redaction, names_secret
from habari_local.helm_values.rules.placeholders_and_secrets import plain_secrets
from habari_local.helm_values.values import Data, Place

WITHOUT_SECRETS = Redaction()


class _Absent:
    def __repr__(self) -> str:
        return "(absent)"


ABSENT: Any = _Absent()


@dataclass(frozen=True)
class Change:
    """What stands at a place before and after; `ABSENT` where nothing does."""

    place: Place
    before: Any
    after: Any


def changes(before: Any, after: Any, place: Place = ()) -> Iterator[Change]:
    """Yield where the trees differ, by name. Maps are gone into, lists are not."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in sorted({*before, *after}):
            here = (*place, name)
            yield from changes(before.get(name, ABSENT), after.get(name, ABSENT), here)
    elif type(before) is not type(after) or before != after:
        yield Change(place, before, after)


def shown(place: Place, value: Any) -> Any:
    """Return a value for people and reports: what is a secret by its name or look is hidden."""
    if value is ABSENT or value is None:
        return value
    if isinstance(value, Mapping):
        return {name: shown((*place, name), each) for name, each in value.items()}
    # A variable's value stands under its name: env, NAME, value.
    *above, last = ("", *map(str, place))
    if names_secret([*above, last]) and value not in ("", [], True, False):
        return HIDDEN
    if isinstance(value, str):
        clean = WITHOUT_SECRETS(value)
        return HIDDEN if _flagged(place, clean) else clean
    if isinstance(value, list):
        return [shown((*place, _name(each)), each) for each in value]
    return value


def _flagged(place: Place, value: str) -> bool:
    """Whether the rule `plain-secret` would refuse a value at this place."""
    tree: Any = value
    for each in reversed(place or ("",)):
        tree = {str(each): tree}
    return next(plain_secrets(tree), None) is not None


def _name(item: Any) -> str:
    return str(item.get("name", "")) if isinstance(item, Mapping) else ""


def read_manifests(text: str) -> Data:
    """Return the objects of a text of manifests: `Kind/name` → its tree."""
    return {name: by_name(found) for name, found in objects(text).items()}


def objects(text: str) -> Data:
    """Return the objects of a text of manifests as they are: `Kind/name` → object."""
    return dict(_object(document) for document in _documents(text))


def summarize(change: Change) -> Change:
    """Return the change with its place in the object, without secrets, lists as lists again."""
    thing, *place = change.place
    held = str(thing).startswith("Secret/") and (not place or place[0] in ("data", "stringData"))

    def without_secrets(side: Any) -> Any:
        if held and side is not ABSENT:
            return HIDDEN
        return listed(shown(change.place, side))

    return Change(tuple(place), without_secrets(change.before), without_secrets(change.after))


def _documents(text: str) -> list[str]:
    # With the end of its last line: a text that ends there would lose it.
    parts = (f"{part}\n" for part in f"\n{text}".split("\n---\n"))
    return [part for part in parts if any(r and not r.startswith("#") for r in part.splitlines())]


@cache  # most objects are the same in most renderings
def _object(document: str) -> tuple[str, Data]:
    found = yaml11.load(document).data
    return f"{found['kind']}/{found['metadata']['name']}", found


def by_name(node: Any) -> Any:
    """Return a manifest with its lists as maps: by the items' names, or by number."""
    if isinstance(node, Mapping):
        return {str(key): by_name(value) for key, value in node.items()}
    if not isinstance(node, list) or not node:
        return node
    names = [each.get("name") if isinstance(each, Mapping) else None for each in node]
    keys = names if len({*names} - {None}) == len(node) else [f"[{n}]" for n in range(len(node))]
    return {str(key): by_name(value) for key, value in zip(keys, node, strict=True)}


def listed(node: Any) -> Any:
    """Return a manifest as it was before `by_name`."""
    if not isinstance(node, Mapping):
        return node
    items = {key: listed(value) for key, value in node.items()}
    numbered = all(key == f"[{n}]" for n, key in enumerate(items))
    named = all(isinstance(v, Mapping) and v.get("name") == key for key, v in items.items())
    return list(items.values()) if items and (numbered or named) else items
