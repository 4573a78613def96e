"""Whether IAM policies allow an action: statements as AWS reads them, as far as they are read here.

A statement that this does not read whole (conditions, variables, principals) allows nothing, and
denies what it may deny. Source: IAM User Guide, "Policy evaluation logic" and "IAM JSON policy
elements".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

ANYTHING = "*"
READ_WHOLE = {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource"}


def first_denied(
    documents: Iterable[str], permissions: Iterable[tuple[str, str]]
) -> tuple[str, str] | None:
    """Return the first permission (action, resource ARN) that the policies lack, or None.

    Args:
        documents: the policies, as JSON.
        permissions: what is needed. Resource "*" is a request that is about no single resource, or
            about one that is not known here: only a statement for all resources allows it, and each
            one that is about the action denies it.
    """
    statements = [statement for document in documents for statement in _statements(document)]
    for action, resource in permissions:
        effects = {each.allows for each in statements if each.covers(action, resource)}
        if effects != {True}:
            return action, resource
    return None


def check(document: str) -> None:
    """Refuse a document that is no policy, or is read in two ways.

    Raises:
        ValueError: it is not JSON, has a name twice, or lacks what a statement has.
    """
    found = json.loads(document, object_pairs_hook=_once)
    statements = found.get("Statement") if isinstance(found, dict) else None
    for each in statements if isinstance(statements, list) else [statements]:
        if not isinstance(each, dict) or each.get("Effect") not in ("Allow", "Deny"):
            raise ValueError("a statement with its Effect was expected")
        for element in ("Action", "Resource"):
            names = [name for name in (element, f"Not{element}") if name in each]
            values = each[names[0]] if len(names) == 1 else None
            values = [values] if isinstance(values, str) else values
            if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
                raise ValueError(f"a statement with its {element} was expected")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice")
    return found


@dataclass(frozen=True)
class _Statement:
    elements: dict[str, Any]
    allows: bool
    read_whole: bool

    def covers(self, action: str, resource: str) -> bool:
        if not _is_about(self.elements, "Action", action.lower(), lower=True):
            return False
        if not self.read_whole:
            return not self.allows
        unknown = resource == ANYTHING and not action.startswith("s3:")
        if unknown and not self.allows:
            return True
        return _is_about(self.elements, "Resource", resource)


@lru_cache(maxsize=256)  # of a key's policies at each request
def _statements(document: str) -> tuple[_Statement, ...]:
    found = json.loads(document)["Statement"]
    return tuple(
        _Statement(
            each,
            each.get("Effect") == "Allow",
            each.keys() <= READ_WHOLE and "${" not in json.dumps(each),
        )
        for each in (found if isinstance(found, list) else [found])
    )


def _is_about(statement: dict[str, Any], element: str, value: str, lower: bool = False) -> bool:
    negated = f"Not{element}" in statement
    patterns = statement.get(f"Not{element}" if negated else element, [])
    patterns = patterns if isinstance(patterns, list) else [patterns]
    found = any(_regex(each.lower() if lower else each).fullmatch(value) for each in patterns)
    return found is not negated


@lru_cache(maxsize=1024)
def _regex(pattern: str) -> re.Pattern[str]:
    wild = {"*": ".*", "?": "."}
    parts = [wild.get(part) or re.escape(part) for part in re.split(r"([*?])", pattern)]
    return re.compile("".join(parts), re.DOTALL)
