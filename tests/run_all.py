"""Runs all nox sessions, several at once: `nox` calls it; `--jobs N` says how many at a time.

Each writes into a log of its own, in .habari/report/sessions/, which is printed when it has ended,
so that the lines of two don't mix. Exits with 1 if one failed, after all have run.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.runnable_modes import here, missing

ROOT = Path(__file__).resolve().parents[1]
LOGS = ROOT / ".habari" / "report" / "sessions"
LAST_LINES = 30  # of a failed session's log, once more at the end
CHECKOUT = "this checkout"  # one platform a checkout, so who brings one up here does so alone
TELL_SECONDS = 60.0  # between two lines that say what is still running
# What Docker's engine needs to be restarted by; the test that does so runs when all else is over.
ENGINE = "TESTS_ENGINE"


@dataclass(frozen=True)
class Job:
    """A nox session, with arguments of its own."""

    session: str
    arguments: tuple[str, ...] = ()
    needs: str = ""  # what no two jobs may have at a time

    @property
    def title(self) -> str:
        return " ".join((self.session, *self.arguments))

    @property
    def log(self) -> Path:
        kept = "".join(each if each.isalnum() else "-" for each in self.title)
        return LOGS / f"{kept.strip('-')}.log"


# The long ones first: the short ones fill what is left at the end.
JOBS = (
    Job("lint"),
    Job("faults", ("--mode", "hub")),
    Job("images", needs=CHECKOUT),
    Job("faults", ("--mode", "process")),
    Job("contract"),
    Job("faults", ("--mode", "kind")),
    Job("unit"),
    Job("components(component='hub')"),
    Job("components(component='contents')"),
    Job("production_hub"),
    Job("faults", ("--mode", "nohub")),
    Job("components(component='s3')"),
    Job("charts"),
    Job("docs"),
    Job("scan"),
)
E2E = 6  # place of the end-to-end suite's jobs in that order
RESTART = Job("faults", ("-k", "test_engine"))


@dataclass
class Queue:
    """The jobs in their order; one whose need another has waits, and a later one goes first."""

    waiting: list[Job]
    running: dict[Job, float] = field(default_factory=dict)  # when each began
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def take(self) -> Job | None:
        """Return the next job that can run, waiting for one; None once there is none left."""
        with self._changed:
            while self.waiting:
                held = {job.needs for job in self.running if job.needs}
                job = next((each for each in self.waiting if each.needs not in held), None)
                if job is not None:
                    self.waiting.remove(job)
                    self.running[job] = time.monotonic()
                    return job
                self._changed.wait()
            return None

    def done(self, job: Job) -> float:
        """Give back what the job had; return how long it took, in seconds."""
        with self._changed:
            self._changed.notify_all()
            return time.monotonic() - self.running.pop(job)

    def told(self) -> str:
        """What runs, for how long, and what its log says last."""
        with self._changed:
            began = dict(self.running)
        lines = (f"{job.title} ({minutes(time.monotonic() - at)})" for job, at in began.items())
        return ", ".join(lines)


def jobs() -> list[Job]:
    """Return all jobs; of the end-to-end suite one for each mode that this machine can run."""
    suite = []
    for mode in here():
        lacking = missing(mode)
        if lacking:
            sys.stdout.write(f"Mode {mode} can't run here: {lacking}\n")
        else:
            suite.append(Job("e2e", ("--mode", mode), needs=CHECKOUT))
    return [*JOBS[:E2E], *suite, *JOBS[E2E:]]


def minutes(seconds: float) -> str:
    """Write a time as people read it."""
    whole = round(seconds)
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"


@dataclass
class Run:
    """One run of all, its results by job: exit code and seconds."""

    arguments: Sequence[str]
    environ: dict[str, str]
    results: dict[Job, tuple[int, float]] = field(default_factory=dict)
    _printing: threading.Lock = field(default_factory=threading.Lock)
    _processes: set[subprocess.Popen[bytes]] = field(default_factory=set)

    def all_of(self, queue: Queue, at_once: int) -> None:
        """Run the queue's jobs, so many at a time, and tell every minute what is running."""
        over = threading.Event()

        def tell() -> None:
            while not over.wait(TELL_SECONDS):
                self._print(f"running: {queue.told()}\n")

        telling = threading.Thread(target=tell)
        telling.start()
        try:
            with ThreadPoolExecutor(at_once) as workers:
                for each in [workers.submit(self._work, queue) for _ in range(at_once)]:
                    each.result()
        finally:
            over.set()
            telling.join()

    def _work(self, queue: Queue) -> None:
        while (job := queue.take()) is not None:
            code = self._call(job)
            self.results[job] = (code, queue.done(job))
            self._print(self._report(job))

    def _call(self, job: Job) -> int:
        self._print(f"started: {job.title}\n")
        command = [sys.executable, "-m", "nox"]
        command += ["--session", job.session, "--", *job.arguments, *self.arguments]
        with job.log.open("wb") as log:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.environ,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
            code = process.wait()
            if code and job.needs == CHECKOUT:
                # An `up` that failed leaves what it began to be looked at; another job comes now.
                down = [sys.executable, "-m", "habari_local", "down"]
                subprocess.run(
                    down, cwd=ROOT, env=self.environ, stdout=log, stderr=log, check=False
                )
            return code

    def _report(self, job: Job) -> str:
        text = job.log.read_text(encoding="utf-8", errors="replace")
        return f"{'=' * 20} {job.title} {'=' * 20}\n{text}{self.line(job)}\n"

    def line(self, job: Job) -> str:
        """One line on a job: how it ended and how long it took."""
        code, seconds = self.results[job]
        return f"{'good' if code == 0 else 'FAILED'}: {job.title}, {minutes(seconds)}"

    def _print(self, text: str) -> None:
        with self._printing:
            sys.stdout.write(text)
            sys.stdout.flush()


def main(given: Sequence[str] | None = None) -> int:
    """Run all; return 1 if one failed."""
    parser = argparse.ArgumentParser(prog="nox", description=__doc__)
    parser.add_argument("--jobs", type=int, default=min(os.cpu_count() or 1, 4))
    options, arguments = parser.parse_known_args(given)
    LOGS.mkdir(mode=0o700, parents=True, exist_ok=True)
    environ = dict(os.environ)
    engine = environ.pop(ENGINE, "")
    run = Run(arguments, environ)
    run.all_of(Queue(jobs()), options.jobs)
    if engine:
        environ[ENGINE] = engine
        run.all_of(Queue([RESTART]), 1)
    return finished(run)


def finished(run: Run) -> int:
    """Print how each ended, and return the exit code."""
    for job, (code, _) in run.results.items():
        if code:
            lines = job.log.read_text(encoding="utf-8", errors="replace").splitlines()
            sys.stdout.write("\n".join([f"The end of {job.log}:", *lines[-LAST_LINES:], ""]))
    sys.stdout.writelines(f"{line}\n" for line in summary(run))
    return 1 if any(code for code, _ in run.results.values()) else 0


def summary(run: Run) -> Iterator[str]:
    """Yield a line for each job, those that failed last."""
    for job in sorted(run.results, key=lambda each: run.results[each][0] != 0):
        yield run.line(job)


if __name__ == "__main__":
    sys.exit(main())
