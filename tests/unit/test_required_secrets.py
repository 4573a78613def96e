"""Which Kubernetes secrets a deployment's values name."""

from __future__ import annotations

from typing import Any

import pytest

from habari_local.modes.cluster import required_secrets


def reference(name: str, **more: Any) -> dict[str, Any]:
    return {"valueFrom": {"secretKeyRef": {"name": name, "key": "k", **more}}}


@pytest.mark.parametrize(
    "variables",
    [
        {"A": reference("habari-s3"), "B": "plain", "C": reference("spare", optional=True)},
        [{"name": "A", **reference("habari-s3")}, {"name": "B", "value": "plain"}],
    ],
)
def test_what_pods_can_not_start_without_is_found(variables: Any) -> None:
    values = {
        "imagePullSecrets": ["habari-registry"],
        "hub": {"existingSecret": "habari-hub", "extraEnv": {"D": reference("hub-more")}},
        "singleuser": {"extraEnv": variables},
    }
    assert required_secrets.named(values) == {
        "habari-hub": "hub.existingSecret",
        "habari-s3": "singleuser.extraEnv",
        "hub-more": "hub.extraEnv",
    }


def test_values_without_any_need_none() -> None:
    assert required_secrets.named({"hub": {"existingSecret": ""}, "singleuser": {}}) == {}
