"""JSON that every reader takes for the same, and the fields of its objects, each taken once.

The engine's decoder (Go's encoding/json) matches names in any case, also by Unicode's folding, and
of a name given twice it takes the last. So nothing of a body that came is sent on: what was taken
here is written anew, and a name that nobody took is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from habari_socket.refusals import Malformed, Refused

Json = dict[str, Any]
MAX_INTEGER = 2**63 - 1


def read_object(body: bytes) -> Json:
    """Return the object that a body has; an empty body has an empty one.

    Raises:
        Malformed: it is no JSON in UTF-8, no object, has a name twice, a number that is no integer
            of 64 bits, text that is no Unicode, or is too deep.
    """
    if not body:
        return {}
    try:
        found = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_no_number,
            parse_constant=_no_number,
        )
        # A half of a surrogate pair is written \ud800, and is no character.
        json.dumps(found, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise Malformed("the body is no JSON in UTF-8, or is too deep") from error
    if not isinstance(found, dict):
        raise Malformed("the body is no JSON object")
    return found


def _object(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed("the body has a name twice")
    return found


def _integer(digits: str) -> int:
    if len(digits) > 20 or abs(int(digits)) > MAX_INTEGER:
        _no_number(digits)
    return int(digits)


def _no_number(_: str) -> NoReturn:
    raise Malformed("the body has a number that is no integer of 64 bits")


class Fields:
    """The fields of one object of a body, each taken once; `where` is what errors call it."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise Refused(f"{where} is no object")
        self._left = dict(value)
        self._where = where

    def end(self) -> None:
        """Raise Refused if a field is left that nobody took."""
        if self._left:
            names = ", ".join(repr(name)[:60] for name in sorted(self._left)[:5])
            raise Refused(f"{self._where} has fields that the hub may not set: {names}")

    def take(self, name: str, kind: type, default: Any) -> Any:
        """Take a field of this type (a bool is no int); one that is not set is the default."""
        value = self._left.pop(name, None)
        if value is None:
            return default
        if type(value) is not kind:
            raise self._wrong(name, f"a JSON {kind.__name__}")
        return value

    def nested(self, name: str) -> Fields:
        """Take a field that is an object; one that is not set is an empty one."""
        return Fields(self.take(name, dict, {}), f"{self._where}.{name}")

    def texts(self, name: str, pattern: str = "[^\0]*") -> list[str]:
        """Take a list of texts that match the pattern."""
        found: list[str] = self.take(name, list, [])
        if not all(type(each) is str and re.fullmatch(pattern, each, re.DOTALL) for each in found):
            raise self._wrong(name, "a list of texts as they are usual there")
        return found

    def amount(self, name: str) -> int:
        """Take an integer that is not negative."""
        found: int = self.take(name, int, 0)
        if found < 0:
            raise self._wrong(name, "at least 0")
        return found

    def keys(self, name: str, pattern: str) -> list[str]:
        """Take a set as Go writes it, an object of empty ones; all its keys match the pattern."""
        found = self.take(name, dict, {})
        for key, value in found.items():
            if not re.fullmatch(pattern, key) or value not in ({}, None):
                raise self._wrong(name, "a set of such names")
        return sorted(found)

    def is_only(self, name: str, wanted: object) -> None:
        """Take a field that has one value, unless it is not set: it is written by us."""
        value = self._left.pop(name, None)
        if value is not None and not _same(value, wanted):
            raise self._wrong(name, f"{wanted!r}")

    def are_only(self, wanted: Json) -> None:
        """Take fields that have one value each, unless they are not set."""
        for name, value in wanted.items():
            self.is_only(name, value)

    def some_of(self, name: str, allowed: Sequence[str]) -> list[str]:
        """Take a list of texts, all of them allowed; return them in the order of those."""
        found = self.texts(name)
        if not set(found) <= set(allowed):
            raise self._wrong(name, f"some of {list(allowed)}")
        return [each for each in allowed if each in found]

    def _wrong(self, name: str, wanted: str) -> Refused:
        return Refused(f"{self._where}.{name} may be {wanted}")


def _same(value: object, wanted: object) -> bool:
    """Whether they are equal as JSON: true is not 1."""
    return json.dumps(value, sort_keys=True) == json.dumps(wanted, sort_keys=True)
