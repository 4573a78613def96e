"""Running a program to its end: argv in, typed result out."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from habari_local.core.errors import Cancelled, CommandFailed, MissingTool, NotReady

LOOK_SECONDS = 0.2  # between two looks at whether somebody asks to stop


@dataclass(frozen=True)
class Completed:
    """What a program printed (both streams, in order, unless apart) and its exit code."""

    argv: tuple[str, ...]
    code: int
    output: str


class Explained(Protocol):
    """Why a program failed, and what to do about it."""

    @property
    def seen(self) -> str:
        """The cause, in words."""

    @property
    def hint(self) -> str:
        """What to do."""


def run(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
    cancel: threading.Event | None = None,
    hint: str | Callable[[str], Explained | None] = "",
    apart: bool = False,
) -> Completed:
    """Run `argv`; give each line of output to `on_line` as it comes.

    The program gets no standard input and a process group of its own, which is ended whole when
    `cancel` is set. With `apart`, output is what it wrote for programs alone: what it wrote to
    standard error is told when it fails, and dropped otherwise. `hint` may be what finds
    the cause of a failure in the output, and what to do about it.

    Raises:
        MissingTool: the program is not there.
        CommandFailed: it ended with another code than 0.
        Cancelled: `cancel` was set before it ended.
    """
    with tempfile.TemporaryFile("w+", errors="replace") if apart else nullcontext() as errors:
        process = _started(argv, cwd, env, errors or subprocess.STDOUT)
        lines: list[str] = []
        with _terminate_on(cancel, process):
            for line in process.stdout or ():
                lines.append(line)
                if on_line:
                    on_line(line.rstrip("\n"))
            code = process.wait()
        if cancel is not None and cancel.is_set():
            raise Cancelled
        done = Completed(tuple(argv), code, "".join(lines))
        if code != 0:
            output = done.output + _whole(errors)
            if isinstance(hint, str):
                raise CommandFailed(done.argv, code, output, hint)
            found = hint(output)
            told = (found.hint, found.seen) if found else ("", "")
            raise CommandFailed(done.argv, code, output, *told)
        return done


class LineServer:
    """A program of ours that answers each line of its input with one of its output.

    It is started at once: what it takes to get ready, it does meanwhile.
    """

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], cwd: Path) -> None:
        self._name = argv[0]
        self._process = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def ask(self, line: str, seconds: float, cancel: threading.Event | None = None) -> str:
        """Return the answer to a line; "" where the program ended before it had one.

        Raises:
            NotReady: there was none in time; the program is ended.
            Cancelled: `cancel` was set; the program is ended.
        """
        put, got = self._process.stdin, self._process.stdout
        if put is None or got is None:
            return ""
        with suppress(BrokenPipeError):
            put.write(f"{line}\n")
            put.flush()
        until = time.monotonic() + seconds
        while not select.select([got], [], [], min(seconds, LOOK_SECONDS))[0]:
            if cancel is not None and cancel.is_set():
                self.close()
                raise Cancelled
            if time.monotonic() >= until:
                self.close()
                raise NotReady(self._name, seconds, "no answer")
        return got.readline().rstrip("\n")

    def close(self) -> None:
        """End it, and all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with suppress(BrokenPipeError):
                    pipe.close()


def _whole(file: IO[str] | None) -> str:
    if file is None:
        return ""
    file.seek(0)
    return file.read()


def _started(
    argv: Sequence[str], cwd: Path | None, env: Mapping[str, str] | None, errors: IO[str] | int
) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=dict(env) if env is not None else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise MissingTool(argv[0], "to go on", "habari-local doctor") from error


def run_piped(
    argv: Sequence[str], given: str, *, cwd: Path | None = None, env: Mapping[str, str]
) -> str:
    """Run `argv` with `given` as its standard input; return what it wrote to standard output.

    For secrets, which are in no argument, file or error text: a failure tells standard error alone.

    Raises:
        MissingTool: the program is not there.
        CommandFailed: it ended with another code than 0.
    """
    try:
        done = subprocess.run(
            list(argv),
            input=given,
            cwd=cwd,
            env=dict(env),
            capture_output=True,
            check=False,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise MissingTool(argv[0], "to go on", "habari-local doctor") from error
    if done.returncode != 0:
        raise CommandFailed(tuple(argv), done.returncode, done.stderr)
    return done.stdout


def run_attached(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> int:
    """Run `argv` with this process's own terminal; return its exit code.

    Ctrl-C reaches the program too; it is given the time to end in its own way.
    """
    with subprocess.Popen(list(argv), cwd=cwd, env=dict(env)) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.wait(timeout=20)
            raise


class _terminate_on:  # noqa: N801 (reads as a with-statement)
    """End the process group of `process` when `cancel` is set, and never leave it behind."""

    def __init__(self, cancel: threading.Event | None, process: subprocess.Popen[str]) -> None:
        self.cancel = cancel
        self.process = process
        self.over = threading.Event()

    def __enter__(self) -> None:
        if self.cancel is not None:
            threading.Thread(target=self._watch, daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self.over.set()
        if self.process.poll() is None:
            self._end()
        if self.process.stdout:
            self.process.stdout.close()

    def _watch(self) -> None:
        while not self.over.wait(0.1):
            if self.cancel is not None and self.cancel.is_set():
                self._end()
                return

    def _end(self) -> None:
        try:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(timeout=3)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        except ProcessLookupError:
            return
