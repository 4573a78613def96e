"""Bringing a cluster up: what an ended kind left late, and what a proxy is kept out of."""

from __future__ import annotations

import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from habari_local.config.secrets import Secrets
from habari_local.config.settings import Settings
from habari_local.core.paths import Checkout
from habari_local.drivers.kind import Node
from habari_local.modes.kind import create_cluster, node_images
from habari_local.modes.kind.platform import KindPlatform
from habari_local.platform.mode import Context


def test_a_node_that_came_late_is_no_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx = Context(Checkout(tmp_path), Settings(), Secrets(), {})
    platform = KindPlatform(ctx)
    late = Node("1", "control-plane", "node", running=False, mounts=frozenset(), ports=frozenset())
    there, done = [[late], []], []
    platform.kubeconfig.parent.mkdir(parents=True)

    def create(*_: object, **__: object) -> None:
        done.append("created")
        platform.kubeconfig.touch()

    kind = SimpleNamespace(delete=lambda: done.append("deleted"), create=create)
    cluster = SimpleNamespace(unanswered=lambda: None, keep_namespace=lambda *_: None)
    monkeypatch.setattr(KindPlatform, "nodes", lambda _: there.pop(0))
    monkeypatch.setattr(KindPlatform, "kind", kind)
    monkeypatch.setattr(KindPlatform, "cluster", cluster)
    monkeypatch.setattr(Context, "images", SimpleNamespace(reference=str))
    said: list[str] = []
    assert create_cluster.cluster(platform, ()).action(ctx, said.append) == "made"
    assert done == ["deleted", "created"]
    assert said == ["removing a node that came late"]


def test_a_machines_proxy_is_not_between_nodes_and_their_registry(tmp_path: Path) -> None:
    given = {"HTTP_PROXY": "http://proxy:3128", "NO_PROXY": ".our.org"}
    platform = KindPlatform(Context(Checkout(tmp_path), Settings(), Secrets(), given))
    direct = platform.environ["NO_PROXY"].split(",")
    assert {".our.org", "127.0.0.1", platform.registry_container} <= set(direct)


def test_nodes_are_told_of_the_mirror_and_of_what_this_machine_trusts() -> None:
    plain = node_images.hosts_files("localhost:5001", "beside", "", b"")
    beside = b'server = "http://beside:5000"\n[host]\n'
    assert plain == {"localhost:5001/hosts.toml": beside}
    told = node_images.hosts_files("localhost:5001", "beside", "m.test:5000/cache", b"authorities")
    assert told[node_images.CA] == b"authorities"
    ca = f"{node_images.CERTS}/{node_images.CA}"
    assert tomllib.loads(told["_default/hosts.toml"].decode()) == {"ca": ca, "host": {}}
    assert tomllib.loads(told["quay.io/hosts.toml"].decode()) == {
        "server": "https://m.test:5000/v2/cache/quay.io",
        "override_path": True,
        "ca": ca,
        "host": {},
    }
    assert told["localhost:5001/hosts.toml"] == plain["localhost:5001/hosts.toml"]
