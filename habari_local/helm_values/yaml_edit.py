"""Changing values in a file that people wrote: comments, order and form stay."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from habari_local.core.errors import HabariError, pasteable
from habari_local.core.yaml11 import quoted
from habari_local.helm_values.values import BadValues, Place, Values, dotted, leaves, parse

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
        HabariError: another value would change with it.
    """
    file = _File(text, name)
    asked: set[Place] = set()

    def noted(place: Place, value: Any) -> Any:
        before = list(value) if isinstance(value, list) else value
        new = change(place, value)
        if new is not value or new != before:
            asked.add(place)
        return new

    _each(file.tree, (), noted)
    return file.text(asked)


def set_values(text: str, name: str, values: Mapping[Place, Any]) -> str:
    """Return the text with these values set; maps on the way are made where there are none.

    Raises:
        BadValues: it is no YAML, or no map.
        HabariError: what stands on the way to a value is no map, or another value would change.
    """
    from ruamel.yaml.comments import CommentedMap

    file = _File(text, name)
    for place, value in values.items():
        node = file.tree
        for depth, key in enumerate(place[:-1], 1):
            if node.get(key) is None:
                node[quoted(key)] = CommentedMap()
            node = node[key]
            if not isinstance(node, dict):
                raise HabariError(
                    f"{name}: {dotted(place[:depth])} is no map, one was expected.",
                    pasteable("habari-local", "config", "check", name),
                )
        node[quoted(place[-1])] = quoted(value)
    return file.text(set(values))


def replace_items(items: Any, new: Sequence[str]) -> None:
    """Put at least one item in place of a list's; what people wrote below the list stays there."""
    comments = items.ca.items
    below = comments.pop(len(items) - 1, None)
    comments.clear()
    items[:] = [quoted(each) for each in new]
    if below is not None:
        comments[len(new) - 1] = below


class _File:
    """A text taken apart for changes: `tree`, which is an empty map where nothing stands."""

    def __init__(self, text: str, name: str) -> None:
        from ruamel.yaml import YAML
        from ruamel.yaml.comments import CommentedMap
        from ruamel.yaml.error import YAMLError
        from ruamel.yaml.util import load_yaml_guess_indent

        self._was = parse(text, name)
        lines = text.splitlines(keepends=True)
        # What helm does not read stays as it is.
        self._rest = "".join(lines[self._was.ends - 1 :]) if self._was.ends else ""
        self._yaml = YAML()
        self._yaml.preserve_quotes = True
        self._yaml.allow_duplicate_keys = True
        self._yaml.width = 1_000_000  # lines are as long as people made them
        try:
            tree, indent, offset = load_yaml_guess_indent(
                text.removesuffix(self._rest), yaml=self._yaml
            )
        except YAMLError:
            raise BadValues(name, "YAML that only Helm can read") from None
        self._yaml.indent(mapping=2, sequence=indent or 4, offset=2 if offset is None else offset)
        self.tree = CommentedMap() if tree is None else tree

    def text(self, changed: set[Place]) -> str:
        """Return the text; all values but those at the changed places are to Helm what they were.

        Raises:
            HabariError: they are not.
        """
        made = io.StringIO()
        self._yaml.dump(self.tree, made)
        text = made.getvalue() + self._rest
        now = parse(text, self._was.name)
        before, after = (_without(each, changed) for each in (self._was, now))
        if before != after:
            place = next(p for p in {**before, **after} if before.get(p) != after.get(p))
            raise HabariError(
                f"{self._was.name}: {dotted(place)} would change too, only what was given may.",
                pasteable("habari-local", "config", "check", self._was.name),
            )
        return text


def _without(values: Values, changed: set[Place]) -> dict[Place, Any]:
    """Return what stands where nothing was changed."""
    return {
        place: value
        for place, value in leaves(values.data)
        if not any(place[:length] in changed for length in range(1, len(place) + 1))
    }


def _each(node: Any, place: Place, change: Change) -> None:
    pairs = list(node.items()) if isinstance(node, dict) else list(enumerate(node or ()))
    for key, value in pairs:
        here = (*place, key)
        new = value if isinstance(value, dict) else change(here, value)
        if new is not value:
            node[key] = new
        if isinstance(new, dict | list):
            _each(new, here, change)
