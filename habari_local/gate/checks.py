"""Which checks a change needs before it goes out, by the paths that it touches (data)."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path

TABLE = Path(__file__).with_name("checks.toml")
STYLE = Path(__file__).with_name("report.css")
GO, NO_GO, INCOMPLETE = "go", "no-go", "incomplete"
GOOD, BROKEN, NOT_NEEDED, NOT_HERE = "good", "broken", "not needed", "not possible here"


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
    """Return the report as one HTML file that loads nothing, in the design of the suite's report.

    Args:
        outcomes: what came of the checks so far, in the order of the table.
        since: what is out already.
        commit: that of the checkout, with `-dirty` where files differ from it.
        when: the time of the run, in words.
        over: whether all checks are in `outcomes`; a page of a killed run must not look like one.
    """
    run = [each for each in outcomes if each.state != NOT_NEEDED]
    rest = [each for each in outcomes if each.state == NOT_NEEDED]
    head, mark, kind = _headline(outcomes, over=over)
    code, _, dirty = commit.partition("-")
    at = f"commit {escape(code[:10])}" if code else "no commit known"
    changes = " with changes that are not committed" if dirty else ""
    parts = [
        _HEAD.format(title=escape(head), style=STYLE.read_text(encoding="utf-8")),
        f'<header><div class="verdict {kind}" aria-hidden="true">{mark}</div><div>',
        f"<h1>{escape(head)}</h1>",
        f"<p>{escape(_said(outcomes, over=over))}</p>",
        f'<p class="soft">{escape(when)}, {at}{changes}; changes since <code>{escape(since)}'
        "</code>.</p></div></header>",
    ]
    if run:
        parts += ["<h2>What was asked for</h2>", '<section class="card">', *map(_row, run)]
        parts.append("</section>")
    if rest:
        parts += ["<h2>What was not needed</h2>", '<section class="card">', *map(_row, rest)]
        parts.append("</section>")
    parts.append("<footer>Made by habari-local gate.</footer></main></body></html>\n")
    return "\n".join(parts)


_HEAD = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{title} · Habari local, gate</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<main>"""


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


def _said(outcomes: Sequence[Outcome], *, over: bool) -> str:
    counts = {
        "held": GOOD,
        "broke": BROKEN,
        "could not run here": NOT_HERE,
        "not needed": NOT_NEEDED,
    }
    found = {text: sum(e.state == state for e in outcomes) for text, state in counts.items()}
    said = ", ".join(f"{count} {text}" for text, count in found.items() if count)
    if not over:
        return f"The run goes on, or it was killed. So far: {said or 'nothing has ended'}."
    return f"Of {len(outcomes)} checks: {said}. Verdict: {verdict(outcomes)}."


def _row(each: Outcome) -> str:
    kind = {GOOD: "passed", BROKEN: "failed", NOT_NEEDED: "none", NOT_HERE: "skipped"}[each.state]
    took = f" in {each.seconds:.1f} s" if each.seconds else ""
    command = escape(shlex.join(("habari-local", *each.check.command)))
    why = f"for {each.why}" if each.state in (GOOD, BROKEN) else each.why
    log = f"<pre>{escape(chr(10).join(each.lines))}</pre>" if each.lines else ""
    again = f'<pre class="command">{command}</pre>' if each.state != NOT_NEEDED else ""
    return (
        f'<div class="check"><strong>{escape(each.check.name)}</strong>'
        f' <span class="{kind}">{each.state}{took}</span>'
        f'<p class="soft small">{escape(why)}</p>{again}{log}</div>'
    )
