"""What makes NetworkPolicies hold in mode kind, and which checks of the suite need ours."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from habari_local.config.settings import Settings
from habari_local.core.errors import NotReady
from habari_local.modes.kind import policies
from habari_local.modes.kind.platform import KindPlatform
from habari_local.platform.mode import UNCHANGED, Context
from tests.e2e import not_applicable

OPEN = dict.fromkeys((*policies.DENIED.values(), policies.ALLOWED), True)
CLOSED = {**dict.fromkeys(policies.DENIED.values(), False), policies.ALLOWED: True}


@pytest.mark.parametrize(
    ("images", "chosen", "ours", "holds"),
    [
        ("upstream", "auto", True, "habari"),
        ("upstream", "node", False, "node"),
        ("packages", "auto", False, "habari"),
        ("packages", "habari", True, "habari"),
    ],
)
def test_upstreams_node_gets_our_enforcer(images: Any, chosen: Any, ours: bool, holds: str) -> None:
    settings = Settings(images=images, policy_enforcer=chosen)
    assert (policies.ours(settings), policies.enforcer(settings)) == (ours, holds)


class Cluster:
    """A cluster that keeps annotations."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def annotation(self, namespace: str, name: str) -> str:
        return self.kept.get(name, "")

    def annotate(self, namespace: str, name: str, value: str) -> None:
        self.kept[name] = value


def tried(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster, reached: dict[str, bool] | None
) -> tuple[str, list[str]]:
    """What the step says of a cluster where a probe reaches this, and what it notes."""

    def trying(_: object) -> dict[str, bool]:
        if reached is None:
            raise NotReady("Probe", 120, "no answer", [], "")
        return reached

    monkeypatch.setattr(policies, "_state", lambda _: "now")
    monkeypatch.setattr(policies, "_tried", trying)
    notes: list[str] = []
    ctx = cast(Context, SimpleNamespace(wait=True))
    platform = cast(KindPlatform, SimpleNamespace(cluster=cluster))
    return policies.held(platform, (), notes.append).action(ctx, lambda _: None), notes


def test_what_is_open_is_said_each_time_and_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster()
    said, notes = tried(monkeypatch, cluster, OPEN)
    assert "servers reach the API server and the kubelet. Try: habari-local config set" in said
    assert notes == [said]
    assert tried(monkeypatch, cluster, None) == (UNCHANGED, [said])


def test_what_holds_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster()
    said, notes = tried(monkeypatch, cluster, CLOSED)
    assert said.startswith("hold: ")
    assert (notes, tried(monkeypatch, cluster, None)) == ([], (UNCHANGED, []))


@pytest.mark.parametrize("reached", [None, {**CLOSED, policies.ALLOWED: False}])
def test_a_probe_that_shows_nothing_is_no_proof(
    monkeypatch: pytest.MonkeyPatch, reached: dict[str, bool] | None
) -> None:
    cluster = Cluster()
    said, notes = tried(monkeypatch, cluster, reached)
    assert "could not be tried: " in said
    assert notes == [said]
    assert tried(monkeypatch, cluster, OPEN) == (UNCHANGED, [said]), "not tried at each up"


def test_the_suite_leaves_out_what_needs_ours_and_nothing_else() -> None:
    listed = not_applicable.listed().enforcer
    assert all(each.startswith("kubernetes::test_a_server_does_not_reach[") for each in listed)
    assert "kubernetes::test_a_server_does_not_reach[a pod at a private address]" not in listed
