"""Recovery of moves whose server was killed: the next server undoes or finishes them.

While a move copied, its copies are taken back (the source is whole); once all copies were verified,
the source's remains are deleted.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from habari_contents import errors, operation, transfer
from habari_contents.journal import lock_orphan
from habari_contents.types import Item, MoveEndpoint

RETRY_SECONDS = 3.0


class MoveRecovery:
    """Settles the records in a journal's folder; `endpoint` gives the endpoint of an API path."""

    def __init__(self, folder: Path, endpoint: Callable[[str], MoveEndpoint], log: Any) -> None:
        self._folder = folder
        self._endpoint = endpoint
        self._log = log
        self._task: asyncio.Task[bool] | None = None
        self._next_try = 0.0

    def schedule(self) -> None:
        """Run `recover` in the background, and again after a while until all is settled."""
        task = self._task
        if task is not None and (not task.done() or task.result()):
            return
        if time.monotonic() >= self._next_try:
            self._task = asyncio.create_task(self.recover())

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
        self._next_try = time.monotonic() + RETRY_SECONDS
        return done

    async def _recover(self, path: Path) -> bool:
        """Settle one record, unless the server that wrote it lives."""
        file = await asyncio.to_thread(lock_orphan, path)
        if file is None:
            return True
        with file:
            try:
                return await self._settle(file, path)
            except Exception:  # noqa: BLE001 - logged, and tried again
                # A bug, or a disk that fails: it must not end the recovery of others.
                self._log.exception(
                    "An interrupted move could not be settled; it will be tried again: %s", path
                )
                return False

    async def _settle(self, file: IO[str], path: Path) -> bool:
        try:
            whole = [line for line in file if line.endswith("\n")]
            facts = json.loads(whole[-1])
            source, target = self._endpoint(facts["source"]), self._endpoint(facts["target"])
            items = [Item(**item) for item in facts["items"]]
            made = [Item(**item) for item in facts["made"] or ()]
        except (ValueError, LookupError, TypeError) as error:
            self._log.warning("The record of a move is unreadable and was left alone: %s", error)
            return True
        try:
            with operation.changing("move"):
                if facts["made"] is not None:
                    await transfer.finish(items, made, source, target)
                elif not await transfer.undo(items, source, target):
                    self._log.warning("Copies of an interrupted move stayed: %s.", target.path)
                    return False
        except errors.ContentsError as error:
            self._log.warning("An interrupted move waits for S3: %s", error.log_message)
            return False
        word = "undone" if facts["made"] is None else "finished"
        self._log.warning("An interrupted move was %s: %s to %s.", word, source.path, target.path)
        path.unlink(missing_ok=True)
        return True
