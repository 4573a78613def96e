"""The fault matrix has no gap without a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.conftest import MATRIX
from tests.faults.matrix import HERE, WHOLE, drawn, rows


def test_each_row_has_for_each_mode_a_test_or_a_reason(request: pytest.FixtureRequest) -> None:
    collected = request.config.stash[MATRIX].collected
    files = {Path(name.partition("::")[0]).name for name in collected}
    if files != {path.name for path in HERE.glob("test_*.py")} or "::" in str(request.config.args):
        pytest.skip("only some of the matrix were asked for")
    tested = {(row, mode) for numbers, mode in collected.values() for row in numbers}
    assert {row for row, _ in tested} == set(rows())
    reasons = {(row, mode) for row, about in rows().items() for mode in WHOLE if mode in about}
    everything = {(row, mode) for row in rows() for mode in WHOLE}
    assert everything - tested - reasons == set()
    assert tested & reasons == set(), "a reason not to test it, and a test"


def test_the_page_shows_each_row() -> None:
    page = drawn({})
    assert all(f"<strong>{number}. " in page for number in rows())
