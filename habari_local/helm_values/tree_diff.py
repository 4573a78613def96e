"""Where two trees of data differ: at the highest place that one of them lacks, or at leaves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from habari_local.helm_values.values import Place

HIDDEN = "(hidden)"
SECRET = re.compile(
    r"(secret|token|password|passphrase|access_?key|secret_?key|private_?key|keys)$", re.IGNORECASE
)


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
    """Return a value for people and reports: what is a secret by its name is hidden."""
    if value is ABSENT or value is None:
        return value
    if isinstance(value, Mapping):
        return {name: shown((*place, name), each) for name, each in value.items()}
    # A variable's value stands under its name: env, NAME, value.
    *above, last = ("", *map(str, place))
    named = above[-1] if last == "value" else last
    if SECRET.search(named) and value not in ("", [], True, False):
        return HIDDEN
    if isinstance(value, list):
        return [shown((*place, _name(each)), each) for each in value]
    return value


def _name(item: Any) -> str:
    return str(item.get("name", "")) if isinstance(item, Mapping) else ""
