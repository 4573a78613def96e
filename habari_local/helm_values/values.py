"""Helm values: a file's data with the line of each value, and layers as Helm lays them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from habari_local.core import yaml11
from habari_local.core.errors import HabariError

Key = yaml11.Key
Place = yaml11.Place
Data = dict[str, Any]

# A release and its values must fit, compressed, into a secret of 1 MiB.
BYTES = 1024 * 1024


class BadValues(HabariError):
    """A file of values that can't be read; the message names file and line."""

    def __init__(self, name: str, problem: str, line: int = 1) -> None:
        super().__init__(f"{name}:{line}: {problem}.", f"sed -n {line}p {name}")
        self.name, self.line, self.problem = name, line, problem


@dataclass(frozen=True)
class Values:
    """One file of values, as Helm reads it.

    `lines` has the line (from 1) of every key and item, `repeated` names that stand in their map
    already, and `ends` the line where another document begins, which Helm does not read (0: none).
    """

    name: str
    data: Data
    lines: Mapping[Place, int]
    text: str
    repeated: tuple[tuple[Place, int], ...] = ()
    ends: int = 0

    def line(self, place: Place) -> int | None:
        """Return the line of a value, or of the nearest that it stands in; None: of nothing."""
        for length in range(len(place), 0, -1):
            if place[:length] in self.lines:
                return self.lines[place[:length]]
        return None


def read(path: Path, name: str = "") -> Values:
    """Read a file of values; `name` is what people know it by.

    Raises:
        BadValues: it is not there, too large, no YAML, or no map.
    """
    shown = name or str(path)
    try:
        if path.stat().st_size > BYTES:
            size = f"{path.stat().st_size / 1e6:.1f} MB"
            raise BadValues(shown, f"{size}, at most {BYTES // 1024} KiB were expected")
        return parse(path.read_text(encoding="utf-8"), shown)
    except FileNotFoundError:
        raise BadValues(shown, "not there, a file of values was expected") from None
    except UnicodeDecodeError:
        raise BadValues(shown, "not UTF-8 text") from None
    except IsADirectoryError:
        raise BadValues(shown, "a folder, a file of values was expected") from None


def parse(text: str, name: str) -> Values:
    """Parse the text of a file of values, as Helm does.

    Raises:
        BadValues: it is no YAML, or no map.
    """
    try:
        found = yaml11.load(text)
    except yaml11.BadYaml as error:
        raise BadValues(name, f"no YAML: {error.problem}", error.line) from None
    data = {} if found.data is None else found.data
    if not isinstance(data, dict):
        raise BadValues(name, "no map, names and values were expected")
    return Values(name, data, found.lines, text, tuple(found.repeated), found.ends)


def dotted(place: Place) -> str:
    """Return a place as people write it: hub.config.JupyterHub, extraPorts[0], a."b.c"."""
    return "".join(map(_step, place)).removeprefix(".")


def _step(key: Key) -> str:
    if isinstance(key, int):
        return f"[{key}]"
    if key.startswith("["):  # an item, where lists are compared as maps
        return key
    return f'."{key}"' if "." in key else f".{key}"


def at(data: Any, place: Place, default: Any = None) -> Any:
    """Return what stands at a place, or `default`."""
    for key in place:
        known = isinstance(data, Mapping) and key in data
        counted = isinstance(data, list) and isinstance(key, int) and key < len(data)
        if not (known or counted):
            return default
        data = data[key]
    return data


def merge_layers(layers: Sequence[Mapping[str, Any]]) -> Data:
    """Lay values over one another as Helm does its files: maps join, all else is replaced."""
    result: Data = {}
    for layer in layers:
        for key, value in layer.items():
            below = result.get(key)
            joined = isinstance(below, dict) and isinstance(value, Mapping)
            result[key] = merge_layers([below, value]) if joined else deepcopy(value)  # type: ignore[list-item]
    return result


def merge_over_defaults(defaults: Mapping[str, Any], values: Mapping[str, Any]) -> Data:
    """Lay values over the chart's own, as Helm does: null takes the chart's value away."""
    result = deepcopy(dict(values))
    for key, default in defaults.items():
        if key not in result:
            result[key] = deepcopy(default)
        elif result[key] is None:
            del result[key]
        elif isinstance(result[key], dict) and isinstance(default, Mapping):
            result[key] = merge_over_defaults(default, result[key])
    return result


def map_at(data: Any, *place: str | int) -> Data:
    """Return the map at a place; an empty one where there is none."""
    found = at(data, place)
    return found if isinstance(found, dict) else {}


def texts_at(data: Any, *place: str | int) -> list[str]:
    """Return the texts of the list at a place; none where there is no list."""
    found = at(data, place)
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []


def text_at(data: Any, *place: str | int) -> str:
    """Return the text at a place, "" where there is none."""
    found = at(data, place)
    return found if isinstance(found, str) else ""


def name_at(data: Any, place: Place) -> str:
    """Return the name of what stands at a place: of an item of a list of variables, its own."""
    own = at(data, (*place[:-1], "name")) if place[-1:] == ("value",) else None
    names = [each for each in place if isinstance(each, str)]
    return own if isinstance(own, str) else (names[-1] if names else "")


def leaves(node: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Yield each value that is neither map nor list, and its place."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from leaves(value, (*place, key))
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from leaves(value, (*place, number))
    else:
        yield place, node


@dataclass(frozen=True)
class Violation:
    """What is wrong, told without the value itself, which could be a secret; line 0: of no line.

    A warning is of what may be meant and is dangerous.
    """

    file: str
    line: int
    place: str
    message: str
    rule: str
    warning: bool = False

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        said = f"warning: {self.message}" if self.warning else self.message
        return f"{where}: {self.place}: {said}" if self.place else f"{where}: {said}"


def violation_at(
    layers: Sequence[Values], place: Place, message: str, rule: str, *, warning: bool = False
) -> Violation:
    """Return the problem where it is made: in the last layer that goes as deep as any does."""
    for length in range(len(place), 0, -1):
        for layer in reversed(layers):
            line = layer.lines.get(place[:length])
            if line:
                return Violation(layer.name, line, dotted(place), message, rule, warning)
    file = layers[-1].name if layers else ""
    return Violation(file, 0, dotted(place), message, rule, warning)
