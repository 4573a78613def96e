"""Waiting for the database: hub and database start at the same time, also after the engine did."""

from __future__ import annotations

import time

from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

KNOCK_EVERY = 0.1  # seconds


def wait_for(url: str, seconds: float = 60.0) -> None:
    """Return once the server of a database URL takes connections; at once for a file.

    Raises:
        OperationalError: it took none for `seconds`.
    """
    if not make_url(url).host:
        return
    engine = create_engine(url)
    deadline = time.monotonic() + seconds
    while True:
        try:
            engine.connect().close()
        except OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(KNOCK_EVERY)
        else:
            engine.dispose()
            return
