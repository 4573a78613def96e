"""The report's page: one HTML file that needs nothing else, drawn from the kept runs."""

import base64
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import jinja2

from . import chart
from .model import Check, Run, Shot

PAGE = "index.html"
FAULTS = "faults.html"  # beside it, by tests/faults
_HERE = Path(__file__).parent
_DESIGN = _HERE.parents[2] / "habari_local" / "core"  # of all our pages: page.html.j2, page.css
_MARKS = {"passed": "✓", "failed": "✗", "not applicable": "∅", "skipped": "?"}


@dataclass(frozen=True)
class Cell:
    """A capability in a mode: its checks there, or none if the mode didn't run it."""

    checks: list[Check]

    @property
    def good(self) -> int:
        """How many passed."""
        return sum(check.outcome == "passed" for check in self.checks)

    @property
    def counted(self) -> int:
        """How many could have passed."""
        return sum(check.outcome != "not applicable" for check in self.checks)

    @property
    def state(self) -> str:
        """One word for all of them."""
        outcomes = {check.outcome for check in self.checks}
        for outcome in ("failed", "skipped", "passed"):
            if outcome in outcomes:
                return outcome
        return "not applicable" if outcomes else "none"


@dataclass(frozen=True)
class Row:
    """A capability: its cells by mode, and its checks by title with one result per mode."""

    name: str
    title: str
    cells: list[Cell]
    checks: list[tuple[str, list[Check | None]]]


@dataclass(frozen=True)
class Column:
    """A run as the page shows it: the newest, another mode's of the same code, or of other code."""

    run: Run
    newest: Run

    @property
    def is_newest(self) -> bool:
        """Whether it is the run that the page was drawn for."""
        return self.run.mode == self.newest.mode

    @property
    def counts(self) -> bool:
        """Whether it says something of the code that the newest run was of."""
        same = bool(self.run.source) and self.run.source == self.newest.source
        return self.is_newest or same

    @property
    def age(self) -> str:
        """What kind of run it is, in words."""
        if self.is_newest:
            return "this run"
        return "an earlier run of the same code" if self.counts else "an earlier run of other code"

    @property
    def extent(self) -> str:
        """What was run of what there is, and who chose it."""
        done, run = len(self.run.checks), self.run
        if run.whole:
            return f"all {done} checks"
        chosen = f", chosen by {run.chosen}" if run.chosen else ""
        stopped = ", then it was stopped" if run.ended and done < run.selected else ""
        return f"{done} of {run.total} checks{chosen}{stopped}"


def write(runs: list[Run], folder: Path, newest: str) -> Path:
    """Draw the page of these runs, the newest of mode `newest`, into the folder of their evidence.

    Returns the page.
    """
    (last,) = [run for run in runs if run.mode == newest]
    columns = [Column(run, last) for run in runs]
    counted = [column.run for column in columns if column.counts]
    values = {
        "columns": columns,
        "newest": next(column for column in columns if column.is_newest),
        "rows": _rows(runs),
        "failures": _failures(columns),
        "chart": chart.of_timings(runs),
        "size": chart,
        "marks": _MARKS,
        "failed": sum(run.count("failed") for run in counted),
        "passed": sum(run.count("passed") for run in counted),
        "total": sum(len(run.checks) for run in counted),
        "faults": (folder / FAULTS).exists(),
        "image": lambda run, shot: _inlined(folder, run, shot),
        "modes": columns,
    }
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([_HERE, _DESIGN]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(when=_when, duration=_duration)
    page = environment.get_template("run.html.j2").render(values)
    path = folder / PAGE
    path.touch(mode=0o600)
    path.write_text(page, encoding="utf-8")
    return path


def _rows(runs: list[Run]) -> list[Row]:
    titles = {name: title for run in runs for name, title in run.capabilities.items()}
    return [_row(name, title, runs) for name, title in titles.items()]


def _row(name: str, title: str, runs: list[Run]) -> Row:
    cells = [Cell([c for c in run.checks if c.capability == name]) for run in runs]
    found = [{check.id: check for check in cell.checks} for cell in cells]
    known = {check.id: check.title for cell in cells for check in cell.checks}
    checks = [(known[check], [in_mode.get(check) for in_mode in found]) for check in known]
    return Row(name, title, cells, checks)


def _failures(columns: list[Column]) -> list[tuple[Column, Check, list[Check]]]:
    """The failures, those of the same mode and message under the first of them."""
    alike: dict[tuple[str, str], tuple[Column, Check, list[Check]]] = {}
    for column in sorted(columns, key=lambda each: not each.counts):
        for check in column.run.checks:
            key = (column.run.mode, check.message)
            if check.outcome == "failed" and key in alike:
                alike[key][2].append(check)
            elif check.outcome == "failed":
                alike[key] = (column, check, [])
    return list(alike.values())


def _inlined(folder: Path, run: Run, shot: Shot) -> str:
    file = folder / f"evidence-{run.mode}" / shot.file
    if not file.exists():
        return ""
    return "data:image/webp;base64," + base64.b64encode(file.read_bytes()).decode()


def _duration(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 0.1 else f"{seconds * 1000:.0f} ms"


def _when(started: str) -> str:
    return f"{datetime.fromisoformat(started):%d %B %Y, %H:%M} UTC"
