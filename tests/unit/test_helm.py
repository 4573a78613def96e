"""The Helm driver, with the real helm: the cluster that it is told, and no other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from habari_local.core.errors import CommandFailed, MissingTool
from habari_local.drivers.helm import Release, program
from habari_local.helm_values.evaluate import _template_failures
from tests.fake_kubernetes import SECRETS, Cluster
from tests.programs import with_helm


@pytest.fixture
def ours() -> Iterator[Cluster]:
    with Cluster() as cluster:
        yield cluster
        cluster.shutdown()


@pytest.fixture
def production() -> Iterator[Cluster]:
    with Cluster() as cluster:
        yield cluster
        cluster.shutdown()


@pytest.fixture
def release(ours: Cluster, production: Cluster, tmp_path: Path) -> Release:
    """Of our cluster, while all that the environment says leads to production."""
    elsewhere = production.kubeconfig(tmp_path / "production", "kind-ours")
    environ = {
        **with_helm(),
        "KUBECONFIG": str(elsewhere),
        "HELM_KUBEAPISERVER": f"http://127.0.0.1:{production.server_address[1]}",
        "HELM_KUBECONTEXT": "production",
        "HELM_NAMESPACE": "production",
        "HELM_DRIVER": "memory",
        "HELM_DEBUG": "true",
    }
    kubeconfig = ours.kubeconfig(tmp_path / "ours", "kind-ours")
    return Release("habari", "habari", kubeconfig, "kind-ours", environ)


def test_no_call_reaches_the_cluster_of_the_environment(
    release: Release, ours: Cluster, production: Cluster, tmp_path: Path
) -> None:
    chart = tmp_path / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("{apiVersion: v2, name: empty, version: 1.0.0}")
    assert release.status() is None
    assert release.uninstall() is False
    ours.remember(1, "deployed")
    release.upgrade(chart, [])
    now = release.status()
    assert now is not None
    assert (now.number, now.status, now.chart) == (2, "deployed", "empty-1.0.0")
    assert release.recover() == ""
    assert release.uninstall() is True
    assert release.status() is None
    assert ours.asked
    assert not production.asked


def test_without_its_kubeconfig_nothing_is_asked(
    release: Release, ours: Cluster, production: Cluster
) -> None:
    release.kubeconfig.unlink()
    with pytest.raises(CommandFailed):
        release.status()
    assert not ours.asked
    assert not production.asked


def test_an_unknown_context_is_refused(
    release: Release, ours: Cluster, production: Cluster
) -> None:
    stranger = Release("habari", "habari", release.kubeconfig, "production", release.environ)
    with pytest.raises(CommandFailed):
        stranger.status()
    assert not ours.asked
    assert not production.asked


def test_of_a_first_install_that_was_killed_the_record_alone_is_deleted(
    release: Release, ours: Cluster
) -> None:
    """What it made stays, the claim of the hub's database among it, for the next install."""
    ours.remember(1, "pending-install")
    assert release.recover() == "revision 1 was pending-install: what it made is taken over"
    assert ours.changes == [f"DELETE {SECRETS}/sh.helm.release.v1.habari.v1"]
    assert release.status() is None
    assert release.recover() == ""


def test_what_was_being_uninstalled_is_removed(release: Release, ours: Cluster) -> None:
    ours.remember(1, "uninstalling")
    assert release.recover() == "revision 1 was uninstalling: removed"
    assert release.status() is None


def test_a_pending_release_can_be_looked_at(
    release: Release, ours: Cluster, tmp_path: Path
) -> None:
    chart = tmp_path / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("{apiVersion: v2, name: empty, version: 1.0.0}")
    (chart / "templates" / "map.yaml").write_text(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: new}}"
    )
    ours.remember(1, "deployed")
    ours.remember(2, "pending-upgrade")
    assert "name: new" in release.preview(chart, [], pending=True)
    assert ours.changes == []


def test_an_upgrade_that_was_killed_is_taken_back_over_a_failed_one(
    release: Release, ours: Cluster
) -> None:
    ours.remember(1, "deployed")
    ours.remember(2, "failed")
    ours.remember(3, "pending-upgrade")
    assert release.recover() == "revision 3 was pending-upgrade: back at 1"
    now = release.status()
    assert now is not None
    assert (now.number, now.status, now.description) == (4, "deployed", "Rollback to 1")


def test_what_failed_is_left_to_the_next_upgrade(release: Release, ours: Cluster) -> None:
    ours.remember(1, "failed")
    assert release.recover() == ""
    assert [each.status for each in release.history()] == ["failed"]


def test_a_machine_without_helm_is_told_so() -> None:
    with pytest.raises(MissingTool, match="helm: not found"):
        program({"PATH": "/nonexistent"})


@pytest.mark.parametrize(
    "said",
    [
        'Error: template: x/hub.yaml:44:22: executing "x/hub.yaml" at <$hub.db.type>: nil pointer'
        " evaluating interface {}.type",
        'Error: x/hub.yaml:44:22\n  executing "x/hub.yaml" at <$hub.db.type>:\n    nil pointer'
        " evaluating interface {}.type",
    ],
    ids=["helm 3", "helm 4"],
)
def test_the_empty_value_that_a_template_reads_is_named(said: str) -> None:
    (found,) = _template_failures(said)
    assert (found["place"], found["message"]) == (
        ["hub", "db"],
        "empty, and the chart reads type in it",
    )
