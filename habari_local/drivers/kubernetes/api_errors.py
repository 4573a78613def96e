"""What the API server said instead of an answer: a refusal, an overload, silence.

An error is never "nothing there": only 404 for a single object means that. Status codes:
https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from habari_local.core.errors import FAILED, NOT_READY, HabariError, pasteable

# What may be over a moment later: asked again, it may answer.
TRANSIENT = {408, 425, 429, 500, 502, 503, 504}
WORDS = {
    401: "the credentials are missing, wrong or expired",
    403: "this account may not do that",
    404: "it is not there",
    409: "somebody else changed it at the same time",
    410: "what was asked for is too old",
    422: "it was refused as invalid",
    429: "it has too many requests",
}


class ApiError(HabariError):
    """The API server did not do what it was asked.

    `status` is HTTP's, 0 where there was no answer; `transient` says whether asking again may help.
    """

    def __init__(
        self, said: str, hint: str, status: int, *, transient: bool, details: str = ""
    ) -> None:
        code = NOT_READY if transient else FAILED
        super().__init__(f"Kubernetes: {said}.", hint, code, [details] if details else ())
        self.said = said
        self.status = status
        self.transient = transient


@contextmanager
def translate_errors(kubeconfig: Path, context: str) -> Iterator[None]:
    """Turn what the client and its transport raise into an `ApiError`.

    Raises:
        ApiError: the API server refused, or gave no answer that is one.
    """
    from kubernetes.client.exceptions import ApiException, ApiTypeError, ApiValueError
    from kubernetes.config import ConfigException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ApiException as error:
        raise _refused(error, kubeconfig, context) from error
    except ConfigException as error:
        hint = pasteable("kubectl", "config", "view", "--kubeconfig", kubeconfig)
        raise ApiError(f"{context}: {error}", hint, 0, transient=False) from error
    except (HTTPError, OSError) as error:
        raise _silent(error, kubeconfig, context) from error
    except (ApiTypeError, ApiValueError, ValueError, AttributeError) as error:
        # A page of a proxy or of a captive portal, told as success.
        said = f"{context} answered something that is no object of Kubernetes"
        raise ApiError(said, _look(kubeconfig, context), 200, transient=False) from error


def _refused(error: object, kubeconfig: Path, context: str) -> ApiError:
    status, reason = int(getattr(error, "status", 0) or 0), str(getattr(error, "reason", "") or "")
    if not status:  # the client's own wrapping of a broken connection
        return _silent(error, kubeconfig, context)
    words = WORDS.get(status, "the API server failed" if status >= 500 else "")
    said = f"{context} answered {status} {reason}".rstrip() + (f", {words}" if words else "")
    # The whole answer to a change may repeat what was sent: a secret.
    details = _message(getattr(error, "body", "")) if status in (401, 403) else ""
    hint = _look(kubeconfig, context)
    if status == 403:
        hint = _kubectl(kubeconfig, context, "auth", "can-i", "--list")
    return ApiError(said, hint, status, transient=status in TRANSIENT, details=details)


def _silent(error: object, kubeconfig: Path, context: str) -> ApiError:
    cause = _cause(error)
    # By their text too: urllib3 wraps a failed handshake with a proxy in an error of its own.
    untrusted = isinstance(cause, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY" in str(
        cause
    )
    if untrusted:
        said = f"the certificate of {context} is not trusted ({_short(cause)})"
    elif isinstance(cause, ssl.SSLError):
        said = f"TLS with {context} failed ({_short(cause)})"
    elif "proxy" in type(error).__name__.lower() or "proxy" in str(error).lower():
        said = f"the proxy on the way to {context} did not let us through ({_short(cause)})"
    elif "timeout" in type(cause).__name__.lower() or isinstance(cause, TimeoutError):
        said = f"{context} did not answer in time"
    else:
        said = f"{context} did not answer ({_short(cause)})"
    return ApiError(said, _look(kubeconfig, context), 0, transient=not untrusted)


def _cause(error: object) -> object:
    """Return the innermost reason: urllib3 keeps it in `reason`, or as an argument."""
    for _ in range(8):
        inner = getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            arguments = getattr(error, "args", ())
            inner = next((each for each in arguments if isinstance(each, BaseException)), None)
        if inner is None:
            inner = getattr(error, "__cause__", None)
        if inner is None:
            return error
        error = inner
    return error


def _short(cause: object) -> str:
    said = str(getattr(cause, "strerror", "") or getattr(cause, "verify_message", "") or "")
    return said or type(cause).__name__


def _message(body: object) -> str:
    """Return what the API server says of a refusal; "" where it is not its own Status."""
    try:
        found = json.loads(str(body))
    except ValueError:
        return ""
    return str(found.get("message", "")) if isinstance(found, dict) else ""


def _look(kubeconfig: Path, context: str) -> str:
    return _kubectl(kubeconfig, context, "get", "--raw", "/readyz")


def _kubectl(kubeconfig: Path, context: str, *words: str) -> str:
    return pasteable("kubectl", "--kubeconfig", kubeconfig, "--context", context, *words)
