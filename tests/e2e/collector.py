"""The pytest plugin that collects a run for the report.

It also holds what belongs to the run as a whole: the order of the capabilities, `--strict`, and
that nothing secret gets into any output, pytest's own included.
"""

import inspect
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from _pytest._code.code import ReprFileLocation, TerminalRepr
from _pytest._io import TerminalWriter
from playwright.sync_api import Page

from .browser import launched
from .endpoints import Endpoints
from .not_applicable import PREFIX, check_id, mark, stale
from .report import model, render, source
from .report.evidence import Evidence, LogTails
from .report.redaction import Redaction

CAPABILITIES = (
    "platform", "login", "spawn", "notebooks", "lake", "sharing", "project", "cases",
    "dashboard",
    "kubernetes",  # last: it kills what the others use
)  # fmt: skip


class _Redacted(TerminalRepr):
    """A failure as pytest shows and stores it, its secrets taken out."""

    def __init__(self, text: str, said: str, crash: ReprFileLocation | None) -> None:
        self._text = text
        path, line = (crash.path, crash.lineno) if crash else ("", 0)
        self.reprcrash = ReprFileLocation(path, line, said)

    def toterminal(self, tw: TerminalWriter) -> None:
        for line in self._text.splitlines():
            tw.line(line, red=line.startswith("E "), bold=line.startswith(">"))


class Collector:
    """One run: register it as a plugin, then give it timings, versions and screenshots."""

    def __init__(self, endpoints: Endpoints, folder: Path, source: str, strict: bool) -> None:
        self.folder = folder
        self.run = model.Run(
            endpoints.mode,
            datetime.now(UTC).isoformat(timespec="seconds"),
            "",
            images=dict(endpoints.images),
        )
        self._endpoints = endpoints
        self._source = source
        self._strict = strict
        where = endpoints.kubernetes
        self._enforcer = where.enforcer if where else None
        self._redact = Redaction(endpoints.secrets())
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.evidence = Evidence(folder / f"evidence-{endpoints.mode}", self._redact)
        logs = {n: s.log_file for n, s in endpoints.services.items() if s.log_file is not None}
        self._logs = LogTails(logs, self._redact)
        self._checks: dict[str, model.Check] = {}
        self._began = time.monotonic()
        self._left_out = 0

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Measure a step that users wait for; a step that fails isn't counted."""
        start = time.monotonic()
        yield
        self.run.timings.append(model.Timing(name, round(time.monotonic() - start, 3)))

    def show(self, page: Page, caption: str) -> None:
        """Keep a screenshot for the report's gallery."""
        self.run.shots.append(self.evidence.screenshot(page, caption, caption))

    @pytest.hookimpl(tryfirst=True)  # before -k takes some away
    def pytest_collection_modifyitems(
        self, items: list[pytest.Item], config: pytest.Config
    ) -> None:
        """Order the capabilities from the ground up and leave out what the list excludes."""
        if not any("::" in argument for argument in config.args) and (gone := stale(items)):
            raise pytest.UsageError(
                f"not-applicable.toml: {', '.join(gone)} listed, expected names of checks.\n"
                "Try: pytest tests/e2e --collect-only --quiet"
            )
        items.sort(key=lambda item: _rank(check_id(item.nodeid).partition("::")[0]))
        mark(items, self.run.mode, self._enforcer)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Say what is run, and of what, before anything is: a killed run leaves no old page."""
        if session.config.option.collectonly:
            return
        code = source.of_checkout()
        run = self.run
        run.commit, run.dirty, run.source = code.commit, code.dirty, code.digest
        run.machine, run.chosen = source.machine(), source.chosen_by(session.config)
        run.selected = len(session.items)
        run.command = self._command("tests/e2e").replace("'", "")
        run.total = len(session.items) + self._left_out
        self._keep()

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """Count what the command line left out."""
        self._left_out += len(items)

    def _keep(self) -> Path:
        """Keep the run as it is now and draw the page of all kept runs."""
        self.run.checks = list(self._checks.values())
        self.run.seconds = round(time.monotonic() - self._began, 1)
        model.write(self.run, self.folder)
        return render.write(model.read_all(self.folder), self.folder, self.run.mode)

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """A check begins."""
        self._logs.begin()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Take in what came of a phase of a check, before anything else shows it."""
        report = yield
        check = self._check_of(item)
        if report.when == "call" or report.failed:
            check.seconds = round(report.duration, 3)
        if report.skipped:
            self._take_skip(check, report)
        if report.failed:
            self._take_failure(check, report)
        return report

    def _check_of(self, item: pytest.Item) -> model.Check:
        identity = check_id(item.nodeid)
        if identity not in self._checks:
            capability = identity.partition("::")[0]
            module: Any = getattr(item, "module", None)
            self.run.capabilities.setdefault(capability, _first_line(module, capability))
            again = self._command(item.nodeid)
            self._checks[identity] = model.Check(
                identity, capability, _title(item), item.nodeid, reproduce=again
            )
        return self._checks[identity]

    def _take_skip(self, check: model.Check, report: pytest.TestReport) -> None:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reason = reason.removeprefix("Skipped: ")
        check.outcome = "not applicable" if reason.startswith(PREFIX) else "skipped"
        check.reason = reason.removeprefix(PREFIX)
        if self._strict and check.outcome == "skipped":
            report.outcome = "failed"
            report.longrepr = (
                f"Check {check.id}: skipped because of {reason!r}, expected a reason that "
                "not-applicable.toml lists."
            )

    def _take_failure(self, check: model.Check, report: pytest.TestReport) -> None:
        crash = getattr(report.longrepr, "reprcrash", None)
        text = self._redact(report.longreprtext)
        said = self._redact(crash.message) if crash else text.strip().splitlines()[-1]
        report.longrepr = _Redacted(text, said, crash)
        report.sections = [(title, self._redact(content)) for title, content in report.sections]
        check.outcome = "failed"
        check.message = check.message or said.splitlines()[0]
        check.failure = f"{check.failure}\n\n{text}".strip()
        check.logs = self._logs.read()
        shots, traces = self.evidence.of_failure(check.id)
        check.shots += shots
        check.traces += traces

    def _command(self, node: str) -> str:
        """What runs this again; a file that the tool wrote beside the report is gone by then."""
        tool, mode = "uv run habari-local", self.run.mode
        here = self.folder.resolve().parent
        if self._source == "-" or Path(self._source).resolve().is_relative_to(here):
            given = f"{tool} up --mode {mode} && {tool} endpoints --mode {mode} | "
            return f"{given}uv run --group dev pytest '{node}' --endpoints -"
        return f"uv run --group dev pytest '{node}' --endpoints {self._source}"

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Keep the run and draw the page of all kept runs."""
        if session.config.option.collectonly:
            return
        self.run.ended = True
        self._look()
        page = self._keep()
        shots = session.config.getoption("--docs-screenshots", default=None)
        if shots:
            _photograph(page, Path(shots))

    def _look(self) -> None:
        """Ask the deployment what it is; what does not answer is left out."""
        if self._endpoints.has_hub and "JupyterHub" not in self.run.versions:
            with suppress(requests.RequestException, ValueError, KeyError):
                found = requests.get(f"{self._endpoints.hub}/hub/api/", timeout=5).json()
                self.run.versions["JupyterHub"] = found["version"]
        if self._endpoints.kubernetes:
            from .cluster import Cluster  # its client takes a second to import

            with suppress(Exception):  # whatever kept the cluster from answering
                cluster = Cluster(self._endpoints.kubernetes)
                self.run.images |= cluster.images()
                self.run.versions["Chart"] = cluster.chart().title

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say where the report is."""
        page = self.folder / render.PAGE
        if page.exists():
            terminalreporter.write_line(f"Report: {page.resolve().as_uri()}")


def _photograph(page: Path, folder: Path) -> None:
    """Make `report.png` for the documentation: the top of the page in a real browser."""
    folder.mkdir(parents=True, exist_ok=True)
    with launched() as browser:
        tab = browser.new_page(viewport={"width": 1180, "height": 1000})
        tab.goto(page.resolve().as_uri())
        tab.screenshot(path=folder / "report.png")


def _rank(capability: str) -> tuple[int, str]:
    known = capability in CAPABILITIES
    return (CAPABILITIES.index(capability) if known else len(CAPABILITIES), capability)


def _first_line(documented: object, otherwise: str) -> str:
    return (inspect.getdoc(documented) or otherwise).splitlines()[0].rstrip(".")


def _title(item: pytest.Item) -> str:
    name = item.name.removeprefix("test_").replace("_", " ")
    title = _first_line(getattr(item, "function", None), name)
    # pytest escapes what isn't ASCII in the names of cases.
    case = item.name.partition("[")[2].removesuffix("]").encode().decode("unicode_escape")
    return f"{title}: {case}" if case else title
