"""Waiting until a server listens, by knocking at short intervals.

JupyterHub's own knocking grows its pauses and makes them random: that costs a second per spawn.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

KNOCK_EVERY = 0.03  # seconds
LOOK_EVERY = 0.5  # seconds


async def wait_for_port(
    host: str, port: int, seconds: float, ended: Callable[[], Awaitable[bool]]
) -> None:
    """Return once something listens on `host` and `port`.

    Raises:
        RuntimeError: the server `ended`, or was silent for `seconds`.
    """
    began = looked = time.monotonic()
    while time.monotonic() < began + seconds:
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(KNOCK_EVERY)
        else:
            writer.close()
            return
        if time.monotonic() > looked + LOOK_EVERY:
            looked = time.monotonic()
            if await ended():
                raise RuntimeError(f"Server at {host}: ended before it listened on {port}.")
    raise RuntimeError(f"Server at {host}: does not listen on {port}.")
