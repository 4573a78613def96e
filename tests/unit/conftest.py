"""What the unit tests share."""

from __future__ import annotations

import atexit
import os
import sys

import pytest

OUTCOME = pytest.StashKey[int]()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Keep the outcome for the very end."""
    session.config.stash[OUTCOME] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """End with the outcome, all reported and tidied, without taking the interpreter apart.

    With the native code of all that these tests load, that aborted now and then after all had
    passed, in no frame of Python (greenlet, watchfiles' Rust; not known which).
    """
    if OUTCOME in config.stash:
        atexit._run_exitfuncs()  # pytest's own remove its folders
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash[OUTCOME])
