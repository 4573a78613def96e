"""Looking into values of which nobody knows yet whether they have the form that they should."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from habari_local.helm_values.values import Data, Place, at


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
