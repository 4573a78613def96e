"""Faults of a drill: which there are, when each is injected, and how the platform recovers."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from habari_local.core.errors import USAGE, HabariError, nearest
from habari_local.core.polling import pause
from habari_local.drills.save_ledger import SaveAttempt
from habari_local.platform.mode import Context, Mode, SupportsFaults

# Seconds that a part is left broken: a frozen one for longer than a save waits for S3's answer.
AWAY = {"killed": 3.0, "frozen": 9.0}
CALM = 5.0  # seconds between recovery and the next fault
BACK = 12.0  # seconds at the end in which everybody must be able to save again
RECOVERY = 60.0  # seconds in which the platform must be back
DEFAULTS = ("s3-killed", "s3-frozen", "hub-killed", "proxy-killed", "server-killed")
SERVER, NONE = "server", "none"


@dataclass(frozen=True)
class Clock:
    """How far a drill of so many seconds is."""

    seconds: float
    began: float = field(default_factory=time.monotonic)

    def now(self) -> float:
        """Return the seconds since the drill began."""
        return time.monotonic() - self.began

    def left(self) -> float:
        """Return the seconds until it is over; negative when it is."""
        return self.seconds - self.now()


@dataclass(frozen=True)
class InjectedFault:
    """One fault: its begin and the platform's recovery, so many seconds into the drill."""

    name: str
    began: float
    recovered: float


def available_faults(mode: Mode, ctx: Context) -> list[str]:
    """Return the faults that can be injected in a mode, none where it can't be broken."""
    if not isinstance(mode, SupportsFaults):
        return []
    parts = [*mode.services(ctx), SERVER]
    return [f"{part}-{how}" for part in parts for how in AWAY]


def select_faults(wanted: Sequence[str], mode: Mode, ctx: Context) -> list[str]:
    """Return the wanted faults (`none` is none), or the usual ones that the mode has.

    Raises:
        HabariError: one that is none here, with those that are.
    """
    known = available_faults(mode, ctx)
    if list(wanted) == [NONE]:
        return []
    unknown = [name for name in wanted if name not in known]
    if unknown:
        like = nearest(unknown[0], known) or next(iter(known), NONE)
        raise HabariError(
            f"Fault {', '.join(unknown)}: not known in mode {mode.name}, expected some of"
            f" {', '.join(known) or 'none at all'}.",
            f"habari-local drill save --fault {like}",
            USAGE,
        )
    return list(wanted) or [name for name in DEFAULTS if name in known]


def inject(
    names: Sequence[str],
    mode: Mode,
    ctx: Context,
    recover: Callable[[], object],
    clock: Clock,
) -> Iterator[InjectedFault]:
    """Inject faults in turn until the clock's time is up; yield each once the platform is back.

    Before each is calm, and so is the end: the platform has recovered by then.

    Raises:
        HabariError: the platform did not recover.
    """
    for name in itertools.cycle(names):
        away = AWAY[name.rpartition("-")[2]]
        if clock.left() < CALM + away + BACK or not isinstance(mode, SupportsFaults):
            break
        pause(CALM)
        began = clock.now()
        with injected_fault(name, mode, ctx):
            pause(away)
        retry_until(recover)
        yield InjectedFault(name, began, clock.now())
    pause(max(0.0, clock.left()))


def back_after(fault: InjectedFault, attempts: Sequence[SaveAttempt]) -> float | None:
    """Return after how many seconds from its begin all whom it hit had a save acknowledged again.

    0 if nobody noticed; None if somebody's never was.
    """
    backs = [0.0]
    for person in {each.person for each in attempts}:
        theirs = [each for each in attempts if each.person == person]
        hit = [
            e.at for e in theirs if e.outcome != "saved" and fault.began < e.told < fault.recovered
        ]
        if hit:
            good = [e.told for e in theirs if e.outcome == "saved" and e.at > hit[-1]]
            if not good:
                return None
            backs.append(min(good) - fault.began)
    return max(backs)


@contextmanager
def injected_fault(name: str, mode: SupportsFaults, ctx: Context) -> Iterator[None]:
    """Break a part for the length of the block; a frozen one goes on after it, whatever happens."""
    part, _, how = name.rpartition("-")
    if how == "killed":
        mode.kill(ctx, part)
        yield
        return
    try:
        mode.freeze(ctx, part)
        yield
    finally:
        mode.thaw(ctx, part)


def retry_until(recover: Callable[[], object], seconds: float = RECOVERY) -> None:
    """Call `recover`, again where it fails: a part that dies takes along one that starts.

    Raises:
        HabariError: the last failure, when the time is over.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            recover()
        except HabariError:
            if time.monotonic() > deadline:
                raise
        else:
            return
