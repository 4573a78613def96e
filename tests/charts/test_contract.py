"""The double is what Habari relies on; so is the real chart, where HABARI_CHART names it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from habari_local.helm_values.chart import Chart, open_chart
from habari_local.helm_values.schema import messages
from habari_local.helm_values.values import at
from tests.charts.extract import relied_on
from tests.charts.rendering import CONTRACT, DOUBLE, VALUES, charts, in_a_hub, render


def title(chart: Chart) -> str:
    return chart.name


@pytest.mark.parametrize("chart", charts(), ids=title)
def test_a_chart_keeps_the_contract(chart: Chart, tmp_path: Path) -> None:
    rendered = render(chart, VALUES)
    found = relied_on(rendered, in_a_hub(rendered, tmp_path))
    expected = YAML(typ="safe").load(CONTRACT.read_text(encoding="utf-8"))
    assert json.dumps(found, indent=1, sort_keys=True) == json.dumps(
        expected, indent=1, sort_keys=True
    )


@pytest.mark.parametrize("chart", charts(), ids=title)
def test_a_chart_takes_production_and_the_overlay(chart: Chart) -> None:
    assert messages(chart, VALUES) == []


@pytest.mark.parametrize("chart", charts(), ids=title)
def test_a_chart_refuses_what_is_misspelt(chart: Chart, tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    path.write_text("hub: {confg: {}}\nsingleuser:\n  memory: {limt: 1G}\nprxy: {}\n")
    told = messages(chart, [path], tmp_path)
    assert [each.rpartition(": ")[0] for each in told] == [
        "values.yaml:1: hub.confg", "values.yaml:3: singleuser.memory.limt", "values.yaml:4: prxy"
    ]  # fmt: skip


@pytest.mark.parametrize("chart", charts(), ids=title)
def test_another_token_restarts_the_proxy_and_nothing_else_of_the_hub_does(
    chart: Chart, tmp_path: Path
) -> None:
    def template(name: str, config: dict[str, Any]) -> Any:
        path = tmp_path / f"{name}.yaml"
        path.write_text(json.dumps({"hub": {"config": config}}), encoding="utf-8")
        return render(chart, [*VALUES, path])["Deployment/proxy"]["spec"]["template"]

    before = template("before", {})
    assert template("hub", {"JupyterHub": {"active_server_limit": 7}}) == before
    assert template("token", {"ConfigurableHTTPProxy": {"auth_token": "other"}}) != before


def test_the_double_never_passes_for_the_real_one() -> None:
    double = open_chart(DOUBLE)
    assert double.title == "habari-double 0.1.0"
    assert "jupyterhub" not in double.name


@pytest.mark.skipif(len(charts()) == 1, reason="HABARI_CHART names no real chart")
def test_the_doubles_values_are_the_real_ones() -> None:
    """Every name of the double is one of the real chart, with the same default but for images."""
    double, real = open_chart(DOUBLE).defaults(), charts()[1].defaults()

    def compare(value: Any, place: tuple[str, ...]) -> None:
        if place[-1:] == ("image",):
            return
        if isinstance(value, dict) and value:
            for name, each in value.items():
                compare(each, (*place, name))
            return
        assert at(real, place, "absent") == value, place

    compare(double, ())
