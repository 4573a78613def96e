"""Changing values in a file that people wrote: comments, order and form stay."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from habari_local.core.errors import HabariError, pasteable
from habari_local.helm_values.values import BadValues, Place, dotted, parse

Change = Callable[[Place, Any], Any]


def edit(text: str, name: str, change: Change) -> str:
    """Return the text with each value that is no map as `change` returns it.

    Args:
        text: YAML.
        name: what people know the file by.
        change: gets the place and the value, a text, number, list, …; a list is asked for as a
            whole first and then item by item.

    Raises:
        BadValues: it is no YAML, or no map.
    """
    parse(text, name)
    reader, tree = _reader(text)
    _each(tree, (), change)
    return _dump(reader, tree)


def set_values(text: str, name: str, values: Mapping[Place, Any]) -> str:
    """Return the text with these values set; maps on the way are made where there are none.

    Raises:
        BadValues: it is no YAML, or no map.
        HabariError: what stands on the way to a value is no map.
    """
    from ruamel.yaml.comments import CommentedMap

    parse(text, name)
    reader, tree = _reader(text)
    tree = CommentedMap() if tree is None else tree
    for place, value in values.items():
        node = tree
        for depth, key in enumerate(place[:-1], 1):
            if node.get(key) is None:
                node[key] = CommentedMap()
            node = node[key]
            if not isinstance(node, dict):
                raise HabariError(
                    f"{name}: {dotted(place[:depth])} is no map, one was expected.",
                    pasteable("habari-local", "config", "check", name),
                )
        node[place[-1]] = text_of(value) if isinstance(value, str) else value
    return _dump(reader, tree)


def text_of(value: str) -> Any:
    """Return the text as it must be written: in quotes where Helm would read something else.

    Helm reads YAML 1.1, in which a person called `no` is false and a tag of digits a number.
    """
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    try:
        plain = parse(f"x: {value}\n", "").data["x"] == value
    except BadValues:
        plain = False
    return value if plain else DoubleQuotedScalarString(value)


def replace_items(items: Any, new: Sequence[str]) -> None:
    """Put at least one item in place of a list's; what people wrote below the list stays there."""
    comments = items.ca.items
    below = comments.pop(len(items) - 1, None)
    comments.clear()
    items[:] = [text_of(each) for each in new]
    if below is not None:
        comments[len(new) - 1] = below


def _reader(text: str) -> tuple[Any, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.util import load_yaml_guess_indent

    reader = YAML()
    reader.preserve_quotes = True
    reader.width = 1_000_000  # lines are as long as people made them
    tree, indent, offset = load_yaml_guess_indent(text, yaml=reader)
    reader.indent(mapping=2, sequence=indent or 4, offset=2 if offset is None else offset)
    return reader, tree


def _dump(reader: Any, tree: Any) -> str:
    made = io.StringIO()
    reader.dump(tree, made)
    return made.getvalue()


def _each(node: Any, place: Place, change: Change) -> None:
    pairs = list(node.items()) if isinstance(node, dict) else list(enumerate(node or ()))
    for key, value in pairs:
        here = (*place, key)
        new = value if isinstance(value, dict) else change(here, value)
        if new is not value:
            node[key] = new
        if isinstance(new, dict | list):
            _each(new, here, change)
