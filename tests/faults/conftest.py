"""The fault matrix: which test injects which row in which mode, and the page that tells of it.

`@pytest.mark.row(N)` names the row of `matrix.toml`; the mode is that of the test's parameter
`mode`, else of `pytest.mark.mode(NAME)`. `--row N` and `--mode M` select.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.faults.clusters import KindPlatform, platform_in_kind
from tests.faults.matrix import Matrix, Recovery
from tests.faults.parts import Platform
from tests.scratch import Scratch, must_be_able_to_run, scratch_checkout

MATRIX = pytest.StashKey[Matrix]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """What selects rows and modes."""
    group = parser.getgroup("faults", "rows of the fault matrix")
    group.addoption("--row", type=int, action="append", default=[], help="a row; repeatable")
    group.addoption("--mode", default="", help="a mode, or all")
    group.addoption("--all", action="store_true", help="also those with clusters of their own")


def pytest_configure(config: pytest.Config) -> None:
    """Collect what becomes of the rows."""
    config.addinivalue_line("markers", "row(number): a row of the fault matrix (matrix.toml)")
    config.addinivalue_line("markers", "mode(name): the mode that a test is about")
    config.addinivalue_line("markers", "long: takes a minute or more, so --all alone")
    matrix = Matrix(config)
    config.stash[MATRIX] = matrix
    config.pluginmanager.register(matrix, "habari-fault-matrix")


@pytest.fixture(scope="session")
def platform_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Platform]]:
    """Gives the platform of a mode, brought up when first asked for, down at the very end.

    Its S3 is moto, which is not what is tested. All that ask share it and leave it up and whole.
    """
    with ExitStack() as leaving:
        made: dict[str, Platform] = {}

        def platform(mode: str) -> Platform:
            must_be_able_to_run(mode)
            if mode not in made:
                folder = tmp_path_factory.mktemp(f"shared-{mode}")
                scratch = leaving.enter_context(scratch_checkout(folder))
                scratch.settings |= {"HABARI_S3_BACKEND": "moto", "HABARI_MODE": mode}
                look_often(scratch)
                scratch.good("up")
                leaving.callback(scratch.good, "down")
                made[mode] = Platform(scratch, mode)
            return made[mode]

        yield platform


def look_often(scratch: Scratch) -> None:
    """Have the engine look every 3 s at how containers are: tests wait until it sees them well."""
    for file in (scratch.root / "compose").glob("*.yml"):
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace("interval: 15s", "interval: 3s"), encoding="utf-8")


LONG = (pytest.mark.long, pytest.mark.timeout(400))  # a cluster may have to come up first


@pytest.fixture(scope="module", params=["process", "hub", pytest.param("kind", marks=LONG)])
def mode(request: pytest.FixtureRequest) -> str:
    """The modes in which parts can be broken."""
    return str(request.param)


@pytest.fixture(scope="module")
def platform(request: pytest.FixtureRequest, mode: str) -> Platform:
    """The platform, up in a mode, as its settings have it."""
    shared: Platform
    if mode == "kind":
        shared = request.getfixturevalue("in_kind")
    else:
        shared = request.getfixturevalue("platform_of")(mode)
    shared.recover()
    return shared


@pytest.fixture(scope="session")
def in_kind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KindPlatform]:
    """The platform, up in kind: one cluster for all tests that need no other, as it costs most."""
    must_be_able_to_run("kind")
    with (
        scratch_checkout(tmp_path_factory.mktemp("kind")) as scratch,
        platform_in_kind(scratch) as up,
    ):
        yield up


@pytest.fixture
def recovery(request: pytest.FixtureRequest) -> Recovery:
    """Measures, for the page, how long people wait from the repair until all works."""

    @contextmanager
    def measured() -> Iterator[None]:
        began = time.monotonic()
        yield
        request.node.user_properties.append(("recovered", time.monotonic() - began))

    return measured
