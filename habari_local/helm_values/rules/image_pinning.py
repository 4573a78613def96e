"""Which images production runs: named, and the same ones tomorrow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from habari_local.helm_values.rules.accessors import leaves, text_at
from habari_local.helm_values.values import Data, Place, at

SERVER: Place = ("singleuser", "image")


def pinned(data: Data) -> Iterator[tuple[Place, str]]:
    """A tag that moves is another image at each start; the chart's own server is not Habari's."""
    for part in ("name", "tag"):
        if at(data, (*SERVER, part)) in (None, ""):
            yield (*SERVER, part), "not set, and the chart's own image is not Habari's"
    for place, value in leaves(data):
        if place[-1] == "tag" and place[:-1] != SERVER and value == "":
            yield place, "empty, a tag was expected"
        elif place[-1] == "tag" and _moves(value):
            yield place, "latest names another image tomorrow, a tag that stays was expected"
        elif place[-1] == "image" and isinstance(value, str) and value:
            yield from ((place, says) for says in _reference(value))
    name = text_at(data, *SERVER, "name")
    if name.endswith(":latest"):
        yield (*SERVER, "name"), "latest names another image tomorrow; the tag stands in tag"


def _reference(value: str) -> Iterator[str]:
    plain, _, digest = value.partition("@")
    tag = plain.rpartition("/")[2].partition(":")[2]
    if not digest and (not tag or _moves(tag)):
        seen = "latest" if tag else "no tag, which means latest,"
        yield f"{seen} names another image tomorrow, a tag that stays was expected"


def _moves(tag: Any) -> bool:
    return isinstance(tag, str) and tag.lower() == "latest"
