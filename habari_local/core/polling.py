"""Waiting: the one place that sleeps, and it ends as soon as the wait can't succeed."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from habari_local.core.errors import Cancelled, NotReady

INTERVAL = 0.02  # seconds between two probes: below what a person notices, above what costs CPU
LOOK_EVERY = 1.0  # seconds between two looks at whether something works
WORK = 0.5  # seconds of a processor, or bytes of output: more than what idles takes in a minute


def wait_until(  # noqa: PLR0913 (all by keyword, all but one with a default)
    ready: Callable[[], bool],
    what: str,
    *,
    seconds: float,
    failed: Callable[[], str | None] = lambda: None,
    log: Callable[[], list[str]] = list,
    tick: Callable[[], None] = lambda: None,
    cancel: threading.Event | None = None,
    hint: str = "",
    works: Callable[[], bool] | None = None,
) -> float:
    """Wait until `ready()`; return the seconds that it took.

    Args:
        ready: asked every 20 ms; must not block for long.
        what: the subject of the error sentence.
        seconds: the deadline, with `works` of the time in which nothing was done.
        failed: why it can't succeed any more, or None; asked before each probe.
        log: the last log lines, asked only for the error.
        tick: called after each probe that was not ready, to show that the wait goes on.
        cancel: set by Ctrl-C.
        hint: the command to try.
        works: whether it has done something since it was last asked, each second: then it may take
            as long as it wants, on whatever machine.

    Raises:
        NotReady: the deadline passed, or `failed` gave a reason.
        Cancelled: `cancel` was set.
    """
    start = looked = worked = time.monotonic()
    while True:
        reason = failed()
        now = time.monotonic()
        passed = now - start
        if reason:
            raise NotReady(what, passed, reason, log(), hint)
        if ready():
            return passed
        if works is not None and now > looked + LOOK_EVERY:
            looked = now
            worked = now if works() else worked
        if now > worked + seconds:
            idle = "" if works is None else f", nothing done for {now - worked:.0f} s"
            raise NotReady(what, passed, f"no answer{idle}", log(), hint)
        tick()
        if cancel is None:
            time.sleep(INTERVAL)
        elif cancel.wait(INTERVAL):
            raise Cancelled


class Effort:
    """Whether something works: by amounts that only grow (processor seconds, bytes of a log)."""

    def __init__(self, *amounts: Callable[[], float]) -> None:
        self._amounts = amounts
        self._seen = [amount() for amount in amounts]

    def grown(self) -> bool:
        """Whether an amount has grown by more than what idles since this was last true."""
        now = [amount() for amount in self._amounts]
        if all(new - old < WORK for new, old in zip(now, self._seen, strict=True)):
            return False
        self._seen = now
        return True


def changes(seen: Callable[[], object]) -> Callable[[], bool]:
    """Return what tells whether what is seen is another thing than when last asked."""
    last = seen()

    def changed() -> bool:
        nonlocal last
        before, last = last, seen()
        return before != last

    return changed


def http_ok(url: str, *, timeout: float = 1.0, accept: range = range(200, 400)) -> bool:
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
