"""The journal of moves: a file in the home for each one under way.

Its server holds a lock on it, so that a file without a lock is of a server that is gone; `recovery`
then undoes or finishes the move.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from habari_contents.types import Item, MoveEndpoint


class MoveRecord:
    """The record of one move under way."""

    def __init__(self, file: IO[str] | None, path: Path, facts: dict[str, Any]) -> None:
        self._file = file
        self._path = path
        self._facts = facts

    async def mark_copied(self, made: Sequence[Item]) -> None:
        """All copies are there and verified: from here on the move is to be finished.

        Where the disk does not take that, the older line holds: of a move that is killed now, what
        is still in the source is taken back at the target.
        """
        self._facts["made"] = [asdict(item) for item in made]
        if self._file is not None:
            with contextlib.suppress(OSError):
                await asyncio.to_thread(_write, self._file, self._facts)

    def remove(self) -> None:
        """The move is done, or what is left of it was told."""
        if self._file is not None:
            self._path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # of a line that the disk did not take
                self._file.close()


class MoveJournal:
    """The records of the moves that the servers of one home make."""

    def __init__(self, folder: Path, log: Any) -> None:
        self._folder = folder
        self._log = log

    async def start(
        self, source: MoveEndpoint, target: MoveEndpoint, items: Sequence[Item]
    ) -> MoveRecord:
        """Record that the items will be copied and then deleted.

        A disk that takes no record stops no move: it may be full, which is why one moves.
        """
        facts = {
            "source": source.path,
            "target": target.path,
            "items": [asdict(item) for item in items],
            "made": None,
        }
        path = self._folder / f"{uuid.uuid4().hex}.json"
        try:
            return MoveRecord(await asyncio.to_thread(_create, path, facts), path, facts)
        except OSError as error:
            self._log.warning("This move has no journal: %s", error)
            return MoveRecord(None, path, facts)


def _create(path: Path, facts: Mapping[str, Any]) -> IO[str]:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Locked before it has its name, or a server that starts now would take it for a dead one's.
    fresh = path.with_suffix(".new")
    file = fresh.open("x+", encoding="utf-8")
    fcntl.flock(file, fcntl.LOCK_EX)
    _write(file, facts)
    fresh.rename(path)
    return file


def _write(file: IO[str], facts: Mapping[str, Any]) -> None:
    """A line more, never over the one before: the last whole line counts."""
    file.write(json.dumps(facts) + "\n")
    file.flush()
    os.fsync(file.fileno())


def lock_orphan(path: Path) -> IO[str] | None:
    """The record, locked; None if a living server has it, or ended its move just now."""
    try:
        file = path.open("r", encoding="utf-8")
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return file
    except OSError:
        pass
    file.close()
    return None
