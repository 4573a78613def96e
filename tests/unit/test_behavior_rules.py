"""Rules on what production does: what they make of images and of policies, without a chart."""

from __future__ import annotations

from typing import Any

import pytest

from habari_local.helm_values.behavior.images import verdict
from habari_local.helm_values.behavior.network import METADATA, _allows

DIGEST = "@sha256:" + 64 * "0"


@pytest.mark.parametrize(
    "image",
    [
        *("foo:1.2", "localhost:5000/a/b:x-1", f"foo{DIGEST}", f"foo:latest{DIGEST}"),
        *("europe-docker.pkg.dev/my-team/habari/habari-notebook:0123456789ab", "foo:2026.11.1"),
        *("quay.io/jupyterhub/k8s-hub:4.4.0", "Registry.acme.com/a__b:V1.2", "foo:stable-20261101"),
    ],
)
def test_an_image_that_stays_is_good(image: str) -> None:
    assert verdict(image) == ("", False)


@pytest.mark.parametrize(
    ("image", "warning"),
    [
        *(("foo", False), ("foo:latest", False), ("a.b:5000/foo", False), ("foo:Latest", False)),
        *(("foo:latest ", False), ("foo:", False), ("a:latest:1", False), ("foo:None:1", False)),
        *(("foo:main", True), ("foo:3", True), ("foo:v3", True), ("foo:nightly", True)),
    ],
)
def test_an_image_that_moves_is_told(image: str, warning: bool) -> None:
    says, found = verdict(image)
    assert says
    assert found is warning


def policy(*rules: Any, types: tuple[str, ...] = ("Egress",)) -> dict[str, Any]:
    return {"spec": {"policyTypes": list(types), "egress": list(rules)}}


def to(cidr: str, *beside: str) -> dict[str, Any]:
    return {"to": [{"ipBlock": {"cidr": cidr, "except": list(beside)}}]}


@pytest.mark.parametrize(
    ("made", "reached"),
    [
        (policy(), False),
        (policy(types=("Ingress",)), True),
        (policy({}), True),
        (policy(to("0.0.0.0/0")), True),
        (policy(to("0.0.0.0/0", f"{METADATA}/32")), False),
        (policy(to("169.254.0.0/16")), True),
        (policy({**to("0.0.0.0/0"), "ports": [{"port": 53}, {"port": 53}]}), False),
        (policy({**to("0.0.0.0/0"), "ports": [{"port": 53}, {"port": 80}]}), True),
        (policy({"to": [{"podSelector": {}}]}), False),
        (policy(to("no address")), False),
    ],
)
def test_what_a_policy_lets_a_server_reach(made: dict[str, Any], reached: bool) -> None:
    assert _allows(made, METADATA) is reached
