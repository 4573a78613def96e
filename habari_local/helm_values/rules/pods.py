"""What production's pods run: images that stay the same, variables that KubeSpawner can fill in."""

from __future__ import annotations

import string
from collections.abc import Iterator
from typing import Any

from habari_local.helm_values.values import Data, Place, at, leaves, map_at, text_at

SERVER: Place = ("singleuser", "image")
ENVIRONMENT: Place = ("singleuser", "extraEnv")


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


def braces(data: Data) -> Iterator[tuple[Place, str]]:
    """KubeSpawner fills in {username} and its like; any other brace ends the start of a server."""
    for place, value in leaves(map_at(data, *ENVIRONMENT), ENVIRONMENT):
        if isinstance(value, str) and not _can_be_filled_in(value):
            yield place, "braces that KubeSpawner would fill in, doubled ones were expected"


def _can_be_filled_in(value: str) -> bool:
    try:
        fields = [name for _, name, _, _ in string.Formatter().parse(value) if name is not None]
    except ValueError:
        return False
    return all(name.isidentifier() for name in fields)


def debug(data: Data) -> Iterator[tuple[Place, str]]:
    """Debugging logs what users do, and with some libraries their tokens."""
    if at(data, ("debug", "enabled")) is True:
        yield ("debug", "enabled"), "logs requests in full, false was expected"
