"""Log files: their last lines, and what comes after."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path

from habari_local.wait import pause

# Begins the line before what a process writes, where it appends to the log of the one before it.
STARTED = "--- started "


def last_lines(path: Path, count: int) -> list[str]:
    """Return the last `count` lines of a log; none if it isn't there."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", errors="replace") as file:
        return [line.rstrip("\n") for line in deque(file, maxlen=count)]


def lines(paths: Mapping[str, Path], *, last: int, follow: bool) -> Iterator[str]:
    """Yield the last lines of each log with its name before each; with `follow`, new ones too."""
    width = max((len(name) for name in paths), default=0)
    seen = {name: path.stat().st_size if path.is_file() else 0 for name, path in paths.items()}
    for name, path in paths.items():
        for line in last_lines(path, last):
            yield f"{name:<{width}} | {line}"
    while follow:
        for name, path in paths.items():
            size = path.stat().st_size if path.is_file() else 0
            if size < seen[name]:  # begun anew
                seen[name] = 0
            if size == seen[name]:
                continue
            with path.open("rb") as file:
                file.seek(seen[name])
                new = file.read(size - seen[name])
            whole = new[: new.rfind(b"\n") + 1]
            seen[name] += len(whole)
            for line in whole.decode(errors="replace").splitlines():
                yield f"{name:<{width}} | {line}"
        pause(0.2)
