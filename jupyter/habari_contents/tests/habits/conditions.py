"""Stores that take a request and do not look at its condition."""

from __future__ import annotations

from .message import Answer, Habit, Request

CHANGING = ("PUT", "POST", "DELETE")


class CreatesOver(Habit):
    """`If-None-Match: *` is not looked at, while `If-Match` is: Ceph's gateway in some releases.

    https://github.com/open-rails/contentkit/releases/tag/v0.58.1 (a probe fooled by it)
    """

    def request(self, request: Request) -> Request | Answer:
        if request.method in CHANGING:
            request.headers.pop("if-none-match", None)
        return request


class NoConditions(Habit):
    """No condition of a change is looked at, and there are no batches: GCS by its S3 interface.

    https://github.com/aws/aws-sdk-java-v2/pull/6055 (a comment tells both); its own conditions are
    of other names: https://cloud.google.com/storage/docs/request-preconditions
    """

    def request(self, request: Request) -> Request | Answer:
        if request.method == "POST" and request.target.partition("?")[2].startswith("delete"):
            return Answer.error(501, "NotImplemented")
        if request.method in CHANGING:
            for name in ("if-match", "if-none-match", "x-amz-copy-source-if-match"):
                request.headers.pop(name, None)
        return request
