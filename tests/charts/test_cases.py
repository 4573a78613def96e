"""`config check` with evaluation gives deployments the verdict that they deserve.

A sample of the cases here; all of them, on the chart of HABARI_CHART, in `nox -s soak`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from habari_local.core.paths import Checkout
from habari_local.helm_values.chart import Chart, open_chart
from habari_local.helm_values.evaluate import Evaluator
from habari_local.helm_values.validate import validate
from tests.charts.rendering import DOUBLE, ROOT
from tests.programs import with_helm
from tests.values_cases import Case, cases

GIVEN = os.environ.get("HABARI_CHART", "")
REAL = bool(GIVEN) and (ROOT / GIVEN).resolve() != DOUBLE
EVERY = 1 if os.environ.get("TESTS_CASES") == "all" else 48
SETS: tuple[str, ...] = ("deployments", "deployments-later")
SETS += ("schema-walk", "schema-walk-later", "schema-walk-last", "what-users-keep")
SETS += ("what-has-to-run",)
FOUND = [each for name in SETS for each in cases(name)]
JUDGED = [each for each in FOUND if REAL or not each.real_only]


@pytest.fixture(scope="module")
def chart() -> Chart:
    return open_chart(ROOT / GIVEN if REAL else DOUBLE)


@pytest.fixture(scope="module")
def evaluator(chart: Chart) -> Iterator[Evaluator]:
    found = Evaluator(chart, with_helm(), ROOT, Checkout(ROOT).environments)
    found.prepare()
    with found:
        yield found


@pytest.mark.parametrize("case", JUDGED[::EVERY], ids=lambda each: each.name)
def test_a_deployment_is_judged_rightly(
    case: Case, chart: Chart, evaluator: Evaluator, tmp_path: Path
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(case.text(), encoding="utf-8")
    found = validate([path], ROOT, chart, tmp_path, evaluator)
    refused = any(not each.warning for each in found)
    if case.verdict == "warn or refuse":
        assert found
    else:
        assert refused is (case.verdict == "refuse"), found
