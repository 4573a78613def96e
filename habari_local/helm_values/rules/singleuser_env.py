"""What KubeSpawner makes of values when it starts somebody's server."""

from __future__ import annotations

import string
from collections.abc import Iterator

from habari_local.helm_values.rules.accessors import leaves, map_at
from habari_local.helm_values.values import Data, Place

ENVIRONMENT: Place = ("singleuser", "extraEnv")


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
