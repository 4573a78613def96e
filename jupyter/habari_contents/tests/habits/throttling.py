"""Stores that refuse now and take the same a moment later, or not before something else is done."""

from __future__ import annotations

import itertools

from .message import Answer, Habit, Request

# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html ; KMS:
# https://docs.aws.amazon.com/kms/latest/developerguide/throttling.html
CODES = (
    (503, "SlowDown"),
    (429, "TooManyRequests"),
    (503, "RequestLimitExceeded"),
    (400, "RequestTimeout"),
    (400, "KMS.ThrottlingException"),
    (400, "ThrottlingException"),
)


class Throttled(Habit):
    """Every seventh request is refused, each time with another of the names that there are for it.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html
    """

    def __init__(self) -> None:
        self._codes = itertools.cycle(CODES)
        self._count = itertools.count(1)

    def request(self, request: Request) -> Request | Answer:
        if next(self._count) % 7 or request.method == "HEAD":
            return request
        return Answer.error(*next(self._codes))


class Races(Habit):
    """The first conditional write of each object meets another one.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
    """

    def __init__(self) -> None:
        self._met: set[str] = set()

    def request(self, request: Request) -> Request | Answer:
        held = request.headers.keys() & {"if-match", "if-none-match"}
        if not held or request.method in {"GET", "HEAD"} or request.target in self._met:
            return request
        self._met.add(request.target)
        return Answer.error(409, "ConditionalRequestConflict")


class Archived(Habit):
    """An object in Glacier is listed and not read.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html (InvalidObjectState)
    """

    def request(self, request: Request) -> Request | Answer:
        reads = request.method == "GET" and request.target.partition("?")[0].count("/") > 1
        if reads or "x-amz-copy-source" in request.headers:
            return Answer.error(403, "InvalidObjectState")
        return request
