"""One thing that is wrong with values: in which file and line, at which place, by which rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from habari_local.helm_values.values import Place, Values, dotted


@dataclass(frozen=True)
class Violation:
    """What is wrong, told without the value itself, which could be a secret; line 0: of no line."""

    file: str
    line: int
    place: str
    message: str
    rule: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return (
            f"{where}: {self.place}: {self.message}" if self.place else f"{where}: {self.message}"
        )


def violation_at(layers: Sequence[Values], place: Place, message: str, rule: str) -> Violation:
    """Return the problem where it is made: in the last layer that goes as deep as any does."""
    for length in range(len(place), 0, -1):
        for layer in reversed(layers):
            line = layer.lines.get(place[:length])
            if line:
                return Violation(layer.name, line, dotted(place), message, rule)
    return Violation(layers[-1].name if layers else "", 0, dotted(place), message, rule)
