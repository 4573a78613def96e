"""How `why` finds what is broken: checks from outside in, the first that fails, known issues."""

from __future__ import annotations

import re
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from habari_local.core.errors import HabariError
from habari_local.diagnosis.evidence import since_the_fault

GOOD, BROKEN, SKIPPED = "ok", "broken", "skipped"
LOG_SHOWN = 10
LOG_LINES = 60  # of a broken check's services: those since the fault are searched
KNOWN_ISSUES = Path(__file__).with_name("known-issues.toml")


class PodIssue(Protocol):
    """What keeps a pod from running, as a mode in a cluster tells it."""

    @property
    def check(self) -> str:
        """The check that it belongs to."""

    @property
    def message(self) -> str:
        """What was found, in words."""

    @property
    def log(self) -> Sequence[str]:
        """The evidence: events and log lines, the newest last."""


@dataclass(frozen=True)
class Target:
    """All that checks may know of a platform; what costs time is asked for when it is needed."""

    url: str
    token: str = field(repr=False)
    has_hub: bool
    user: str
    running: Mapping[str, str]  # name → state, of the services
    allowed_users: frozenset[str]  # who may sign in by name
    by_organization: bool
    github: str  # the address of the fake GitHub, or nothing
    allow: Callable[[str], str]  # the command that lets a user in, and keeps who is let in
    check: Callable[[], None]
    settings: Callable[[], object]
    missing: Callable[[], str]  # what a user's server needs and is not there
    check_buckets: Callable[[], None]  # with the key of users' servers
    log: Callable[[str, int], Sequence[str]] = field(repr=False)
    # What of the user's server was killed for memory, in words, and the command that gives it more.
    killed_for_memory: Callable[[str], str] = lambda _: ""
    more_memory: Callable[[str], str] = lambda _: ""
    up: bool = True
    remote: bool = False  # in a cluster that is not this machine's
    # In a cluster: what keeps a service, or (without one) the user's server, from running.
    pod_issue: Callable[[str], PodIssue | None] | None = None

    @property
    def server_root(self) -> str:
        """The address of the user's server."""
        return f"{self.url}user/{self.user}/" if self.has_hub else self.url


@dataclass(frozen=True)
class CheckResult:
    """What a check found; `hint` where the check's own does not fit."""

    message: str
    state: str = GOOD
    hint: str = ""
    log: Sequence[str] = ()


@dataclass(frozen=True)
class Check:
    """One thing that must hold: what is expected, how to see it, what to do if it isn't so.

    `services` are those whose logs tell more. Checks of a `hub` or a `cluster` are left out where
    there is none.
    """

    name: str
    expected: str
    hint: str
    run: Callable[[Target], CheckResult]
    services: tuple[str, ...] = ()
    hub: bool = False
    cluster: bool = False


@dataclass(frozen=True)
class CheckOutcome:
    """A check that was run, with what it found."""

    name: str
    state: str
    message: str
    expected: str
    hint: str
    seconds: float


@dataclass(frozen=True)
class KnownIssue:
    """One row of known-issues.toml; `example` is a line in which it shows itself."""

    id: str
    pattern: re.Pattern[str]
    message: str
    hint: str
    link: str
    example: str


@dataclass(frozen=True)
class Diagnosis:
    """The checks up to the first broken one, and which known issue the evidence looks like."""

    checks: tuple[CheckOutcome, ...]
    known_issue: KnownIssue | None = None
    log: tuple[str, ...] = ()

    @property
    def broken(self) -> CheckOutcome | None:
        """The first broken check."""
        return next((check for check in self.checks if check.state == BROKEN), None)

    def as_json(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        known = self.known_issue
        return {
            "good": self.broken is None,
            "broken": self.broken.name if self.broken else None,
            "checks": [asdict(check) for check in self.checks],
            "known_issue": known and {"id": known.id, "message": known.message, "link": known.link},
            "try": self.broken.hint if self.broken else None,
            "log": list(self.log),
        }


def diagnose(target: Target, checks: Sequence[Check]) -> Diagnosis:
    """Run the checks in turn; stop at the first broken one and gather its evidence.

    There is one answer: the hint of the result, else that of a known issue, else the check's own.
    """
    outcomes: list[CheckOutcome] = []
    for check in checks:
        if (check.hub and not target.has_hub) or (check.cluster and target.pod_issue is None):
            continue
        began = time.monotonic()
        result = _run_check(check, target)
        seconds = round(time.monotonic() - began, 3)
        log: list[str] = []
        known, hint = None, ""
        if result.state == BROKEN:
            log = [*_log(target, check.services), *result.log]
            known = next(iter(matching([result.message, *log])), None)
            hint = result.hint or (known.hint if known else check.hint)
        outcomes.append(
            CheckOutcome(check.name, result.state, result.message, check.expected, hint, seconds)
        )
        if result.state == BROKEN:
            return Diagnosis(tuple(outcomes), known, tuple(log[-LOG_SHOWN:]))
    return Diagnosis(tuple(outcomes))


def known_issues() -> list[KnownIssue]:
    """Return the table of known issues."""
    rows = tomllib.loads(KNOWN_ISSUES.read_text(encoding="utf-8"))["issue"]
    return [
        KnownIssue(**{**row, "pattern": re.compile(row["pattern"], re.IGNORECASE)}) for row in rows
    ]


def matching(lines: Iterable[str]) -> tuple[KnownIssue, ...]:
    """Return the known issues whose pattern is in a line, in the order of the table."""
    text = "\n".join(lines)
    return tuple(issue for issue in known_issues() if issue.pattern.search(text))


def _run_check(check: Check, target: Target) -> CheckResult:
    """Run a check; one that fails itself is evidence too, never a trace."""
    try:
        return check.run(target)
    except HabariError as error:
        return CheckResult(" ".join([error.message, *error.details]), BROKEN, error.hint)
    except Exception as error:  # noqa: BLE001 (whatever is broken is what was asked for)
        return CheckResult(f"{type(error).__name__}: {error}", BROKEN)


def _log(target: Target, services: Sequence[str]) -> list[str]:
    lines: list[str] = []
    for name in services:
        try:
            lines += since_the_fault(target.log(name, LOG_LINES))
        except Exception as error:  # noqa: BLE001 (without its log the check is still named)
            lines.append(f"{name}: no log available ({type(error).__name__})")
    return lines
