"""The spawn queue: few starts at a time, in order; no place is lost or kept for ever."""

from __future__ import annotations

import asyncio

import pytest
from habari_hub.spawn_queue import QueuedSpawns, SpawnQueue


def test_few_at_a_time_and_first_come_first_served() -> None:
    async def scene() -> None:
        queue, order, inside = SpawnQueue(2), [], 0

        async def one(name: int) -> None:
            nonlocal inside
            async with queue.slot(name, 10):
                inside += 1
                assert inside <= 2
                order.append(name)
                await asyncio.sleep(0)
                inside -= 1

        await asyncio.gather(*(one(number) for number in range(9)))
        assert order == list(range(9))

    asyncio.run(scene())


def test_who_gives_up_or_fails_leaves_the_place_to_the_next() -> None:
    async def scene() -> None:
        queue = SpawnQueue(1)
        async with queue.slot("first", 10):
            with pytest.raises(TimeoutError):
                async with queue.slot("impatient", 0.01):
                    pass
            assert queue.ahead("impatient") is None
        with pytest.raises(ZeroDivisionError):
            async with queue.slot("failing", 10):
                raise ZeroDivisionError
        async with queue.slot("next", 0.1):
            pass

    asyncio.run(scene())


class Spawner:
    """What a spawner itself tells."""

    async def progress(self):  # type: ignore[no-untyped-def]
        yield {"message": "its own"}


def test_who_waits_is_told_how_many_are_before() -> None:
    class Waiting(QueuedSpawns, Spawner):
        queue = SpawnQueue(1)
        start_timeout = 70

    async def scene() -> None:
        mine = Waiting()
        told = []
        async with mine.queue.slot("somebody", 10):
            waits = asyncio.ensure_future(mine.spawn_slot().__aenter__())
            await asyncio.sleep(0)
            events = mine.progress()
            told.append((await anext(events))["message"])
        await waits
        told += [event["message"] async for event in events]
        assert told == ["Many start just now; 0 wait before this one.", "its own"]

    asyncio.run(scene())
