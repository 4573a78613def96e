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


def write(runs: list[Run], folder: Path) -> Path:
    """Draw the page of these runs into the folder of their evidence; returns the page."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(when=_when, duration=_duration)
    page = environment.get_template("page.html.j2").render(
        runs=runs,
        rows=_rows(runs),
        failures=_failures(runs),
        chart=chart.of_timings(runs),
        size=chart,
        marks=_MARKS,
        failed=sum(run.count("failed") for run in runs),
        passed=sum(run.count("passed") for run in runs),
        total=sum(len(run.checks) for run in runs),
        faults=(folder / FAULTS).exists(),
        image=lambda run, shot: _inlined(folder, run, shot),
    )
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


def _failures(runs: list[Run]) -> list[tuple[Run, Check, list[Check]]]:
    """The failures, those of the same mode and message under the first of them."""
    alike: dict[tuple[str, str], tuple[Run, Check, list[Check]]] = {}
    for run in runs:
        for check in run.checks:
            key = (run.mode, check.message)
            if check.outcome == "failed" and key in alike:
                alike[key][2].append(check)
            elif check.outcome == "failed":
                alike[key] = (run, check, [])
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
