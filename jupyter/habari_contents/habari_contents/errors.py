"""The sentences that a browser sees when S3 fails: without endpoint, key or trace.

Every error is a `ContentsError` (a tornado HTTPError), so that any Jupyter handler answers with it.
Codes: 403 refused, 404 not there, 409 conflict, 413 too large, 503 not reachable, 504 not in time.
"""

from __future__ import annotations

from typing import Any

from tornado.web import HTTPError

MISSING = frozenset({"404", "NoSuchKey", "NotFound"})
CONFLICT = frozenset({"412", "PreconditionFailed", "ConditionalRequestConflict"})
NOT_IMPLEMENTED = frozenset({"501", "NotImplemented"})
TRANSIENT = frozenset({"500", "502", "503", "InternalError", "ServiceUnavailable", "SlowDown"})
# The answer to a HEAD has no body, and so no name: 400 is what an expired token gets there.
CREDENTIALS = frozenset(
    {"ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch", "400"}
)
# A HEAD's 403 can be either, no right or a key that is no longer one.
REFRESH_CREDENTIALS = CREDENTIALS | {"403"}
SENTENCES = (
    (
        frozenset({"403", "AccessDenied", "AllAccessDisabled", "Forbidden"}),
        403,
        "S3 does not allow this here. Try: ask for access.",
    ),
    (
        CREDENTIALS,
        403,
        "S3 does not accept this server's credentials. Try: again; they are reloaded.",
    ),
    (
        frozenset({"NoSuchBucket"}),
        503,
        "the bucket of this folder is missing. Try: ask who runs it.",
    ),
    (TRANSIENT, 503, "S3 is too busy to answer. Try: again in a moment."),
    (frozenset({"416", "InvalidRange"}), 416, "has no such range."),
    (frozenset({"EntityTooLarge"}), 413, "is too large for S3 to do this in one step."),
)


class ContentsError(HTTPError):
    """An HTTP error whose sentence reaches the browser as it is, percent signs included."""

    def __init__(self, status: int, sentence: str) -> None:
        self._sentence = sentence
        super().__init__(status, sentence)

    @property
    def log_message(self) -> str | None:
        """The sentence (tornado's own doubles every percent sign in it)."""
        return self._sentence

    @log_message.setter
    def log_message(self, value: str | None) -> None:
        self._sentence = value or ""


class Unconfirmed(ContentsError):
    """A write that was sent but not answered: it may have landed."""


class Unreachable(ContentsError):
    """The store could not be reached at all: nothing was sent."""


def not_found(path: str) -> ContentsError:
    """404: nothing at this path."""
    return ContentsError(404, f"{path}: there is no such file or folder.")


def already_exists(path: str) -> ContentsError:
    """409: something is at the path already."""
    return ContentsError(
        409, f"{path}: is there already, and nothing was changed. Try: another name."
    )


def read_only(path: str) -> ContentsError:
    """403: the folder is set to be read only."""
    return ContentsError(403, f"{path}: is in a read-only folder, and nothing was changed.")


def version_conflict(path: str) -> ContentsError:
    """409: the file is no longer what was last served here."""
    return ContentsError(
        409,
        f"{path}: was changed by someone else since it was opened here, and was not overwritten. "
        "Try: save again to choose between both versions.",
    )


def timed_out(path: str, seconds: float, *, writing: bool) -> ContentsError:
    """504: no answer in time; for a write, that it is not confirmed."""
    if writing:
        return Unconfirmed(
            504,
            f"{path}: S3 did not answer within {seconds:.0f} s, so the save is not confirmed. "
            "Try: save again.",
        )
    return ContentsError(
        504, f"{path}: S3 did not answer within {seconds:.0f} s. Try: again later."
    )


def unreachable(path: str, *, writing: bool = False) -> ContentsError:
    """503: no connection, or one that broke."""
    said = "could not be reached, and nothing was saved" if writing else "could not be reached"
    return Unreachable(503, f"{path}: S3 {said}. Try: again in a moment.")


def connection_lost(path: str) -> ContentsError:
    """503: the connection broke after a write was sent."""
    return Unconfirmed(
        503, f"{path}: the connection to S3 broke, so the save is not confirmed. Try: save again."
    )


def breaker_open(path: str, seconds: float) -> ContentsError:
    """503: the circuit breaker is open."""
    return Unreachable(
        503,
        f"{path}: S3 did not answer just now; it is asked again in {max(1, round(seconds))} s. "
        "Try: again then.",
    )


def error_code(error: Exception) -> str:
    """S3's error code in a botocore ClientError (`NoSuchKey`, `412`), else an empty text."""
    response: Any = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def from_client_error(error: Exception, path: str) -> ContentsError:
    """The neutral sentence for what S3 answered."""
    code = error_code(error)
    if code in MISSING:
        return not_found(path)
    if code in CONFLICT:
        return version_conflict(path)
    for codes, status, sentence in SENTENCES:
        if code in codes:
            return ContentsError(status, f"{path}: {sentence}")
    return ContentsError(502, f"{path}: S3 gave an answer that was not expected. Try: again later.")
