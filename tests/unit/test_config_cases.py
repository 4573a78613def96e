"""`config check` gives values files the verdict that they deserve, by rules and schema alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from habari_local.helm_values.chart import Chart, open_chart
from habari_local.helm_values.validate import validate
from tests.values_cases import ROOT, Case, cases

DOUBLE = open_chart(ROOT / "tests" / "fixtures" / "chart")
# What is not right yet, and why. Whoever makes one right takes it out: it fails here then.
NOT_RIGHT: dict[str, str] = {}


def verdict(case: Case, folder: Path, chart: Chart | None) -> str:
    path = folder / "config.yaml"
    path.write_text(case.text(), encoding="utf-8")
    found = validate([path], ROOT, chart, folder)
    if any(not each.warning for each in found):
        return "refuse"
    return "warn" if found else "accept"


def judged(case: Case, folder: Path, chart: Chart | None) -> None:
    found = verdict(case, folder, chart)
    right = found in case.verdict.split(" or ") or (case.verdict, found) == ("accept", "warn")
    assert right is (case.name not in NOT_RIGHT), f"{found}; {NOT_RIGHT.get(case.name, '')}"


@pytest.mark.parametrize("case", cases("values"), ids=lambda each: each.name)
def test_a_change_of_good_values_is_judged_rightly(case: Case, tmp_path: Path) -> None:
    judged(case, tmp_path, DOUBLE)


@pytest.mark.parametrize("case", cases("public"), ids=lambda each: each.name)
def test_what_public_files_do_is_judged_rightly(case: Case, tmp_path: Path) -> None:
    """Without a chart: the double knows few of the chart's names."""
    judged(case, tmp_path, None)


def test_good_values_have_no_warning(tmp_path: Path) -> None:
    assert verdict(Case("good", "accept", {}), tmp_path, DOUBLE) == "accept"
