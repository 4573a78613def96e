"""What a person sees: results, tables and the board of steps; with cli.py the owner of Rich."""

from __future__ import annotations

import io
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

HEARTBEAT = 10.0  # seconds between two lines about the same wait, where nothing can be redrawn


@dataclass(frozen=True)
class Table:
    """Rows under headings, to be drawn for a terminal."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Prose:
    """Text that is wrapped between words on a terminal, and is one line elsewhere."""

    text: str


@dataclass(frozen=True)
class Result:
    """What a command returns: data for programs, text and tables for people, an exit code.

    `lines` and `chunks` are streams, written as they come; they take the place of the rest.
    """

    data: Any = None
    shown: Sequence[str | Prose | Table] = ()
    code: int = 0
    as_json: bool = False
    lines: Iterable[str] | None = None
    chunks: Iterable[bytes] | None = None


class _Outlet(io.FileIO):
    """A file descriptor whose reader may leave (`| head -1`): what comes after that is dropped.

    That is no error: what the command does beside writing is done to its end.
    """

    left = False

    def write(self, data: ReadableBuffer, /) -> int:
        """Write, or drop what nobody reads any more."""
        try:
            return super().write(data)
        except BrokenPipeError:
            self.left = True
            return memoryview(data).nbytes


def outlive_readers() -> None:
    """Have standard output and standard error go on when their reader leaves."""
    for name in ("stdout", "stderr"):
        given = getattr(sys, name)
        if given is None:  # closed by whoever started us
            continue
        outlet = io.BufferedWriter(_Outlet(given.fileno(), "wb", closefd=False))
        made = io.TextIOWrapper(
            outlet, given.encoding, given.errors, line_buffering=given.line_buffering
        )
        setattr(sys, name, made)


def reader_left() -> bool:
    """Whether nobody reads standard output any more."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return isinstance(raw, _Outlet) and raw.left


class Board(Protocol):
    """Where a bring-up shows its steps; thread-safe."""

    def waits(self, number: int, text: str) -> None:
        """Show what step `number` waits for."""

    def ends(self, number: int, outcome: str, *, good: bool) -> None:
        """Show how step `number` ended."""


class PlainBoard:
    """A board for logs and pipes: a line when a step ends, a heartbeat while one lasts."""

    def __init__(self, titles: Sequence[str], write: Any) -> None:
        self.titles = titles
        self.write = write
        self.began: dict[int, float] = {}
        self.told: dict[int, float] = {}
        self.lock = threading.Lock()

    def __enter__(self) -> PlainBoard:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def waits(self, number: int, text: str) -> None:
        """Show what step `number` waits for, the first time after a heartbeat's pause."""
        now = time.monotonic()
        with self.lock:
            self.began.setdefault(number, now)
            if now - self.told.setdefault(number, now) >= HEARTBEAT:
                self.told[number] = now
                self.write(f"{self._head(number)}: {text} ({now - self.began[number]:.0f} s)")

    def ends(self, number: int, outcome: str, *, good: bool) -> None:
        """Show how step `number` ended and how long it took."""
        with self.lock:
            seconds = time.monotonic() - self.began.get(number, time.monotonic())
            mark = "" if good else "FAILED: "
            self.write(f"{self._head(number)}: {mark}{outcome} ({seconds:.1f} s)")

    def _head(self, number: int) -> str:
        return f"[{number + 1}/{len(self.titles)}] {self.titles[number]}"


class LiveBoard:
    """A board for a terminal: all steps at once, redrawn in place."""

    def __init__(self, titles: Sequence[str], console: Any) -> None:
        from rich.live import Live

        self.titles = titles
        self.state: list[tuple[str, str, float, float]] = [("", "", 0.0, 0.0) for _ in titles]
        self.live = Live(self._draw(), console=console, refresh_per_second=8, transient=False)
        self.live.get_renderable = self._draw  # type: ignore[method-assign]

    def __enter__(self) -> LiveBoard:
        self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.live.stop()

    def waits(self, number: int, text: str) -> None:
        """Show what step `number` waits for."""
        _, _, began, _ = self.state[number]
        self.state[number] = ("…", text, began or time.monotonic(), 0.0)

    def ends(self, number: int, outcome: str, *, good: bool) -> None:
        """Show how step `number` ended."""
        now = time.monotonic()
        _, _, began, _ = self.state[number]
        self.state[number] = ("✓" if good else "✗", outcome, began or now, now)

    def _draw(self) -> Any:
        from rich.table import Table as RichTable
        from rich.text import Text

        grid = RichTable.grid(padding=(0, 1))
        styles = {"✓": "green", "✗": "bold red", "…": "yellow"}
        for number, (title, (mark, text, began, ended)) in enumerate(
            zip(self.titles, self.state, strict=True)
        ):
            seconds = f"{(ended or time.monotonic()) - began:.1f} s" if began else ""
            grid.add_row(
                Text(f"[{number + 1}/{len(self.titles)}]", "dim"),
                Text(mark, styles.get(mark, "")),
                Text(title, "" if mark else "dim"),
                Text(text, "dim", overflow="ellipsis", no_wrap=True),
                Text(seconds, "dim"),
            )
        return grid


def board(titles: Sequence[str]) -> PlainBoard | LiveBoard:
    """Return the board that fits standard error: redrawn on a terminal, lines elsewhere."""
    if sys.stderr.isatty():
        from rich.console import Console

        console = Console(stderr=True, highlight=False)
        if not console.is_dumb_terminal:
            return LiveBoard(titles, console)
    return PlainBoard(titles, to_stderr)


def to_stderr(line: str) -> None:
    """Write a line to standard error at once."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def progress(text: str) -> None:
    """Say on standard error what is done now."""
    to_stderr(f"{text} …")


def unseen(titles: Sequence[str]) -> PlainBoard:
    """Return a board that shows nothing, for a bring-up that is part of something else."""
    return PlainBoard(titles, lambda _line: None)


def render(result: Result) -> None:
    """Write a result to standard output: drawn for a terminal, plain text for a pipe or a file."""
    if not sys.stdout.isatty():
        for part in result.shown:
            sys.stdout.writelines(f"{line}\n" for line in _plain(part))
        return
    from rich.console import Console

    console = Console(highlight=False)
    for part in result.shown:
        if isinstance(part, str):
            console.print(part, markup=False, soft_wrap=True)
        elif isinstance(part, Prose):
            console.print(part.text, markup=False)
        else:
            console.print(_rich(part))


def _plain(part: str | Prose | Table) -> Iterable[str]:
    """Yield lines that a program can take apart: a row is one, columns are two spaces apart."""
    if not isinstance(part, Table):
        yield part if isinstance(part, str) else part.text
        return
    rows = [[cell.replace("\n", " ") for cell in row] for row in (part.headings, *part.rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = zip(row, widths, strict=True)
        yield "  ".join(f"{cell:<{width}}" for cell, width in cells).rstrip()


def _rich(table: Table) -> Any:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in table.headings:
        drawn.add_column(heading, overflow="fold")
    colours = {"running": "green", "ok": "green", "stopped": "red", "missing": "red"}
    colours |= dict.fromkeys(("too old", "too little", "not running", "broken", "wrong"), "red")
    for row in table.rows:
        drawn.add_row(*(Text(cell, colours.get(cell, "")) for cell in row))
    return drawn


def human_size(count: int | None) -> str:
    """Return a size in bytes as people read it."""
    return "" if count is None else f"{count / 1e6:.0f} MB"
