"""How the values of one machine differ from production's, and why: the comment at the value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from habari_local.helm_values.tree_diff import ABSENT, Change, changes
from habari_local.helm_values.values import Data, Place, Values, merge_layers, merge_over_defaults


@dataclass(frozen=True)
class Difference:
    """One value that is not production's; `where` is the line that says so, `reason` its why."""

    place: Place
    production: Any
    local: Any
    where: str
    reason: str


class OverrideComments:
    """The reasons in one file, for people and programs: plain comments, kept where the value is."""

    def __init__(self, values: Values) -> None:
        self._values = values
        self._rows = values.text.splitlines()
        self._ends = _ends(values.text)

    def __call__(self, place: Place) -> str:
        """Return the reason of the value at a place; empty where there is none."""
        number = self._values.lines.get(place)
        if number is None:
            return ""
        beside = self._rows[number - 1][self._ends.get(number, 0) :].strip()
        found = [*self._above(number), *([beside] if beside.startswith("#") else [])]
        return " ".join(each.lstrip("# ").rstrip() for each in found).strip()

    def _above(self, number: int) -> list[str]:
        """Return the comment lines that end above a line and begin in the same column.

        A comment further right is none of it: it could be a line of the text that stands there.
        """
        column = _column(self._rows[number - 1])
        first = number - 1
        while first > 0 and self._rows[first - 1].lstrip().startswith("#"):
            if _column(self._rows[first - 1]) != column:
                break
            first -= 1
        return [each.strip() for each in self._rows[first : number - 1]]


def differences(
    defaults: Mapping[str, Any], production: Values, overlays: Sequence[Values]
) -> list[Difference]:
    """Return every value that the overlays make another one than the chart has in production.

    What production does not have at all is one difference, if it has one reason; otherwise each
    value in it is.
    """
    layers = [production.data, *(each.data for each in overlays)]
    before = merge_over_defaults(defaults, production.data)
    after = merge_over_defaults(defaults, merge_layers(layers))
    known = [(each, OverrideComments(each)) for each in overlays]
    return [
        difference
        for change in changes(before, after)
        for difference in _explained(change, known, {})
    ]


def _explained(
    change: Change, known: Sequence[tuple[Values, OverrideComments]], above: Mapping[str, str]
) -> list[Difference]:
    """Return a change with its reason, or what is in it, each with its own.

    `above` has for each overlay its reason of the map that the change is in.
    """
    place, after = change.place, change.after
    says = [(values, reasons) for values, reasons in known if place in values.lines]
    found = {each.name: reasons(place) or above.get(each.name, "") for each, reasons in says}
    last = says[-1][0] if says else None
    reason = found[last.name] if last else ""
    whole = Difference(
        place,
        change.before,
        after,
        f"{last.name}:{last.lines[place]}" if last else "",
        reason,
    )
    if not isinstance(after, Mapping) or (reason and len(says) == 1):
        return [whole]
    inside = [Change((*place, name), ABSENT, value) for name, value in after.items()]
    parts = [part for each in inside for part in _explained(each, known, found)]
    return parts if any(part.reason for part in parts) else [whole]


def applied(values: Mapping[str, Any], given: Sequence[Difference]) -> Data:
    """Return values with these differences put in, and no others."""
    result = deepcopy(dict(values))
    for each in given:
        node = result
        *above, last = map(str, each.place)
        for name in above:
            if not isinstance(node.get(name), dict):
                node[name] = {}
            node = node[name]
        # Null is how Helm is told to take a value of the chart's away.
        node[last] = None if each.local is ABSENT else deepcopy(each.local)
    return result


def _column(row: str) -> int:
    return len(row) - len(row.lstrip())


def _ends(text: str) -> Mapping[int, int]:
    """Return for each line the column where what is no comment ends."""
    import yaml

    ends: dict[int, int] = {}
    for token in yaml.scan(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        line = token.end_mark.line + 1
        ends[line] = max(ends.get(line, 0), token.end_mark.column)
    return ends
