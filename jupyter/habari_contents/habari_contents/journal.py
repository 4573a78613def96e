"""Owns the journal of moves: what a server that was killed in a move left is finished or undone.

Each move under way has a file in the home. Its server holds a lock on it, so that a file without a
lock is of a server that is gone. While it copied, the copies are taken back (the source is whole);
once all copies were verified, the source's remains are deleted.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from habari_contents.transfer import Item, MoveEndpoint

from . import errors, transfer

AGAIN_SECONDS = 3.0


class Entry:
    """The record of one move under way."""

    def __init__(self, file: IO[str] | None, path: Path, facts: dict[str, Any]) -> None:
        self._file = file
        self._path = path
        self._facts = facts

    async def copied(self, made: Sequence[Item]) -> None:
        """All copies are there and verified: from here on the move is to be finished.

        Where the disk does not take that, the older line holds: of a move that is killed now, what
        is still in the source is taken back at the target.
        """
        self._facts["made"] = [asdict(item) for item in made]
        if self._file is not None:
            with contextlib.suppress(OSError):
                await asyncio.to_thread(_write, self._file, self._facts)

    def end(self) -> None:
        """The move is done, or what is left of it was told."""
        if self._file is not None:
            self._path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # of a line that the disk did not take
                self._file.close()


class Journal:
    """The moves of a home's servers; `place` gives the place of an API path."""

    def __init__(self, folder: Path, place: Callable[[str], MoveEndpoint], log: Any) -> None:
        self._folder = folder
        self._place = place
        self._log = log
        self._recovery: asyncio.Task[bool] | None = None
        self._again = 0.0

    async def begin(
        self, source: MoveEndpoint, target: MoveEndpoint, items: Sequence[Item]
    ) -> Entry:
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
            return Entry(await asyncio.to_thread(_create, path, facts), path, facts)
        except OSError as error:
            self._log.warning("This move has no journal: %s", error)
            return Entry(None, path, facts)

    def see_to(self) -> None:
        """Let `recover` run beside what is asked, and again after a while until all is settled."""
        task = self._recovery
        if task is not None and (not task.done() or task.result()):
            return
        if time.monotonic() >= self._again:
            self._recovery = asyncio.create_task(self.recover())

    async def recover(self) -> bool:
        """Finish or undo what killed servers left; False if it is to be tried again later.

        Raises nothing: what went wrong is logged.
        """
        done = True
        try:
            for path in await asyncio.to_thread(lambda: sorted(self._folder.glob("*.json"))):
                done &= await self._recover(path)
        except OSError as error:
            self._log.warning("The records of moves are not readable: %s", error)
            done = False
        self._again = time.monotonic() + AGAIN_SECONDS
        return done

    async def _recover(self, path: Path) -> bool:
        """Settle one record, unless the server that wrote it lives."""
        file = await asyncio.to_thread(_adopt, path)
        if file is None:
            return True
        with file:
            try:
                return await self._settle(file, path)
            except Exception:  # noqa: BLE001 - logged, and tried again
                # A mistake of ours, or a disk that fails: it must not end the recovery of others.
                self._log.exception(
                    "A move that was broken off could not be settled and is tried again: %s", path
                )
                return False

    async def _settle(self, file: IO[str], path: Path) -> bool:
        try:
            whole = [line for line in file if line.endswith("\n")]
            facts = json.loads(whole[-1])
            source, target = self._place(facts["source"]), self._place(facts["target"])
            items = [Item(**item) for item in facts["items"]]
            made = [Item(**item) for item in facts["made"] or ()]
        except (ValueError, LookupError, TypeError) as error:
            self._log.warning("A record of a move is not readable and left alone: %s", error)
            return True
        try:
            if facts["made"] is None:
                await transfer.undo(items, source, target)
            else:
                await transfer.finish(items, made, source, target)
        except errors.ContentsError as error:
            self._log.warning("A move that was broken off waits for S3: %s", error.log_message)
            return False
        word = "undone" if facts["made"] is None else "finished"
        self._log.warning(
            "A move that was broken off is %s: %s to %s.", word, source.path, target.path
        )
        path.unlink(missing_ok=True)
        return True


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


def _adopt(path: Path) -> IO[str] | None:
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
