"""A server's end, told to the hub once: who asks meanwhile waits until the hub has dealt with it.

JupyterHub looks at a server every few seconds, and again when its owner asks for it. The first that
finds it ended has the hub clear it away, which takes a while; the other one learns at once that
it has ended, starts a new one and is refused with an error 500, since a stop is still pending.
"""

from __future__ import annotations

import asyncio
from typing import Any

from traitlets import HasTraits, Instance


class NotifiesOnce(HasTraits):
    """What a spawner is beside its own class: one look at a time that tells of the end."""

    _notifying = Instance(asyncio.Lock, ())

    async def poll_and_notify(self) -> Any:
        """Return the exit status, None while it runs, once what follows from it is done."""
        async with self._notifying:
            return await super().poll_and_notify()  # type: ignore[misc]
