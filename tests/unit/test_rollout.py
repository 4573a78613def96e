"""How far a Deployment is: which of its pods count, told by objects as the API server answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest
from kubernetes import client

from habari_local.drivers.kubernetes import readiness
from habari_local.drivers.kubernetes.cluster import Cluster
from habari_local.drivers.kubernetes.readiness import Rollout


def template(image: str, **labels: str) -> dict[str, Any]:
    return {
        "metadata": {"labels": {"app": "hub", **labels}},
        "spec": {"containers": [{"name": "hub", "image": image}]},
    }


class Seen:
    """A cluster with a Deployment of image `new` and ReplicaSets of these images."""

    def __init__(self, images: list[str], status: dict[str, int], generation: int = 2) -> None:
        selector = {"matchLabels": {"app": "hub"}}
        spec = {"replicas": 1, "selector": selector, "template": template("new")}
        about = {"name": "hub", "generation": generation}
        data = {"metadata": about, "spec": spec, "status": {"observedGeneration": 2, **status}}
        self._deployment = client.V1Deployment.from_dict(data)
        self._sets = [
            client.V1ReplicaSet.from_dict(
                {
                    "metadata": {"labels": {"pod-template-hash": f"of-{image}"}},
                    "spec": {
                        "selector": selector,
                        "template": template(image, **{"pod-template-hash": f"of-{image}"}),
                    },
                }
            )
            for image in images
        ]

    def deployment(self, namespace: str, name: str) -> Any:
        return self._deployment

    def replica_sets(self, namespace: str, labels: Mapping[str, str]) -> list[Any]:
        return list(self._sets)


def looked_at(seen: Seen) -> Rollout:
    return Rollout(cast(Cluster, seen), "habari", "hub")


def test_all_are_of_now_and_up() -> None:
    found = looked_at(
        Seen(["old", "new"], {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1})
    )
    assert (found.template(), found.done()) == ("of-new", True)


def test_the_old_one_answers_still() -> None:
    """With Recreate, the new one is not even asked for before the old one is gone."""
    found = looked_at(Seen(["old"], {"replicas": 1, "availableReplicas": 1}))
    assert (found.template(), found.done()) == ("", False)


def test_nobody_has_looked_at_the_change_yet() -> None:
    up = {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
    found = looked_at(Seen(["new"], up, generation=3))
    assert (found.template(), found.done()) == ("", False)


def test_it_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "INTERVAL", 0.0)
    seen = Seen(["old"], {"replicas": 1})
    found = looked_at(seen)
    assert found.template() == ""
    seen._sets = Seen(["old", "new"], {})._sets
    assert found.template() == "of-new"
