"""Waiting: the one place that sleeps, and it ends as soon as the wait can't succeed."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from habari_local.errors import Cancelled, NotReady

INTERVAL = 0.02  # seconds between two probes: below what a person notices, above what costs CPU


def until(  # noqa: PLR0913 (all by keyword, all but one with a default)
    ready: Callable[[], bool],
    what: str,
    *,
    seconds: float,
    failed: Callable[[], str | None] = lambda: None,
    log: Callable[[], list[str]] = list,
    tick: Callable[[], None] = lambda: None,
    cancel: threading.Event | None = None,
    hint: str = "",
) -> float:
    """Wait until `ready()`; return the seconds that it took.

    Args:
        ready: asked every 20 ms; must not block for long.
        what: the subject of the error sentence.
        seconds: the deadline.
        failed: why it can't succeed any more, or None; asked before each probe.
        log: the last log lines, asked only for the error.
        tick: called after each probe that was not ready, to show that the wait goes on.
        cancel: set by Ctrl-C.
        hint: the command to try.

    Raises:
        NotReady: the deadline passed, or `failed` gave a reason.
        Cancelled: `cancel` was set.
    """
    start = time.monotonic()
    while True:
        reason = failed()
        passed = time.monotonic() - start
        if reason:
            raise NotReady(what, passed, reason, log(), hint)
        if ready():
            return passed
        if passed > seconds:
            raise NotReady(what, passed, "no answer", log(), hint)
        tick()
        if cancel is None:
            time.sleep(INTERVAL)
        elif cancel.wait(INTERVAL):
            raise Cancelled


def answers(url: str, *, timeout: float = 1.0, accept: range = range(200, 400)) -> bool:
    """Whether a GET of `url` is answered with a code in `accept`."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status in accept
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def pause(seconds: float) -> None:
    """Sleep where nothing tells of a change, as with a file that grows."""
    time.sleep(seconds)
