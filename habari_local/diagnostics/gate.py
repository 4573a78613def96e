"""Which checks a change needs before it goes out, by the paths that it touches (data)."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

TABLE = Path(__file__).with_name("gate.toml")
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


def _touches(path: str, wanted: str) -> bool:
    return not wanted or path == wanted or (wanted.endswith("/") and path.startswith(wanted))


HEAD = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Habari: may it go out?</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1f2328; background: #fff }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; vertical-align: top; padding: .4rem .6rem; border-bottom: 1px solid #d0d7de }
pre { font: 13px/1.4 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere }
.good, .go { color: #166534 } .broken, .no-go { color: #b42318; font-weight: 600 } .incomplete, .not-possible-here { color: #9a3412 } .not-needed { color: #59636e }
@media (prefers-color-scheme: dark) { body { color: #e6edf3; background: #0d1117 } th, td { border-color: #3d444d }
.good, .go { color: #7ee787 } .broken, .no-go { color: #ff7b72 } .incomplete, .not-possible-here { color: #ffa657 } .not-needed { color: #9198a1 } }
</style>
"""  # noqa: E501 (a style sheet)


def page(outcomes: Sequence[Outcome], since: str, commit: str) -> str:
    """Return the report as one HTML file that loads nothing."""
    found = verdict(outcomes)
    return "\n".join(
        [
            f'{HEAD}<h1>May it go out? <span class="{found}">{found}</span></h1>',
            f"<p>Changes since <code>{escape(since)}</code>, at <code>{escape(commit)}</code>",
            "<table><tr><th>check<th>state<th>took<th>why",
            *_rows(outcomes),
            "</table></html>\n",
        ]
    )


def _rows(outcomes: Sequence[Outcome]) -> Iterator[str]:
    for each in outcomes:
        kind = each.state.replace(" ", "-")
        took = f"{each.seconds:.1f} s" if each.seconds else ""
        command = escape(f"habari-local {' '.join(each.check.command)}")
        log = f"<pre>{escape(chr(10).join(each.lines))}</pre>" if each.lines else ""
        yield (
            f"<tr><td>{escape(each.check.name)}<br><code>{command}</code>"
            f'<td class="{kind}">{each.state}<td>{took}<td>{escape(each.why)}{log}'
        )
