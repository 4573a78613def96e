"""What NetworkPolicies allow, by the table of cases; tests/images has it with real packets."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from netpol import nft, rules
from ruamel.yaml import YAML

from tests.netpol.table import GATEWAY, SUBNET, Table, Try

CASES = Path(__file__).parents[1] / "netpol" / "cases.yaml"
TABLE = Table(YAML(typ="safe").load(CASES.read_text(encoding="utf-8")))
PODS = [pod for found, address in TABLE.objects() if (pod := rules.pod(found, address))]


def within(address: str, blocks: Iterable[str]) -> bool:
    return any(ipaddress.ip_address(address) in ipaddress.ip_network(each) for each in blocks)


def permits(allow: rules.Allow, peer: str, reached: str, wanted: Try) -> bool:
    peers = allow.peers is None or any(
        within(peer, [block.cidr]) and not within(peer, block.holes) for block in allow.peers
    )
    ports = allow.ports is None or any(
        port.protocol.lower() == wanted.protocol
        and (not port.first or port.first <= wanted.port <= port.last)
        and (port.at is None or reached in port.at)
        for port in allow.ports
    )
    return peers and ports


def passes(held: rules.Verdicts, wanted: Try) -> bool:
    source, target = TABLE.address(wanted.source), TABLE.address(wanted.target)
    out, into = held.egress.get(source), held.ingress.get(target)
    if source == target:
        return True
    leaves = out is None or any(permits(each, target, target, wanted) for each in out)
    enters = into is None or any(permits(each, source, target, wanted) for each in into)
    return leaves and (enters or wanted.source == "node")


@pytest.mark.parametrize("case", TABLE.cases, ids=lambda case: str(case["name"]))
def test_what_a_policy_allows_and_nothing_else(case: dict[str, Any]) -> None:
    held = rules.verdicts(TABLE.policies(case), TABLE.namespaces, PODS)
    tries = list(TABLE.tries(case))
    assert [each for each in tries if passes(held, each) != each.allowed] == []
    assert tries, "a case says something"


def test_a_pod_on_the_nodes_network_or_one_that_has_ended_has_no_address_of_its_own() -> None:
    meta = {"namespace": "app", "name": "x"}
    spec: dict[str, Any] = {"containers": []}
    assert rules.pod({"metadata": meta, "spec": spec}, "10.244.0.9")
    assert not rules.pod({"metadata": meta, "spec": spec}, "")
    assert not rules.pod({"metadata": meta, "spec": {**spec, "hostNetwork": True}}, "10.244.0.9")
    for phase in ("Succeeded", "Failed"):
        ended = {"metadata": meta, "spec": spec, "status": {"phase": phase}}
        assert not rules.pod(ended, "10.244.0.9")


def test_an_operator_that_is_not_known_is_an_error_and_no_permission() -> None:
    with pytest.raises(ValueError, match="operator Gt"):
        rules.selects({"matchExpressions": [{"key": "a", "operator": "Gt"}]}, {"a": "1"})


def test_addresses_of_this_node_that_are_not_known_are_refused() -> None:
    text = nft.script(rules.Verdicts({}, {}), ["10.244.0.7"], SUBNET, GATEWAY)
    assert f"ip daddr {SUBNET} reject with icmpx" in text
    out = "    ip saddr vmap { 10.244.0.7 : goto ingress }"
    assert f"{out}\n    drop\n  }}" in text
    assert text.startswith("table inet habari_netpol {}\ndelete table inet habari_netpol\n")
