"""What a request to the contents API is for: sentences name it, and changes have their own breaker.

It is set once where the request comes in; the S3 calls that it takes, in tasks of their own too,
find it in their context.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# What a user who reads that it is not confirmed can do.
REMEDIES = {
    "save": "save again",
    "move": "look at both folders, and move it again",
    "copy": "look at the folder, and copy it again",
    "deletion": "look at the folder, and delete it again",
    "checkpoint": "again",
    "new folder": "look at the folder, and make it again",
}
_current: ContextVar[str] = ContextVar("habari_contents_operation", default="")


@contextmanager
def changing(what: str) -> Iterator[None]:
    """Within it, S3 is asked for a change: one of REMEDIES. The outermost counts."""
    token = _current.set(_current.get() or what)
    try:
        yield
    finally:
        _current.reset(token)


def current() -> str:
    """The change that is under way, an empty text while something is only read."""
    return _current.get()
