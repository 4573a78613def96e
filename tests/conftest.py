"""Fixtures of the contract and fault tests: checkouts of their own."""

from __future__ import annotations

import signal
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.scratch import Scratch, scratch_checkout


def pytest_configure() -> None:
    """Let Ctrl-C reach what tests start: who runs in the background inherits that it is ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to a test that failed what its platform's services logged last: soon they are gone."""
    report = yield
    if report.failed and report.when != "teardown":
        found = getattr(item, "funcargs", {}).values()
        for scratch in {id(each): each for each in map(_scratch_of, found) if each}.values():
            lines = scratch.call("logs", "--since", "2m", "-n", "40")
            report.sections.append((f"logs of {scratch.root}", lines.stdout + lines.stderr))
    return report


def _scratch_of(value: Any) -> Scratch | None:
    """The scratch checkout that a fixture's value is, has, or has as its second part."""
    if isinstance(value, tuple) and len(value) == 2:
        value = value[1]
    found = getattr(value, "scratch", value)
    return found if isinstance(found, Scratch) else None


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
