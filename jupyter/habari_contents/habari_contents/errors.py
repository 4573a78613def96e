"""The sentences that a browser sees when S3 fails: without endpoint, key or trace.

Every error is a `ContentsError` (a tornado HTTPError), so that any Jupyter handler answers with it.
Codes: 403 refused, 404 not there, 409 conflict, 413 too large, 503 not reachable, 504 not in time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tornado.web import HTTPError

from habari_contents.operation import REMEDIES, current

MISSING = frozenset({"404", "NoSuchKey", "NotFound"})
CONFLICT = frozenset({"412", "PreconditionFailed"})
NOT_IMPLEMENTED = frozenset({"501", "NotImplemented"})
# A conditional write met another one: neither is decided by that.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
RACE = frozenset({"ConditionalRequestConflict", "OperationAborted"})
# Too much at once, each with a sentence of its own below.
RATE = frozenset({"429", "RequestThrottled", "SlowDown", "TooManyRequests"}) | {
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
ACCOUNT_LIMIT = frozenset({"RequestLimitExceeded", "BandwidthLimitExceeded"})
KMS_RATE = frozenset({"KMS.ThrottlingException", "KMSThrottlingException"})
# S3 did not get the whole request in its own time: it did nothing.
SLOW_BODY = frozenset({"RequestTimeout"})
BUSY = frozenset({"500", "502", "503", "504", "InternalError", "ServiceUnavailable"})
THROTTLED = RATE | ACCOUNT_LIMIT | KMS_RATE | SLOW_BODY
# What is asked again, twice at most and within the deadline.
RETRIED = THROTTLED | BUSY | RACE
# The answer to a HEAD has no body, and so no name: 400 is what an expired token gets there.
CREDENTIALS = frozenset(
    {"ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch", "400"}
)
# A HEAD's 403 can be either, no right or a key that is no longer one.
REFRESH_CREDENTIALS = CREDENTIALS | {"403"}


@dataclass(frozen=True, slots=True)
class _Told:
    """What some of S3's names for an error are told as: a status, what is wrong, what to try."""

    codes: frozenset[str]
    status: int
    cause: str
    remedy: str = ""

    def sentence(self, path: str) -> str:
        """The whole of it, of the file or folder at the path."""
        return f"{path}: {self.cause}." + (f" Try: {self.remedy}." if self.remedy else "")


# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
TOLD = (
    _Told(
        frozenset({"403", "AccessDenied", "AllAccessDisabled", "Forbidden"}),
        403,
        "S3 does not allow this here",
        "ask for access",
    ),
    _Told(
        CREDENTIALS,
        403,
        "S3 does not accept this server's credentials",
        "again; they are reloaded",
    ),
    _Told(
        frozenset({"NoSuchBucket"}),
        503,
        "the bucket of this folder is missing",
        "ask who runs it",
    ),
    _Told(BUSY, 503, "S3 is too busy to answer", "again in a moment"),
    _Told(RATE, 503, "S3 gets more requests than it takes here", "again in a moment"),
    _Told(ACCOUNT_LIMIT, 503, "the account's limit of requests is reached", "again in a moment"),
    _Told(KMS_RATE, 503, "the key service (KMS) is too busy to encrypt this", "again in a moment"),
    _Told(SLOW_BODY, 503, "S3 did not receive all of it in time", "again in a moment"),
    _Told(
        frozenset(
            {"KMS.DisabledException", "KMS.KMSInvalidStateException", "KMS.NotFoundException"}
        ),
        403,
        "the key that encrypts this can't be used",
        "ask who runs the bucket",
    ),
    _Told(RACE, 409, "somebody else changes it right now", "again in a moment"),
    _Told(
        frozenset({"507", "InsufficientStorage", "QuotaExceeded", "XMinioStorageFull"}),
        507,
        "the store is full",
        "ask who runs it",
    ),
    _Told(
        frozenset({"InvalidObjectState", "ObjectNotInActiveTierError"}),
        403,
        "is archived",
        "have it restored in S3 first",
    ),
    _Told(frozenset({"KeyTooLongError", "414"}), 400, "has a name that is too long for S3"),
    _Told(
        frozenset({"RequestTimeTooSkewed"}),
        503,
        "this server's clock differs from S3's",
        "ask who runs it to set it",
    ),
    _Told(frozenset({"416", "InvalidRange"}), 416, "has no such range"),
    _Told(frozenset({"EntityTooLarge"}), 413, "is too large for S3 to do this in one step"),
)


class ContentsError(HTTPError):
    """An HTTP error whose sentence reaches the browser as it is, percent signs included.

    `cause` is its beginning where more follows: what happened, without what came of it.
    """

    def __init__(self, status: int, sentence: str, cause: str = "") -> None:
        self.cause = cause or sentence
        super().__init__(status, sentence)
        # Tornado before 6.5 keeps it here with its percent signs doubled.
        self._sentence = sentence

    @property
    def log_message(self) -> str | None:
        """The sentence (tornado's own doubles every percent sign in it)."""
        return self._sentence

    @log_message.setter
    def log_message(self, value: str | None) -> None:
        self._sentence = value or ""


class Unconfirmed(ContentsError):
    """A change that was sent and not clearly refused: it may have landed."""


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


def ambiguous(path: str) -> ContentsError:
    """409: S3 has an object and a folder of this name, and the request doesn't say which."""
    return ContentsError(
        409,
        f"{path}: is a file and a folder in S3, and nothing was changed. "
        "Try: rename one of them with another program.",
    )


def reserved(path: str) -> ContentsError:
    """400: Jupyter's addresses of the checkpoints of a file, and of its trust, end so."""
    return ContentsError(
        400,
        f"{path}: can't be opened or made under this name, which Jupyter's own addresses have. "
        "Try: another name.",
    )


def no_credentials(path: str, cause: str) -> ContentsError:
    """503: this server has nothing to sign a request with; nothing was sent."""
    return Unreachable(503, f"{path}: {cause}. Try: ask who runs this server.", f"{path}: {cause}.")


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


def unconfirmed(status: int, path: str, cause: str) -> Unconfirmed:
    """503 or 504: what was asked for may have been done; `cause` is what happened."""
    what = current() or "change"
    return Unconfirmed(
        status,
        f"{path}: {cause}, so the {what} is not confirmed. Try: {REMEDIES.get(what, 'again')}.",
        f"{path}: {cause}.",
    )


def timed_out(path: str, seconds: float, *, writing: bool) -> ContentsError:
    """504: no answer in time; for a write, that it is not confirmed."""
    cause = f"S3 did not answer within {seconds:.0f} s"
    if writing:
        return unconfirmed(504, path, cause)
    return ContentsError(504, f"{path}: {cause}. Try: again later.", f"{path}: {cause}.")


def too_many(path: str, count: int, seconds: float) -> ContentsError:
    """413: a folder with more objects than can be listed to change them all."""
    cause = f"has more objects than S3 lists within {seconds:.0f} s ({count:,} so far)"
    again = "Try: what is in its folders one by one, or a program for S3."
    return ContentsError(413, f"{path}: {cause}. {again}", f"{path}: {cause}.")


def unreachable(path: str, *, writing: bool = False) -> ContentsError:
    """503: no connection, or one that broke."""
    said = "could not be reached, and nothing was changed" if writing else "could not be reached"
    if writing and current() == "save":
        said = "could not be reached, and nothing was saved"
    return Unreachable(
        503,
        f"{path}: S3 {said}. Try: again in a moment.",
        f"{path}: S3 could not be reached.",
    )


def connection_lost(path: str) -> ContentsError:
    """503: the connection broke after a write was sent."""
    return unconfirmed(503, path, "the connection to S3 broke")


def not_an_answer(path: str, *, writing: bool = False) -> ContentsError:
    """502: something answered that is not S3: a proxy, a sign-in page, a load balancer."""
    cause = "what answered is not S3"
    if writing:
        return unconfirmed(502, path, cause)
    return ContentsError(
        502, f"{path}: {cause}. Try: ask who runs it whether a proxy is in between."
    )


def breaker_open(path: str, seconds: float) -> ContentsError:
    """503: the circuit breaker is open."""
    return Unreachable(
        503,
        f"{path}: S3 did not answer just now; it is asked again in {max(1, round(seconds))} s. "
        "Try: again then.",
        f"{path}: S3 did not answer just now.",
    )


def error_code(error: Exception) -> str:
    """S3's error code in a botocore ClientError (`NoSuchKey`, `412`), else an empty text."""
    response: Any = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def is_refusal(error: Exception) -> bool:
    """Did S3 itself refuse, so that nothing was done? A 4xx with S3's own name for the reason.

    Whatever else is answered (5xx, a load balancer's page, an error in a 200) leaves it open.
    """
    response: Any = getattr(error, "response", None)
    if not isinstance(response, dict):
        return False
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = error_code(error)
    return 400 <= status < 500 and ((bool(code) and not code.isdigit()) or status == 412)


def from_client_error(error: Exception, path: str, *, writing: bool = False) -> ContentsError:
    """The neutral sentence for what S3 answered; for a write, whether it is in doubt."""
    code = error_code(error)
    if code in MISSING:
        return not_found(path)
    if code in CONFLICT:
        return version_conflict(path)
    for told in TOLD:
        if code in told.codes:
            if writing and code in BUSY | THROTTLED and not is_refusal(error):
                return unconfirmed(told.status, path, told.cause)
            return ContentsError(told.status, told.sentence(path), f"{path}: {told.cause}.")
    if writing and not is_refusal(error):
        return unconfirmed(502, path, "S3 gave an answer that was not expected")
    return ContentsError(502, f"{path}: S3 gave an answer that was not expected. Try: again later.")
