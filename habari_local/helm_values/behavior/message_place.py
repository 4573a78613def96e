"""The place in the values that an error's text speaks of, where the error has no line."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

from habari_local.helm_values.values import Data, Place, at

DOTTED = re.compile(r"[A-Za-z][\w-]*(?:\.[A-Za-z][\w-]*)+")
SHORTEST = 3  # letters of a value that is looked for
# Keys that texts have as words of their own language, or as types.
# fmt: off
WORDS = frozenset((
    "args", "class", "command", "config", "data", "default", "enabled", "env", "error", "extra",
    "field", "file", "host", "hub", "image", "int", "key", "list", "name", "names", "none",
    "not", "number", "object", "path", "role", "roles", "server", "service", "services", "set",
    "spec", "string", "text", "traits", "type", "user", "users", "value", "values",
))
# fmt: on


def named(data: Data, text: str, sections: tuple[str, ...] = ()) -> Place | None:
    """Return the deepest place whose keys and value a text names, or None where it names none.

    `sections`: of the top, to look in; all where none is given. A word that several places have is
    of what they have in common.
    """
    for path in DOTTED.findall(text):
        place = tuple(path.split("."))
        if at(data, place, ...) is not ...:
            return place
    best, found = 0, list[Place]()
    for section in sections or tuple(data):
        for place, score in _scores(data.get(section), (section,), text):
            if score > best:
                best, found = score, [place]
            elif score == best and score:
                found.append(place)
    together = itertools.takewhile(lambda steps: len(set(steps)) == 1, zip(*found, strict=False))
    common = tuple(steps[0] for steps in together)
    return common or None


def _scores(node: Any, place: Place, text: str, above: int = 0) -> Iterator[tuple[Place, int]]:
    """Yield each place, and how many letters name it: those of its value count twice."""
    key = place[-1]
    is_word = len(place) > 1 and isinstance(key, str) and key.lower() not in WORDS
    score = above + (len(str(key)) if is_word and _has(text, str(key), 0) else 0)
    if isinstance(node, dict | list) and node:
        items = node.items() if isinstance(node, dict) else enumerate(node)
        for step, value in items:
            yield from _scores(value, (*place, step), text, score)
    elif isinstance(node, str) and _has(text, node):
        yield place, score + 2 * len(node)
    elif isinstance(node, str) and _is_field(text, node):
        yield place, score + len(text)
    else:
        yield place, score


def _has(text: str, word: str, flags: int = re.I) -> bool:
    if len(word) < SHORTEST or word.lower() in WORDS:
        return False
    return re.search(rf"(?<![\w.-]){re.escape(word)}(?![\w-])", text, flags) is not None


def _is_field(text: str, value: str) -> bool:
    """Whether a text is the name of a field in braces of a value, as a KeyError's is."""
    if len(text) < SHORTEST or text[0] not in "'\"" or text[-1] != text[0]:
        return False
    return re.search(rf"\{{{re.escape(text[1:-1])}[}}:!.\[]", value) is not None
