"""A queue of spawns: a few servers start at the same time, the others wait in order of arrival.

JupyterHub by itself starts all at once up to its limit, so that each takes as long as all of them,
and turns those beyond it away for half a minute or more, in which the machine may be idle.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from traitlets import Float, HasTraits

# A start is work for a processor, with pauses in which another one can use it.
AT_ONCE = 2 * (os.cpu_count() or 1)


class SpawnQueue:
    """So many slots at the same time; who waits knows how many are before."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._waiting: list[object] = []

    @asynccontextmanager
    async def slot(self, who: object, seconds: float) -> AsyncIterator[None]:
        """Hold a slot for the length of the block; raises TimeoutError if none is free in time."""
        self._waiting.append(who)
        try:
            await asyncio.wait_for(self._free.acquire(), seconds)
        finally:
            self._waiting.remove(who)
        try:
            yield
        finally:
            self._free.release()

    def ahead(self, who: object) -> int | None:
        """How many wait for a slot before `who`; None if `who` does not wait."""
        return self._waiting.index(who) if who in self._waiting else None


class QueuedSpawns(HasTraits):
    """What a spawner is beside its own class: starts in a slot, pages that show the queue."""

    start_timeout: int  # the spawner's own
    queue = SpawnQueue()
    launch_timeout = Float(
        60.0, config=True, help="Seconds without progress that a start keeps its slot."
    )

    def spawn_slot(self) -> AbstractAsyncContextManager[None]:
        """Wait for a slot, for what `start_timeout` leaves beside the launch; else TimeoutError."""
        return self.queue.slot(self, max(1.0, self.start_timeout - self.launch_timeout))

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """Say each second how many start before, then what the spawner itself says."""
        while (ahead := self.queue.ahead(self)) is not None:
            yield {"progress": 10, "message": f"Many start just now; {ahead} wait before this one."}
            await asyncio.sleep(1)
        async for event in super().progress():  # type: ignore[misc]
            yield event
