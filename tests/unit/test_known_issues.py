"""The table of known problems: each row finds its own example, and its link leads somewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from habari_local.diagnosis.known_issues import KnownIssue, known_issues, matching

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("problem", known_issues(), ids=lambda each: each.id)
def test_a_row_finds_its_example_and_no_other_does(problem: KnownIssue) -> None:
    assert matching([problem.example]) == tuple(p for p in known_issues() if p.id == problem.id)
    if "://" not in problem.link:
        assert (ROOT / problem.link.partition("#")[0]).is_file()
