"""Taking over the servers that an earlier hub started: none is judged while it lives.

A hub that starts asks each server that the database has for an answer, and removes the container
(or ends the process) of one that gave none for `http_timeout` seconds. What kept it from answering
may be the hub's own: its place on the user's network, a name that did not resolve for a moment, the
work of a whole start on a busy machine. So the check is held up until the server answers, for as
long as the spawner says that it runs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from traitlets import Float, HasTraits

KNOCK_EVERY = 0.1  # seconds at first, then longer each time
KNOCK_AT_MOST = 2.0  # seconds
ANSWER_SECONDS = 20.0  # for one request


class TakesOver(HasTraits):
    """What a spawner is beside its own class: patient with servers that were there before it."""

    takeover_timeout = Float(
        600.0, config=True, help="Seconds that a server which runs may take to answer a new hub."
    )

    async def reach(self) -> None:
        """Do what the hub needs to reach the server; a spawner with networks joins them."""

    async def get_url(self) -> Any:
        """Return the server's address once it answers there; JupyterHub asks at its start."""
        began = time.monotonic()
        await self.reach()
        url = str(await super().get_url())  # type: ignore[misc]

        async def ended() -> bool:
            return await self.poll() is not None  # type: ignore[attr-defined]

        if not await answers(f"{url.rstrip('/')}/api", self.takeover_timeout, ended):
            waited = time.monotonic() - began
            self.log.warning("%s: no answer in %.0f s", url, waited)  # type: ignore[attr-defined]
        return url


async def answers(url: str, seconds: float, ended: Callable[[], Awaitable[bool]]) -> bool:
    """Whether `url` is answered within `seconds`, with anything but an error of a server (5xx).

    Ends as soon as the server has `ended`.
    """
    deadline, pause = time.monotonic() + seconds, KNOCK_EVERY
    while time.monotonic() < deadline:
        try:
            if await asyncio.wait_for(_status(url), ANSWER_SECONDS) < 500:
                return True
        except (OSError, ValueError, IndexError, TimeoutError):
            pass  # a name that does not resolve, nobody who listens, half an answer
        if await ended():
            return False
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, KNOCK_AT_MOST)
    return False


async def _status(url: str) -> int:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
    try:
        request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
        writer.write(request.encode())
        await writer.drain()
        return int((await reader.readline()).split()[1])
    finally:
        writer.close()
