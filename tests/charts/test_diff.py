"""`habari-local diff` with the real helm: what is rendered differs because of which value."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from habari_local.commands.diff import diff
from habari_local.core.errors import CommandFailed, HabariError
from habari_local.helm_values.chart import Chart, open_chart
from habari_local.helm_values.rendered_diff import rendered_changes
from habari_local.helm_values.report import Report, as_data, as_lines, compare, render_html
from habari_local.helm_values.values import dotted
from tests.charts.rendering import DOUBLE, ROOT, SAMPLE, charts
from tests.programs import with_helm

PRODUCTION, OVERLAY = ROOT / "config.dist.yaml", ROOT / "kind" / "values.yaml"
SECRETS = ("the-proxys-token", "the-suites-token", "00ff00ff", "11ff00ff")


def title(chart: Chart) -> str:
    return chart.name


def caused(report: Report) -> dict[str, list[str]]:
    return {
        f"{each.thing} {dotted(each.change.place)}".strip(): [dotted(c.place) for c in each.causes]
        for each in report.manifests
    }


@pytest.fixture(scope="module", params=charts(), ids=title)
def sample(request: pytest.FixtureRequest) -> Report:
    """Of a chart: production against the overlay and what the tool would render."""
    return compare(request.param, PRODUCTION, [OVERLAY, SAMPLE], ROOT, with_helm())


def test_each_difference_of_the_manifests_has_its_cause(sample: Report) -> None:
    by = caused(sample)
    assert by["Service/proxy-public spec.type"] == ["proxy.service.type"]
    assert by["Service/proxy-public spec.ports.http.nodePort"] == ["proxy.service.nodePorts.http"]
    assert by["Ingress/jupyterhub"] == ["ingress.enabled"]
    assert by["Deployment/hub spec.template.spec.containers.hub.image"] == [
        "hub.image.name",
        "hub.image.tag",
    ]
    egress = next(place for place in by if place.startswith("NetworkPolicy/singleuser spec.egress"))
    assert by[egress] == ["singleuser.networkPolicy.egress"]
    assert all(by.values()), "a difference that nothing causes"


@pytest.mark.parametrize("chart", charts(), ids=title)
def test_what_is_made_at_random_is_no_difference(chart: Chart) -> None:
    assert rendered_changes(chart, {}, [], with_helm()) == []


def test_signs_beyond_the_first_plane_can_be_rendered() -> None:
    values = {"hub": {"annotations": {"course": "\U0001f680"}}}
    assert rendered_changes(open_chart(DOUBLE), values, [], with_helm()) == []


def test_values_that_can_only_be_rendered_together_cause_together(tmp_path: Path) -> None:
    chart = tmp_path / "small"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("{apiVersion: v2, name: small, version: 1.0.0}")
    (chart / "values.yaml").write_text("{a: false, b: false, c: 1}")
    (chart / "values.schema.json").write_text('{"type": "object"}')
    refused = '{{ if and .Values.a (not .Values.b) }}{{ fail "a alone" }}{{ end }}'
    told = 'data: {a: "{{ .Values.a }}", c: "{{ .Values.c }}"}'
    text = f"{refused}\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: it}}\n{told}\n"
    (chart / "templates" / "it.yaml").write_text(text)
    production, overlay = tmp_path / "production.yaml", tmp_path / "overlay.yaml"
    production.write_text("{}")
    overlay.write_text("{a: true, b: true, c: 2}  # Why.\n")
    report = compare(open_chart(chart), production, [overlay], tmp_path, with_helm())
    assert caused(report) == {"ConfigMap/it data.a": ["a", "b"], "ConfigMap/it data.c": ["c"]}
    overlay.write_text("{a: true}  # Why.\n")
    with pytest.raises(CommandFailed, match="helm: ended"):
        compare(open_chart(chart), production, [overlay], tmp_path, with_helm())


def test_no_report_has_a_secret_in_it(sample: Report) -> None:
    told = [json.dumps(as_data(sample)), "\n".join(as_lines(sample)), render_html(sample)]
    for text in told:
        assert "proxy.service.type" in text
        assert not [each for each in SECRETS if each in text]


def test_what_has_no_reason_is_named(sample: Report) -> None:
    missing = as_data(sample)["without_reason"]
    assert "hub.image.tag" in missing
    assert "proxy.service.type" not in missing
    assert "NO REASON IS GIVEN  [tests/charts/values.yaml:" in "\n".join(as_lines(sample))


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", with_helm()["PATH"])
    monkeypatch.setenv("HABARI_CHART", os.environ.get("HABARI_CHART") or str(DOUBLE))


@pytest.mark.usefixtures("command")
def test_every_value_of_our_overlay_differs_for_a_reason(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.yaml"  # instead of what an earlier `up` rendered in this checkout
    nothing.write_text("{}\n")
    result = diff(values=[nothing], html=tmp_path / "diff.html")
    assert result.code == 0
    assert result.data["without_reason"] == []
    assert {each["where"].partition(":")[0] for each in result.data["values"]} == {
        "kind/values.yaml"
    }
    written = (tmp_path / "diff.html").read_text(encoding="utf-8")
    assert "S3 is a pod in the cluster" in written


@pytest.mark.usefixtures("command")
def test_a_value_without_a_reason_fails(tmp_path: Path) -> None:
    more = tmp_path / "more.yaml"
    more.write_text("hub:\n  config:\n    JupyterHub:\n      template_vars: {a: <b>&}\n")
    result = diff(values=[more], html=tmp_path / "diff.html")
    assert result.code == 1
    assert result.data["without_reason"] == ["hub.config.JupyterHub.template_vars"]
    assert "&lt;b&gt;&amp;" in (tmp_path / "diff.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("command")
def test_values_that_the_chart_refuses_are_all_told(tmp_path: Path) -> None:
    more = tmp_path / "more.yaml"
    more.write_text("hubb: {}\nprxy: {}\n")
    with pytest.raises(HabariError, match="2 problems found"):
        diff(values=[more])
