"""What an answer to a write can be when it is neither a success nor a refusal of S3.

Each was carried out by S3, unless it says otherwise, and none says so.
"""

from __future__ import annotations

from .message import Answer

PAGE = b"<html><head><title>x</title></head><body><p>http://secret-endpoint</p></body></html>"
HTML = {"content-type": "text/html"}
# Answered by a load balancer or by S3 itself, S3 having done it or not.
ANSWERS = {
    # https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html
    "html-502": Answer(502, HTML, PAGE),
    "html-504": Answer(504, HTML, PAGE),
    "internal-error": Answer.error(500, "InternalError"),
    "slow-down-applied": Answer.error(503, "SlowDown"),
    # https://repost.aws/knowledge-center/s3-resolve-200-internalerror
    "error-in-200": Answer.error(200, "InternalError"),
    # A sign-in page of a network in between, which S3 never saw: for what is read, too.
    "portal": Answer(200, HTML, PAGE),
    "redirect": Answer(302, {**HTML, "location": "http://127.0.0.1:9/sign-in"}, PAGE),
}
NOT_APPLIED = frozenset({"portal", "redirect"})
# The connection breaks: reset after the body was sent, or in the middle of the answer.
BROKEN = frozenset({"reset", "cut-status"})
OUTCOMES = (*ANSWERS, *BROKEN)
STATUS_LINE = b"HTTP/1.1 200 OK\r\n"
