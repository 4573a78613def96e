"""Waiting for what tells nobody when it happens: bounded, and never for longer than it takes."""

import os
import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")
# How much longer than on a machine of today everything may take: `nox -s slow` sets it.
PATIENCE = float(os.environ.get("TESTS_PATIENCE", "1"))


def until(what: str, look: Callable[[], Found | None], seconds: float = 30.0) -> Found:
    """Look until there is something true; raises TimeoutError that names *what* and the last look.

    Only where no event is to be had: a stopped server leaves no stream to read.
    """
    deadline = time.monotonic() + seconds * PATIENCE
    pause = 0.02
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s (last seen: {found!r}).")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.5)
