"""The circuit breaker: a bucket that fails is left alone for a moment, then tried once."""

from __future__ import annotations

import time
from collections.abc import Callable


class CircuitBreaker:
    """Counts failures to reach one bucket; heals by itself with one trial after `rest` seconds."""

    def __init__(
        self, *, rest: float, failures: int = 3, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = failures
        self._rest = rest
        self._clock = clock
        self._failures = 0
        self._rests_until = 0.0

    def retry_after(self) -> float:
        """Seconds until the bucket may be asked again; 0.0 admits the caller.

        After a rest one caller is admitted as the trial; the others wait for another rest.
        """
        if self._failures < self._limit:
            return 0.0
        remaining = self._rests_until - self._clock()
        if remaining > 0:
            return remaining
        self._rests_until = self._clock() + self._rest
        return 0.0

    def record_success(self) -> None:
        """The bucket answered, whatever it said."""
        self._failures = 0

    def record_failure(self) -> None:
        """The bucket could not be reached, or did not answer in time."""
        self._failures += 1
        self._rests_until = self._clock() + self._rest
