"""`python -m bench.load`: many people come at once; the page docs/reference/load.md.

What the machine could do at best is computed from what one person costs: so many seconds of
processor time for each, through the number of cores. The ratio to that is what waiting costs.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from bench import concurrent_users
from bench.concurrent_users import STEPS, Told
from bench.cpu_time import Effort, idle, spent
from tests.e2e.endpoints import parse
from tests.scratch import ROOT, Scratch, scratch_checkout

ALONE = 5  # people who come one after the other, for what one costs; a first one is not counted
PAGE = ROOT / "docs" / "reference" / "load.md"
MARK = "<!-- mode {} -->"
TEXT = """\
## {people} people at once, mode {mode}, {cores} cores

All had signed in, started a server and saved five times after **{seconds:.1f} s**. At best it is
{best:.1f} s: one person costs {one:.2f} s of processor time, times {people}, through {cores} cores.
**Ratio {ratio:.2f}**, {errors} errors, told to come back later: {later} times. Before it {free:.1f}
cores were free{memory}.

| step | alone, median | median | p95 | longest |
|---|---|---|---|---|
{steps}

| processor time of | one person alone | each of all |
|---|---|---|
{parts}
"""


@dataclass(frozen=True)
class Load:
    """One measurement: what one person costs alone, what all saw together, in how many seconds."""

    mode: str
    one: Effort
    all_: Effort
    alone: Sequence[Told]
    people: Sequence[Told]
    seconds: float
    free: float
    memory: float  # bytes, with all servers running

    @property
    def best(self) -> float:
        """Seconds in which all cores together could do for all what one person costs."""
        return len(self.people) * sum(self.one.values()) / (os.cpu_count() or 1)


def measured(scratch: Scratch, mode: str, users: int) -> Load:
    """Bring a platform up for so many people, have them come, take it down."""
    names = [f"u{number:02}" for number in range(1, users + 1)]
    scratch.settings["HABARI_ALLOWED_USERS"] = ",".join([*names, *(f"a{n}" for n in range(9))])
    scratch.good("up", "--mode", mode)
    try:
        where = parse(scratch.good("endpoints"), "habari-local endpoints")
        concurrent_users.leave(concurrent_users.come(where, ["a0"]))
        free = idle()
        before = spent(scratch, mode)
        alone = [concurrent_users.come(where, [f"a{number}"])[0] for number in range(1, ALONE + 1)]
        after = spent(scratch, mode)
        one = _each(after, before, ALONE)
        concurrent_users.leave(alone)
        before = spent(scratch, mode)
        began = time.perf_counter()
        people = concurrent_users.come(where, names)
        seconds = time.perf_counter() - began
        all_ = _each(spent(scratch, mode), before, users)
        memory = sum(each.memory() for each in scratch.found())
        return Load(mode, one, all_, alone, people, seconds, free, float(memory))
    finally:
        scratch.good("down", "--wipe", "--yes")


def _each(after: Effort, before: Effort, people: int) -> Effort:
    return Effort({part: (after[part] - before[part]) / people for part in after})


def drawn(load: Load) -> str:
    """Return what was measured as Markdown."""
    errors = [f"{told.name}: {told.error}" for told in load.people if told.error]
    text = TEXT.format(
        mode=load.mode,
        people=len(load.people),
        cores=os.cpu_count(),
        seconds=load.seconds,
        best=load.best,
        one=sum(load.one.values()),
        ratio=load.seconds / load.best,
        errors=len(errors),
        later=sum(told.later for told in load.people),
        free=load.free,
        memory=f"; {load.memory / 1e9:.1f} GB with all servers running" if load.memory else "",
        steps="\n".join(_steps(load)),
        parts="\n".join(_parts(load)),
    )
    return text + "".join(f"\n- {each}" for each in errors[:5])


def _steps(load: Load) -> Iterator[str]:
    for step in STEPS:
        alone = median(each for told in load.alone for each in told.seconds[step])
        found = sorted(each for told in load.people for each in told.seconds.get(step, ()))
        if len(found) > 1:
            p95 = quantiles(found, n=20)[-1]
            shown = " | ".join(f"{each:.2f} s" for each in (alone, median(found), p95, found[-1]))
            yield f"| {step} | {shown} |"


def _parts(load: Load) -> Iterator[str]:
    for part, seconds in load.all_.most_common():
        if max(seconds, load.one[part]) >= 0.005:
            yield f"| {part} | {load.one[part]:.2f} s | {seconds:.2f} s |"


def put_into_page(text: str, mode: str) -> None:
    """Put what was measured into its place of the page."""
    begin, end = MARK.format(mode), MARK.format(f"{mode} ends")
    page = PAGE.read_text(encoding="utf-8")
    head, _, rest = page.partition(begin)
    PAGE.write_text(f"{head}{begin}\n{text}{end}{rest.partition(end)[2]}", encoding="utf-8")


def main() -> None:
    """Measure one mode and put it into the page."""
    if "--simulated" in sys.argv:
        from bench.simulated.__main__ import main as simulated

        simulated([each for each in sys.argv[1:] if each != "--simulated"])
        return
    parser = argparse.ArgumentParser(prog="bench.load")
    parser.add_argument("--mode", default="process")
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--print", action="store_true", help="leave the page alone")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="habari-load-") as folder,
        scratch_checkout(Path(folder)) as scratch,
    ):
        scratch.settings["HABARI_S3_BACKEND"] = "moto"
        load = measured(scratch, arguments.mode, arguments.users)
    text = drawn(load)
    sys.stdout.write(text)
    if not arguments.print:
        put_into_page(text, load.mode)
    if any(told.error for told in load.people):
        sys.exit(1)


if __name__ == "__main__":
    main()
