"""Fixtures of the contract and fault tests: checkouts of their own."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scratch import Scratch, scratch_checkout


def pytest_configure() -> None:
    """Let Ctrl-C reach what tests start: who runs in the background inherits that it is ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Scratch]:
    """A fresh checkout, nothing running in it; whatever a test starts there is stopped."""
    with scratch_checkout(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scratch]:
    """One checkout for a module's tests, for those that leave it as they found it."""
    with scratch_checkout(tmp_path_factory.mktemp("shared")) as made:
        yield made
