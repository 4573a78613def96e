"""The pods that mount one volume: on which node, and what becomes of those that were left."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from habari_local.drivers.kubernetes import volume_pod
from habari_local.drivers.kubernetes.cluster import Cluster


def pod(name: str, phase: str, *, node: str = "", app: str = "jupyterhub") -> Any:
    claim = SimpleNamespace(claim_name="claim-grace")
    return SimpleNamespace(
        metadata=SimpleNamespace(name=name, labels={"app": app}),
        spec=SimpleNamespace(
            volumes=[SimpleNamespace(persistent_volume_claim=claim)], node_name=node or None
        ),
        status=SimpleNamespace(phase=phase),
    )


@pytest.mark.parametrize(
    ("pods", "node"),
    [
        ([pod("a", "Running", node="n1")], "n1"),
        ([pod("a", "Failed", node="n1"), pod("b", "Running", node="n2")], "n2"),
        ([pod("a", "Pending"), pod("b", "Running", node="n2")], "n2"),
        ([pod("a", "Succeeded", node="n1")], ""),
        ([], ""),
    ],
    ids=["running", "beside an ended one", "beside a waiting one", "ended", "none"],
)
def test_a_volume_is_mounted_where_somebody_has_it(pods: list[Any], node: str) -> None:
    """An ended pod hid the one that has the volume: a disk of one node could not be mounted."""
    assert volume_pod._node_of("claim-grace", pods) == node
    assert volume_pod._node_of("claim-linus", pods) == ""


def test_what_is_left_of_a_killed_tool_is_deleted_by_the_next_and_nothing_else() -> None:
    deleted: list[str] = []

    class Recorder:
        def delete_pod(self, namespace: str, name: str) -> None:
            deleted.append(f"{namespace}/{name}")

    carrier = volume_pod.LABELS["app"]
    pods = [
        pod("left", "Failed", app=carrier),
        pod("at-work", "Running", app=carrier),
        pod("jupyter-grace", "Failed"),
        pod("done", "Succeeded", app=carrier),
    ]
    pods[2].metadata.labels = None
    volume_pod._remove_ended(cast(Cluster, Recorder()), "habari", pods)
    assert deleted == ["habari/left", "habari/done"]
