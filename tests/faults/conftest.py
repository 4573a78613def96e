"""The fault matrix: which test injects which row in which mode, and the page that tells of it.

`@pytest.mark.row(N)` names the row of `matrix.toml`; the mode is that of the test's parameter
`mode`, else of `pytest.mark.mode(NAME)`. `--row N` and `--mode M` select.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.faults.matrix import Matrix, Recovery
from tests.faults.parts import Platform
from tests.scratch import Scratch, must_be_able_to_run

MATRIX = pytest.StashKey[Matrix]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """What selects rows and modes."""
    group = parser.getgroup("faults", "rows of the fault matrix")
    group.addoption("--row", type=int, action="append", default=[], help="a row; repeatable")
    group.addoption("--mode", default="", help="a mode, or all")


def pytest_configure(config: pytest.Config) -> None:
    """Collect what becomes of the rows."""
    config.addinivalue_line("markers", "row(number): a row of the fault matrix (matrix.toml)")
    config.addinivalue_line("markers", "mode(name): the mode that a test is about")
    matrix = Matrix(config)
    config.stash[MATRIX] = matrix
    config.pluginmanager.register(matrix, "habari-fault-matrix")


@pytest.fixture(scope="module", params=["process", "hub"])
def mode(request: pytest.FixtureRequest) -> str:
    """The modes in which parts can be broken."""
    return str(request.param)


@pytest.fixture(scope="module")
def platform(shared: Scratch, mode: str) -> Iterator[Platform]:
    """The platform, up in a mode; its S3 is moto, which is not what is tested."""
    must_be_able_to_run(mode)
    shared.settings["HABARI_S3_BACKEND"] = "moto"
    shared.good("up", "--mode", mode)
    yield Platform(shared, mode)
    shared.good("down")


@pytest.fixture
def recovery(request: pytest.FixtureRequest) -> Recovery:
    """Measures, for the page, how long people wait from the mending until all works."""

    @contextmanager
    def measured() -> Iterator[None]:
        began = time.monotonic()
        yield
        request.node.user_properties.append(("recovered", time.monotonic() - began))

    return measured
