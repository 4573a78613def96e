"""Logs: the last lines of files and what comes after, and several logs as one."""

from __future__ import annotations

import queue
import re
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from habari_local.core.polling import pause

# Begins the line before what a process writes, where it appends to the log of the one before it.
STARTED = "--- started "


def last_lines(path: Path, count: int) -> list[str]:
    """Return the last `count` lines of a log; none if it isn't there."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", errors="replace") as file:
        return [line.rstrip("\n") for line in deque(file, maxlen=count)]


def since_start(path: Path, count: int) -> list[str]:
    """Return those of the last `count` lines that the newest process wrote."""
    lines = last_lines(path, count)
    begun = [number for number, line in enumerate(lines) if line.startswith(STARTED)]
    return lines[begun[-1] + 1 :] if begun else lines


# How those that we run tell the time: by ISO 8601 (UTC with a Z), as web servers do, or no day.
ISO = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,]\d+)?(Z?)")
WEB = re.compile(r"\[(\d\d/[A-Z][a-z]{2}/\d{4})[ :](\d\d:\d\d:\d\d)")
CLOCK = re.compile(r"^\W*(\d\d:\d\d:\d\d)")


def written_at(line: str) -> float | None:
    """Return when a line says that it was written, in seconds since the epoch; None: it doesn't.

    A time without a day is of the last 24 hours.
    """
    try:
        if found := ISO.search(line):
            said = datetime.fromisoformat(f"{found[1]}T{found[2]}")
            return (said.replace(tzinfo=UTC) if found[3] else said).timestamp()
        if found := WEB.search(line):
            return datetime.strptime(f"{found[1]} {found[2]}", "%d/%b/%Y %H:%M:%S").timestamp()
        if found := CLOCK.search(line):
            moment = datetime.now().replace(microsecond=0)
            said = datetime.combine(moment.date(), datetime.strptime(found[1], "%H:%M:%S").time())
            late = 86400 if said.timestamp() > time.time() + 60 else 0
            return said.timestamp() - late
    except ValueError:  # digits that are no time
        return None
    return None


def not_before(lines: Iterable[str], since: float | None) -> Iterator[str]:
    """Leave out lines that are older; one that tells no time is as old as the one before it."""
    kept = since is None
    for line in lines:
        if not kept and since is not None:
            written = written_at(line)
            kept = written is not None and written >= since
        if kept:
            yield line


def merge(logs: Sequence[tuple[str, Iterator[str]]], *, follow: bool) -> Iterator[str]:
    """Yield the lines of several logs, each with its log's name before it.

    One log after the other; with `follow` as lines come, until all logs end.
    """
    width = max((len(name) for name, _ in logs), default=0)
    if not follow:
        for name, rows in logs:
            for line in rows:
                yield f"{name:<{width}} | {line}"
        return
    merged: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read(name: str, rows: Iterator[str]) -> None:
        for line in rows:
            merged.put(f"{name:<{width}} | {line}")
        merged.put(None)

    for log in logs:
        threading.Thread(target=read, args=log, daemon=True).start()
    left = len(logs)
    while left:
        row = merged.get()
        left -= row is None
        if row is not None:
            yield row


def read(path: Path, count: int, since: float | None = None, *, follow: bool) -> Iterator[str]:
    """Yield the last lines of a log, none older than `since`; with `follow`, each new one too."""
    seen = path.stat().st_size if path.is_file() else 0
    yield from not_before(last_lines(path, count), since)
    while follow:
        pause(0.2)
        size = path.stat().st_size if path.is_file() else 0
        if size < seen:  # truncated
            seen = 0
        if size == seen:
            continue
        with path.open("rb") as file:
            file.seek(seen)
            new = file.read(size - seen)
        whole = new[: new.rfind(b"\n") + 1]
        seen += len(whole)
        yield from whole.decode(errors="replace").splitlines()
