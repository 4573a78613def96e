"""The table of known problems: each row finds its own example, and its link leads somewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from habari_local.diagnostics.known import Problem, matching, problems

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("problem", problems(), ids=lambda each: each.id)
def test_a_row_finds_its_example_and_no_other_does(problem: Problem) -> None:
    assert matching([problem.example]) == tuple(p for p in problems() if p.id == problem.id)
    if "://" not in problem.link:
        assert (ROOT / problem.link.partition("#")[0]).is_file()
