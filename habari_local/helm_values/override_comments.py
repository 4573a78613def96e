"""Why an overlay has a value: the comment right above its name, or at the end of its line."""

from __future__ import annotations

from collections.abc import Mapping

from habari_local.helm_values.values import Place, Values


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


def _column(row: str) -> int:
    return len(row) - len(row.lstrip())


def _ends(text: str) -> Mapping[int, int]:
    """Return for each line the column where what is no comment ends."""
    from ruamel.yaml import YAML

    ends: dict[int, int] = {}
    for token in YAML(typ="safe", pure=True).scan(text):
        line = token.end_mark.line + 1
        ends[line] = max(ends.get(line, 0), token.end_mark.column)
    return ends
