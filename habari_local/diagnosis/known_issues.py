"""Known problems: patterns in what was seen, each with its cause, what to do, and a link (data)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).with_name("known-issues.toml")


@dataclass(frozen=True)
class KnownIssue:
    """One row of the table; `example` is a line in which it shows itself."""

    id: str
    pattern: re.Pattern[str]
    says: str
    mend: str
    link: str
    example: str


def known_issues() -> list[KnownIssue]:
    """Return the table."""
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))["problem"]
    return [
        KnownIssue(
            row["id"],
            re.compile(row["pattern"], re.IGNORECASE),
            row["says"],
            row["try"],
            row["link"],
            row["example"],
        )
        for row in rows
    ]


def matching(lines: Iterable[str]) -> tuple[KnownIssue, ...]:
    """Return the problems whose pattern is in a line, in the order of the table."""
    text = "\n".join(lines)
    return tuple(problem for problem in known_issues() if problem.pattern.search(text))
