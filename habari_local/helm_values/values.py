"""Helm values: a file's data with the line of each value, and layers as Helm lays them."""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from habari_local.core.errors import HabariError

Key = str | int
Place = tuple[Key, ...]
Data = dict[str, Any]

# A release and its values must fit into a secret of 1 MiB; reading takes 1 s for 30 KiB of maps.
BYTES, COUNT = 256 * 1024, 100_000


class BadValues(HabariError):
    """A file of values that can't be read; the message names file and line."""

    def __init__(self, name: str, problem: str, line: int = 1) -> None:
        super().__init__(f"{name}:{line}: {problem}.", f"sed -n {line}p {name}")
        self.name, self.line, self.problem = name, line, problem


@dataclass(frozen=True)
class Values:
    """One file of values: `lines` has the line (from 1) of every key and item."""

    name: str
    data: Data
    lines: Mapping[Place, int]
    text: str

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
    """Parse the text of a file of values, as Helm does: YAML 1.1, names as text.

    Raises:
        BadValues: it is no YAML, has a name twice, or is no map.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    reader = YAML()
    reader.version = "1.1"
    try:
        with warnings.catch_warnings(action="ignore"):  # of 1e5, which Helm takes for a number too
            tree = reader.load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = (error.problem or "no YAML").strip().splitlines()[0]
        problem = problem.partition(" with value ")[0]  # of a name that stands twice: maybe secret
        raise BadValues(name, f"no YAML: {problem}", mark.line + 1 if mark else 1) from None
    except YAMLError:
        raise BadValues(name, "no YAML") from None
    except RecursionError:
        raise BadValues(name, "nested too deep to be read") from None
    if tree is None:
        return Values(name, {}, {}, text)
    if not isinstance(tree, dict):
        raise BadValues(name, "no map, names and values were expected")
    try:
        lines = dict(islice(_lines(tree, ()), COUNT))  # aliases of aliases grow without end
        if len(lines) == COUNT:
            raise BadValues(name, f"more than {COUNT} values, each alias counted")
        return Values(name, _plain(tree), lines, text)
    except RecursionError:
        raise BadValues(name, "stands in itself, by an alias") from None


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


def _plain(node: Any) -> Any:
    """Return ruamel's tree as plain Python, what YAML has beyond JSON as text."""
    if isinstance(node, dict):
        return {_name(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value) for value in node]
    if node is None or isinstance(node, bool):
        return node
    for kind in (str, int, float):
        if isinstance(node, kind):
            return kind(node)
    return node.isoformat() if isinstance(node, datetime.date) else str(node)


def _name(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)


def _lines(node: Any, place: Place) -> Iterator[tuple[Place, int]]:
    pairs: Iterator[tuple[Any, Any]]
    if isinstance(node, dict):
        pairs = iter(node.items())
    elif isinstance(node, list):
        pairs = enumerate(node)
    else:
        return
    for key, value in pairs:
        here = (*place, key if isinstance(node, list) else _name(key))
        position = (node.lc.data or {}).get(key)
        if position is not None:
            yield here, position[0] + 1
        yield from _lines(value, here)


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
