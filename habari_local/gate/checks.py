"""Which checks a change needs before it goes out, by the paths that it touches (data)."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from habari_local.core.html_page import render_page

TABLE = Path(__file__).with_name("checks.toml")
PAGE = Path(__file__).with_name("gate.html.j2")
GO, NO_GO, INCOMPLETE = "go", "no-go", "incomplete"
GOOD, BROKEN, NOT_NEEDED, NOT_HERE = "good", "broken", "not needed", "not possible here"
CLASSES = {GOOD: "passed", BROKEN: "failed", NOT_NEEDED: "none", NOT_HERE: "skipped"}  # of the page


@dataclass(frozen=True)
class Check:
    """One row of the table; `mode` must be possible here, `needs` is a file that must be there."""

    name: str
    command: tuple[str, ...]
    paths: tuple[str, ...]
    build: tuple[str, ...] = ()
    mode: str = ""
    needs: str = ""
    helm: bool = False

    def filled(self, values: Mapping[str, str]) -> Check:
        """Return the check with what stands in braces in its command filled in."""
        words = [_filled(word, values) for word in self.command]
        return replace(self, command=tuple(words))

    def asked_by(self, changed: Sequence[str]) -> list[str]:
        """Return the changed paths for whose sake it is run."""
        return [path for path in changed if any(_touches(path, each) for each in self.paths)]


@dataclass(frozen=True)
class Outcome:
    """What became of a check: its state, how long it took, why, and its last lines."""

    check: Check
    state: str
    seconds: float
    why: str
    lines: tuple[str, ...] = ()

    @property
    def asked(self) -> bool:
        """Whether the change asks for it."""
        return self.state != NOT_NEEDED

    @property
    def ran(self) -> bool:
        """Whether it was run."""
        return self.state in (GOOD, BROKEN)

    @property
    def command(self) -> str:
        """The command, to be pasted."""
        return shlex.join(("habari-local", *self.check.command))


def checks() -> list[Check]:
    """Return the table."""
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))["check"]
    return [
        Check(
            row["name"],
            tuple(row["command"]),
            tuple(row["paths"]),
            tuple(row.get("build", ())),
            row.get("mode", ""),
            row.get("needs", ""),
            row.get("helm", False),
        )
        for row in rows
    ]


def verdict(outcomes: Sequence[Outcome]) -> str:
    """Return one word: no-go if anything is broken, incomplete if anything could not be run."""
    states = {each.state for each in outcomes}
    if BROKEN in states:
        return NO_GO
    return INCOMPLETE if NOT_HERE in states else GO


def _filled(word: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        word = word.replace(f"{{{name}}}", value)
    return word


def _touches(path: str, wanted: str) -> bool:
    return not wanted or path == wanted or (wanted.endswith("/") and path.startswith(wanted))


def page(
    outcomes: Sequence[Outcome], since: str, commit: str, when: str, *, over: bool = True
) -> str:
    """Return the report as one HTML file that loads nothing, see `core/html_page.py`.

    Args:
        outcomes: what came of the checks so far, in the order of the table.
        since: what is out already.
        commit: that of the checkout, with `-dirty` where files differ from it.
        when: the time of the run, in words.
        over: whether all checks are in `outcomes`; a page of a killed run must not look like one.
    """
    headline, mark, kind = _headline(outcomes, over=over)
    known, _, dirty = commit.partition("-")
    values = {
        "headline": headline,
        "mark": mark,
        "kind": kind,
        "message": _message(outcomes, over=over),
        "when": when,
        "commit": known,
        "dirty": bool(dirty),
        "since": since,
        "classes": CLASSES,
        "sections": [
            ("What was asked for", [each for each in outcomes if each.asked]),
            ("What was not needed", [each for each in outcomes if not each.asked]),
        ],
    }
    return render_page(PAGE, values)


def _headline(outcomes: Sequence[Outcome], *, over: bool) -> tuple[str, str, str]:
    """Return the page's title, the sign beside it, and its class."""
    if not over:
        return "No verdict yet", "…", "open"
    if all(each.state == NOT_NEEDED for each in outcomes):
        return "Ready to deploy: nothing had to run", "✓", ""
    return {
        GO: ("Ready to deploy", "✓", ""),
        NO_GO: ("Not ready to deploy", "✗", "bad"),
        INCOMPLETE: ("Not decided: something could not run here", "?", "open"),
    }[verdict(outcomes)]


def _message(outcomes: Sequence[Outcome], *, over: bool) -> str:
    counts = {
        "passed": GOOD,
        "failed": BROKEN,
        "could not run here": NOT_HERE,
        "not needed": NOT_NEEDED,
    }
    found = {text: sum(e.state == state for e in outcomes) for text, state in counts.items()}
    counted = ", ".join(f"{count} {text}" for text, count in found.items() if count)
    if not over:
        return f"Still running, or killed. So far: {counted or 'nothing has ended'}."
    return f"Of {len(outcomes)} checks: {counted}. Verdict: {verdict(outcomes)}."
