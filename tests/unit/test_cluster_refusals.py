"""What mode cluster refuses before it changes anything: a real helm, a sketch of a cluster."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from habari_local.config.secrets import Secrets
from habari_local.config.settings import Settings
from habari_local.core.errors import HabariError
from habari_local.core.paths import Checkout
from habari_local.modes.cluster import MODE, steps
from habari_local.modes.cluster.platform import ClusterPlatform
from habari_local.platform.mode import Context
from tests.fake_kubernetes import Cluster
from tests.programs import with_helm
from tests.unit.test_helm import ours
from tests.values_cases import ROOT, Case

__all__ = ["ours"]


@pytest.fixture
def ctx(ours: Cluster, tmp_path: Path) -> Context:
    kubeconfig = ours.kubeconfig(tmp_path / "kubeconfig", "trial")
    environ = {**with_helm(), "KUBECONFIG": str(kubeconfig)}
    settings = Settings(kube_context="trial")
    return Context(Checkout(tmp_path), settings, Secrets(), environ)


def test_a_namespace_of_another_release_is_refused(ours: Cluster, ctx: Context) -> None:
    ours.remember(1, "deployed", "somebody-elses")
    with pytest.raises(HabariError, match=r"used by somebody-elses \(double-1\.0\.0\), not by"):
        MODE.check(ctx)
    assert not [each for each in ours.asked if not each.startswith("GET")]


def test_a_release_on_which_another_helm_works_is_refused(ours: Cluster, ctx: Context) -> None:
    ours.remember(1, "pending-upgrade", at=datetime.now(UTC).isoformat())
    with pytest.raises(HabariError, match=r"pending-upgrade since \d+ s, another helm is working"):
        MODE.check(ctx)
    assert not [each for each in ours.asked if not each.startswith("GET")]


def test_a_cluster_that_does_not_answer_is_told(ours: Cluster, ctx: Context) -> None:
    ours.shutdown()
    ours.server_close()
    began = time.monotonic()
    with pytest.raises(HabariError, match=r"trial did not answer \(Connection refused\)"):
        MODE.check(ctx)
    assert time.monotonic() - began < 60, "bounded"


def test_values_are_evaluated_before_anything_is_changed(
    ours: Cluster, ctx: Context, tmp_path: Path
) -> None:
    """What only shows when the hub loads them: no rule of words finds it."""
    chart = ROOT / "tests" / "fixtures" / "chart"
    broken = Case("", "refuse", {"hub/extraConfig/zz": "import no_such_module"})
    (tmp_path / "config.yaml").write_text(broken.text(), encoding="utf-8")
    ctx = replace(ctx, settings=Settings(kube_context="trial", chart=str(chart)))
    with pytest.raises(HabariError, match=r"Values config\.yaml: 1 problem found") as told:
        MODE.check(ctx)
    assert "No module named 'no_such_module'" in "".join(told.value.details)
    assert not [each for each in ours.asked if not each.startswith("GET")]


def test_a_tenants_values_are_checked_by_the_command_for_its_files(
    ctx: Context, tmp_path: Path
) -> None:
    folder = tmp_path / "tenants" / "blue"
    folder.mkdir(parents=True)
    (folder.parent / "base.yaml").write_text(Case("", "refuse", {}).text(), encoding="utf-8")
    (folder / "config.yaml").write_text("singleuser: {image: {tag: latest}}", encoding="utf-8")
    chart = ROOT / "tests" / "fixtures" / "chart"
    settings = Settings(kube_context="trial", tenant="blue", chart=str(chart))
    with pytest.raises(HabariError, match="1 problem found") as told:
        steps.allowed_values(ClusterPlatform(replace(ctx, settings=settings)), evaluate=False)
    assert told.value.hint == (
        "habari-local config check --base tenants/base.yaml tenants/blue/config.yaml"
    )


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({}, "habari"),
        ({"kube_namespace": "staging"}, "staging"),
        ({"tenant": "blue"}, "habari-blue"),
        ({"kube_namespace": 52 * "a" + "-b"}, 52 * "a"),
    ],
)
def test_releases_in_one_cluster_have_names_of_their_own(
    ctx: Context, settings: dict[str, str], name: str
) -> None:
    """What the chart makes in no namespace has the release's name in its own."""
    given = Settings.model_validate({"kube_context": "trial", **settings})
    assert ClusterPlatform(replace(ctx, settings=given)).release.name == name


def test_what_hooks_made_goes_with_the_release(ours: Cluster, ctx: Context) -> None:
    """Helm leaves what a failed hook made, such as a puller's pods."""
    hook = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "hook-image-puller"}}
    ours.remember(1, "failed", hooks=[hook])
    MODE.down(ctx, wipe=False)
    at = "DELETE /api/v1/namespaces/habari/configmaps/hook-image-puller"
    assert [each for each in ours.asked if each.partition("?")[0] == at]


def test_a_release_of_before_goes_on_under_its_name(ours: Cluster, ctx: Context) -> None:
    """Under another name it would be taken for absent, by `down` and `backup create` too."""
    given = replace(ctx, settings=Settings(kube_context="trial", kube_namespace="staging"))
    ours.remember(1, "deployed", "habari")
    assert ClusterPlatform(given).release.name == "habari"
    ours.secrets.clear()
    ours.remember(1, "deployed", "staging")
    assert ClusterPlatform(given).release.name == "staging"
