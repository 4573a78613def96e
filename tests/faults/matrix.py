"""The fault matrix as pytest sees it: selects rows, keeps what became of each, writes the page."""

from __future__ import annotations

import fcntl
import json
import tomllib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from habari_local import modes
from habari_local.core.html_page import render_page

HERE = Path(__file__).parent
WHOLE = ("process", "hub", "nohub", "kind")  # modes without a gap
ELSEWHERE = "nothing is broken in a cluster of others; the same chart is, in mode kind"
Recovery = Callable[[], AbstractContextManager[None]]
PAGE, KEPT = "faults.html", "faults.json"
Found = dict[str, dict[str, Any]]  # node id → row, mode, outcome, reason, recovered


def rows() -> dict[int, dict[str, Any]]:
    """The rows by number: `inject`, `holds`, and by mode why no test of ours injects it there."""
    read = tomllib.loads((HERE / "matrix.toml").read_text(encoding="utf-8"))
    return {int(number): row for number, row in read.items()}


def place_of(item: pytest.Item) -> tuple[list[int], str]:
    """The rows and the mode of a test; no rows if it is none of the matrix."""
    numbers = [int(mark.args[0]) for mark in item.iter_markers("row")]
    given = getattr(item, "callspec", None)
    marked = item.get_closest_marker("mode")
    mode = given.params.get("mode") if given else None
    return numbers, str(mode or (marked.args[0] if marked else "process"))


class Matrix:
    """One run over the matrix."""

    def __init__(self, config: pytest.Config) -> None:
        self.wanted = set(config.getoption("--row", []))
        self.mode = config.getoption("--mode", "")
        self.all = config.getoption("--all", default=False)
        self.folder = config.rootpath / ".habari" / "report"
        self.collected: dict[str, tuple[list[int], str]] = {}
        self.found: Found = {}

    @pytest.hookimpl(tryfirst=True)  # before -k takes some away
    def pytest_collection_modifyitems(
        self, items: list[pytest.Item], config: pytest.Config
    ) -> None:
        """Leave the tests of the wanted rows and mode."""
        self.collected = {item.nodeid: place_of(item) for item in items if _is_ours(item)}
        kept = [
            item
            for item in items
            if not _is_ours(item)
            or (self._fits(*place_of(item)) and (self.all or not _is_long(item)))
        ]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept

    def _fits(self, numbers: list[int], mode: str) -> bool:
        row = not self.wanted or bool(self.wanted & set(numbers))
        return row and self.mode in ("", "all", mode)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what became of a test; a failure of its preparation is its own."""
        numbers, mode = self.collected.get(report.nodeid, ([], ""))
        if not numbers or (report.when != "call" and report.passed):
            return
        said = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        self.found[report.nodeid] = {
            "rows": numbers,
            "mode": mode,
            "outcome": report.outcome,
            "reason": said.removeprefix("Skipped: "),
            "recovered": dict(report.user_properties).get("recovered"),
        }

    def pytest_sessionfinish(self) -> None:
        """Write the page, with what earlier runs found of the rows that this one left out."""
        if not self.found:
            return
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        kept = self.folder / KEPT
        with kept.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two runs, of two modes, may end at once
            self._write(kept)

    def _write(self, kept: Path) -> None:
        earlier: Found = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
        files = {name.partition("::")[0] for name in self.collected}
        found = {
            name: each
            for name, each in earlier.items()
            if name in self.collected or name.partition("::")[0] not in files
        } | self.found
        kept.write_text(json.dumps(found, indent=1), encoding="utf-8")
        (self.folder / PAGE).write_text(drawn(found), encoding="utf-8")


def _is_long(item: pytest.Item) -> bool:
    return item.get_closest_marker("long") is not None


def _is_ours(item: pytest.Item) -> bool:
    return item.path.parent == HERE


def drawn(found: Found) -> str:
    """The page: a row of the matrix a line, a mode a column."""
    lines = [
        (number, row, [_cell(number, row, mode, found) for mode in modes.names()])
        for number, row in rows().items()
    ]
    return render_page(HERE / "faults.html.j2", {"modes": modes.names(), "lines": lines})


def _cell(number: int, row: dict[str, Any], mode: str, found: Found) -> dict[str, Any]:
    mine = [each for each in found.values() if number in each["rows"] and each["mode"] == mode]
    outcomes = {each["outcome"] for each in mine}
    times = [each["recovered"] for each in mine if each["recovered"] is not None]
    reason = next((each["reason"] for each in mine if each["reason"]), row.get(mode, ""))
    default = "not run" if mode in WHOLE else ELSEWHERE
    state = next((o for o in ("failed", "passed", "skipped") if o in outcomes), "none")
    return {
        "state": state,
        "tests": len(mine),
        "recovered": max(times, default=None),
        "reason": "" if state == "passed" else reason or default,
    }
