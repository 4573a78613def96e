"""A hub that waits for its turn: it has read its configuration while the one before it still works.

Who starts it names a FIFO in HABARI_HUB_TURN, and writes to that once the earlier hub has ended. A
configuration that is broken has ended this hub before, and the earlier one works on.
"""

from __future__ import annotations

import os
import select
import sys
from typing import Any

from jupyterhub.app import JupyterHub as Upstream  # type: ignore[import-untyped]

TURN = "HABARI_HUB_TURN"
WAIT_SECONDS = 60.0  # for the turn; then who started this hub was killed


class JupyterHub(Upstream):  # type: ignore[misc]
    """JupyterHub, held between reading its configuration and touching anything."""

    def load_config_file(self, *given: Any, **named: Any) -> None:
        """Read the configuration, then wait for the turn if there is one to wait for."""
        super().load_config_file(*given, **named)
        fifo = os.environ.pop(TURN, "")
        if fifo and not turn_came(fifo, WAIT_SECONDS):
            sys.exit("No turn came: whoever started this hub has ended.")


def turn_came(fifo: str, seconds: float) -> bool:
    """Wait until somebody writes to `fifo`; False where nobody does in time, or leaves instead."""
    handle = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        readable, _, _ = select.select([handle], [], [], seconds)
        return bool(readable and os.read(handle, 1))
    finally:
        os.close(handle)
