"""The table of known problems: each row finds its own example, and its link leads somewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from habari_local.diagnosis.diagnosis import KnownIssue, known_issues, matching

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("issue", known_issues(), ids=lambda each: each.id)
def test_a_row_finds_its_example_and_no_other_does(issue: KnownIssue) -> None:
    assert matching([issue.example]) == tuple(p for p in known_issues() if p.id == issue.id)
    if "://" not in issue.link:
        assert (ROOT / issue.link.partition("#")[0]).is_file()
