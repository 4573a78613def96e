"""Bringing a cluster up: what an ended kind left late, and what a proxy is kept out of."""

from __future__ import annotations

import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from habari_local.config.secrets import Secrets
from habari_local.config.settings import Settings
from habari_local.core.paths import Checkout
from habari_local.drivers.kind_nodes import Node
from habari_local.modes.kind import create_cluster, handles, registries
from habari_local.platform.mode import Context


def test_a_node_that_came_late_is_no_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx = Context(Checkout(tmp_path), Settings(), Secrets(), {})
    late = Node("1", "control-plane", "node", running=False, mounts=frozenset(), ports=frozenset())
    there, done = [[late], []], []
    handles.kubeconfig(ctx).parent.mkdir(parents=True)

    def create(*_: object, **__: object) -> None:
        done.append("created")
        handles.kubeconfig(ctx).touch()

    kind = SimpleNamespace(delete=lambda: done.append("deleted"), create=create)
    cluster = SimpleNamespace(answers=lambda: True, keep_namespace=lambda *_: None)
    monkeypatch.setattr(handles, "nodes", lambda _: there.pop(0))
    monkeypatch.setattr(handles, "kind", lambda _: kind)
    monkeypatch.setattr(handles, "cluster", lambda _: cluster)
    monkeypatch.setattr(handles, "images", lambda _: SimpleNamespace(reference=str))
    said: list[str] = []
    assert create_cluster.cluster(()).action(ctx, said.append) == "made"
    assert done == ["deleted", "created"]
    assert said == ["removing a node that came late"]


def test_a_machines_proxy_is_not_between_nodes_and_their_registry(tmp_path: Path) -> None:
    given = {"HTTP_PROXY": "http://proxy:3128", "NO_PROXY": ".our.org"}
    ctx = Context(Checkout(tmp_path), Settings(), Secrets(), given)
    direct = handles.environ(ctx)["NO_PROXY"].split(",")
    assert {".our.org", "127.0.0.1", handles.registry_container(ctx)} <= set(direct)


def test_nodes_are_told_of_the_mirror_and_of_what_this_machine_trusts() -> None:
    plain = registries.files("localhost:5001", "beside", "", b"")
    beside = b'server = "http://beside:5000"\n[host]\n'
    assert plain == {"localhost:5001/hosts.toml": beside}
    told = registries.files("localhost:5001", "beside", "m.test:5000/cache", b"authorities")
    assert told[registries.CA] == b"authorities"
    ca = f"{registries.CERTS}/{registries.CA}"
    assert tomllib.loads(told["_default/hosts.toml"].decode()) == {"ca": ca, "host": {}}
    assert tomllib.loads(told["quay.io/hosts.toml"].decode()) == {
        "server": "https://m.test:5000/v2/cache/quay.io",
        "override_path": True,
        "ca": ca,
        "host": {},
    }
    assert told["localhost:5001/hosts.toml"] == plain["localhost:5001/hosts.toml"]
