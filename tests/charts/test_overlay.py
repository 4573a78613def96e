"""Production's values judged while mode kind comes up: as they are, and with the overlay."""

from __future__ import annotations

import json
import shutil
import stat
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from habari_local.config.render import helm as render
from habari_local.config.secrets import load_secrets
from habari_local.config.settings import Settings
from habari_local.core.errors import USAGE, Cancelled, HabariError
from habari_local.core.paths import Checkout
from habari_local.helm_values.chart import Chart
from habari_local.helm_values.evaluate import NotEvaluated
from habari_local.helm_values.init_values import fill_values
from habari_local.modes.kind import production
from habari_local.modes.kind.platform import KindPlatform
from habari_local.platform.mode import UNCHANGED, Context
from tests.charts.rendering import ROOT, charts
from tests.charts.test_evaluation import ANSWERS
from tests.programs import with_helm

IMAGES = {"hub": "localhost:5001/habari-hub:1a", "proxy": "localhost:5001/habari-proxy:1b"}
IMAGES |= {"notebook": "localhost:5001/habari-notebook:1c"}
SERVER = {"AWS_ENDPOINT_URL": "http://s3:4566", "HABARI_LAKE_BUCKET": "habari-lake"}


@pytest.fixture(scope="module", params=charts(), ids=lambda each: each.name)
def chart(request: pytest.FixtureRequest) -> Chart:
    found: Chart = request.param
    return found


@pytest.fixture
def platform(chart: Chart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KindPlatform:
    """Mode kind of a checkout whose config.yaml is filled in, with the values that `up` writes."""
    environ = with_helm()
    monkeypatch.setattr(KindPlatform, "environ", environ)
    for name in ("hub", "jupyter", "kind"):
        shutil.copytree(
            ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("tests", "node")
        )
    dist = (ROOT / "config.dist.yaml").read_text(encoding="utf-8")
    (tmp_path / "config.yaml").write_text(fill_values(dist, ANSWERS), encoding="utf-8")
    checkout = Checkout(tmp_path)
    settings = Settings(chart=str(chart.path))
    ctx = Context(checkout, settings, load_secrets(checkout.state), environ)
    code = (ROOT / "hub" / "habari_hub" / "local_addresses.py").read_text(encoding="utf-8")
    found = render.values(settings, ctx.secrets, IMAGES, SERVER, 4321, render.HubFiles(code, "1d"))
    (checkout.of_mode("kind") / "values.yaml").write_text(render.as_yaml(found), encoding="utf-8")
    return KindPlatform(ctx)


def judged(platform: KindPlatform) -> tuple[str, list[str]]:
    """What the step says, and what it notes for the end of `up`."""
    notes: list[str] = []
    said = production.judged(platform, (), notes.append).action(platform.ctx, lambda _: None)
    return said, notes


def change(platform: KindPlatform, old: str, new: str) -> None:
    file = platform.ctx.checkout.root / "config.yaml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_good_values_are_good_with_the_overlay_too_and_are_judged_once(
    platform: KindPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert judged(platform) == ("no problems found", [])
    monkeypatch.setattr(production, "_judge", None)
    assert judged(platform) == (UNCHANGED, [])


def test_what_the_overlay_replaces_is_noted_each_time_and_stops_nothing(
    platform: KindPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(platform, "    limit: 2G\n", "    limit: 2Gi\n")
    change(platform, "tag: 2026.11.1", "tag: latest")
    said, notes = judged(platform)
    assert said == "2 problems found"
    (note,) = notes
    head, image, memory, hint = note.splitlines()
    assert head == "production's values: 2 problems found, which the overlay hides here"
    assert image.startswith("- config.yaml:")
    assert "singleuser.image" in image
    assert "singleuser.memory.limit: " in memory
    assert hint == "Try: habari-local config check"
    monkeypatch.setattr(production, "_judge", None)
    assert judged(platform) == (UNCHANGED, notes)
    assert (
        stat.S_IMODE((platform.ctx.checkout.of_mode("kind") / production.FILE).stat().st_mode)
        == 0o600
    )


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("  extraConfig:\n", "  extraConfig:\n    zz: |\n      def broken(:\n", "SyntaxError"),
        ("singleuser:\n", "singleuser:\n  extraAnnotations: {x: '{nobody}'}\n", "no server can"),
    ],
    ids=["the hub", "servers"],
)
def test_what_the_overlay_does_not_replace_is_an_error(
    platform: KindPlatform, old: str, new: str, told: str
) -> None:
    change(platform, old, new)
    with pytest.raises(HabariError) as error:
        judged(platform)
    assert error.value.code == USAGE
    assert error.value.hint == "habari-local config check"
    (detail,) = error.value.details
    assert detail.startswith("- config.yaml:")
    assert told in detail
    with pytest.raises(HabariError):  # the second time without evaluating
        judged(platform)
    waived = platform.ctx.settings.model_copy(update={"waived_rules": ("start", "braces")})
    assert judged(KindPlatform(replace(platform.ctx, settings=waived)))[1] == []


def test_another_edit_is_judged_anew(platform: KindPlatform) -> None:
    judged(platform)
    for edit in ("config.yaml", "kind/values.yaml", "hub/requirements-docker.txt"):
        before = production._inputs(platform)
        with (platform.ctx.checkout.root / edit).open("a", encoding="utf-8") as file:
            file.write("# another line\n")
        assert production._inputs(platform) != before
    (platform.ctx.checkout.root / "secrets.yaml").write_text("{}")
    waived = platform.ctx.settings.model_copy(update={"waived_rules": ("tls",)})
    others = KindPlatform(replace(platform.ctx, settings=waived))
    assert len({before, production._inputs(platform), production._inputs(others)}) == 3


def test_what_is_edited_while_values_are_judged_is_judged_by_the_next_up(
    platform: KindPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        def edited(_: KindPlatform) -> tuple[production.Verdict, bool]:
            change(platform, "  extraConfig:\n", "  extraConfig:\n    zz: 'def broken(:'\n")
            return production.Verdict((), ()), True

        patch.setattr(production, "_judge", edited)
        assert judged(platform)[1] == []
    with pytest.raises(HabariError):
        judged(platform)


def test_a_verdict_that_is_no_verdict_is_made_anew(platform: KindPlatform) -> None:
    file = platform.ctx.checkout.of_mode("kind") / production.FILE
    for text in ("", "[]", "{", json.dumps({"inputs": production._inputs(platform), "more": 1})):
        file.write_text(text, encoding="utf-8")
        assert judged(platform) == ("no problems found", [])


def test_where_nothing_can_be_evaluated_words_are_judged_and_that_is_said(
    platform: KindPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no(*_: object) -> None:
        raise NotEvaluated("No helm.", "get it")

    monkeypatch.setattr(production, "evaluator_of", no)
    change(platform, "tag: 2026.11.1", "tag: latest")
    change(platform, "    limit: 2G\n", "    limit: 2Gi\n")
    said, (problems, unjudged) = judged(platform)
    assert said == "1 problem found"
    assert "singleuser.image" in problems
    assert unjudged == (
        "production's values were not evaluated: No helm. Try: habari-local config check"
    )
    monkeypatch.setattr(production, "_judge", None)
    assert judged(platform)[0] == UNCHANGED


def test_ctrl_c_ends_an_evaluation_that_takes_long(platform: KindPlatform) -> None:
    change(platform, "  extraConfig:\n", "  extraConfig:\n    a: |\n      while True: pass\n")
    threading.Timer(1.0, platform.ctx.cancel.set).start()
    with pytest.raises(Cancelled):
        judged(platform)


def test_only_a_config_yaml_is_production(tmp_path: Path) -> None:
    assert not production.is_configured(tmp_path)
    (tmp_path / "config.yaml").touch()
    assert production.is_configured(tmp_path)
