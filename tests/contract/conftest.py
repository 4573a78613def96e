"""The cluster of others, made once for all tests that work in one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.foreign import Foreign, foreign


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foreign]:
    with foreign(tmp_path_factory.mktemp("foreign")) as made:
        yield made
