"""The ladder that `why` climbs: rungs from outside in, ended by the first that is broken."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from habari_local.core.errors import HabariError
from habari_local.diagnosis.evidence import since_the_fault
from habari_local.diagnosis.known_issues import KnownIssue, matching

GOOD, BROKEN, SKIPPED = "ok", "broken", "skipped"
LOG_SHOWN = 10
LOG_LINES = 60  # of a broken rung's services: those since the fault are what is looked into


class PodIssue(Protocol):
    """What keeps a pod from running, as a mode in a cluster tells it."""

    @property
    def rung(self) -> str:
        """The rung that it belongs to."""

    @property
    def seen(self) -> str:
        """What is told, in words."""

    @property
    def log(self) -> Sequence[str]:
        """The evidence: events and log lines, the newest last."""


@dataclass(frozen=True)
class Target:
    """All that probes may know of a platform; what costs time is asked for when it is needed."""

    url: str
    token: str = field(repr=False)
    has_hub: bool
    user: str
    running: Mapping[str, str]  # name → state, of the services
    listed: frozenset[str]  # who may sign in by name
    by_organization: bool
    github: str  # the stand-in's address, or nothing
    allow: Callable[[str], str]  # the command that lets somebody in, and keeps who is let in
    check: Callable[[], None]
    settings: Callable[[], object]
    lacking: Callable[[], str]
    heads: Callable[[], None]  # looks at both buckets, with the key of users' servers
    log: Callable[[str, int], Sequence[str]] = field(repr=False)
    up: bool = True
    # In a cluster: what keeps a service, or (without one) the user's server, from running.
    trouble: Callable[[str], PodIssue | None] | None = None

    @property
    def server_root(self) -> str:
        """The address of the user's server."""
        return f"{self.url}user/{self.user}/" if self.has_hub else self.url


@dataclass(frozen=True)
class CheckResult:
    """What a probe saw; `hint` where the rung's own does not fit."""

    seen: str
    state: str = GOOD
    hint: str = ""
    log: Sequence[str] = ()


@dataclass(frozen=True)
class Check:
    """One thing that must hold: what is expected, how it is seen, what to do if it isn't so.

    `services` are those whose logs tell more. Rungs of a `hub` or a `cluster` are left out where
    there is none.
    """

    name: str
    expected: str
    hint: str
    probe: Callable[[Target], CheckResult]
    services: tuple[str, ...] = ()
    hub: bool = False
    cluster: bool = False


@dataclass(frozen=True)
class CheckOutcome:
    """One rung as it was found."""

    name: str
    state: str
    seen: str
    expected: str
    hint: str
    seconds: float


@dataclass(frozen=True)
class Diagnosis:
    """How far one came, and which known problem the evidence looks like."""

    rungs: tuple[CheckOutcome, ...]
    problem: KnownIssue | None = None
    log: tuple[str, ...] = ()

    @property
    def broken(self) -> CheckOutcome | None:
        """The first broken rung."""
        return next((rung for rung in self.rungs if rung.state == BROKEN), None)

    def as_json(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        known = self.problem
        return {
            "good": self.broken is None,
            "broken": self.broken.name if self.broken else None,
            "rungs": [asdict(rung) for rung in self.rungs],
            "known_problem": known and {"id": known.id, "says": known.says, "link": known.link},
            "try": self.broken.hint if self.broken else None,
            "log": list(self.log),
        }


def diagnose(scene: Target, ladder: Sequence[Check]) -> Diagnosis:
    """Try each rung in turn; stop at the first broken one and gather its evidence.

    There is one answer: what the probe itself knows to do, else what a known problem wants, else
    what the rung does.
    """
    climbed: list[CheckOutcome] = []
    for rung in ladder:
        if (rung.hub and not scene.has_hub) or (rung.cluster and scene.trouble is None):
            continue
        began = time.monotonic()
        look = _run_check(rung, scene)
        seconds = round(time.monotonic() - began, 3)
        if look.state == BROKEN:
            log = [*_log(scene, rung.services), *look.log]
            known = next(iter(matching([look.seen, *log])), None)
            hint = look.hint or (known.mend if known else rung.hint)
            climbed.append(CheckOutcome(rung.name, BROKEN, look.seen, rung.expected, hint, seconds))
            return Diagnosis(tuple(climbed), known, tuple(log[-LOG_SHOWN:]))
        climbed.append(CheckOutcome(rung.name, look.state, look.seen, rung.expected, "", seconds))
    return Diagnosis(tuple(climbed))


def _run_check(rung: Check, scene: Target) -> CheckResult:
    """Look; a probe that fails is evidence too, never a trace."""
    try:
        return rung.probe(scene)
    except HabariError as error:
        return CheckResult(" ".join([error.message, *error.details]), BROKEN, error.hint)
    except Exception as error:  # noqa: BLE001 (whatever is broken is what was asked for)
        return CheckResult(f"{type(error).__name__}: {error}", BROKEN)


def _log(scene: Target, services: Sequence[str]) -> list[str]:
    lines: list[str] = []
    for name in services:
        try:
            lines += since_the_fault(scene.log(name, LOG_LINES))
        except Exception as error:  # noqa: BLE001 (without its log the rung is still named)
            lines.append(f"{name}: no log to be had ({type(error).__name__})")
    return lines
