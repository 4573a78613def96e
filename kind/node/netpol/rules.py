"""What NetworkPolicies allow, as data: pure, from the objects of the API to addresses and ports.

Semantics: https://kubernetes.io/docs/concepts/services-networking/network-policies/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Direction = Literal["ingress", "egress"]
Json = Mapping[str, Any]


@dataclass(frozen=True)
class Pod:
    """A running pod with an address of its own (one in the node's network has none)."""

    namespace: str
    address: str
    labels: Mapping[str, str]
    ports: tuple[tuple[str, str, int], ...] = ()  # name, protocol, number


@dataclass(frozen=True)
class Block:
    """Addresses `cidr` without those of `holes`."""

    cidr: str
    holes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Port:
    """Ports `first` to `last` of a protocol; 0: all of them. `at`: on those addresses alone."""

    protocol: str
    first: int = 0
    last: int = 0
    at: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Allow:
    """Traffic with one of `peers` on one of `ports`; None: with anybody, on any port."""

    peers: tuple[Block, ...] | None
    ports: tuple[Port, ...] | None


@dataclass(frozen=True)
class Verdicts:
    """By address, what a pod is held to in a direction; one that isn't there is not held."""

    ingress: Mapping[str, tuple[Allow, ...]]
    egress: Mapping[str, tuple[Allow, ...]]


def pod(found: Json, address: str) -> Pod | None:
    """Return what the rules need of a pod; None if it has no address of its own (any more)."""
    spec, phase = found["spec"], found.get("status", {}).get("phase")
    if not address or spec.get("hostNetwork") or phase in {"Succeeded", "Failed"}:
        return None
    named = [
        (port["name"], port.get("protocol", "TCP"), int(port["containerPort"]))
        for container in spec["containers"] + spec.get("initContainers", [])
        for port in container.get("ports", [])
        if "name" in port
    ]
    meta = found["metadata"]
    return Pod(meta["namespace"], address, meta.get("labels") or {}, tuple(named))


def verdicts(
    policies: Iterable[Json], namespaces: Mapping[str, Mapping[str, str]], pods: Iterable[Pod]
) -> Verdicts:
    """Return what all pods are held to.

    Args:
        policies: objects of the kind NetworkPolicy.
        namespaces: labels by name.
        pods: those of all nodes.
    """
    everyone = sorted(pods, key=lambda each: each.address)
    held: dict[Direction, dict[str, tuple[Allow, ...]]] = {"ingress": {}, "egress": {}}
    for policy in policies:
        spec, home = policy["spec"], policy["metadata"]["namespace"]
        chosen = [
            each
            for each in everyone
            if each.namespace == home and selects(spec.get("podSelector") or {}, each.labels)
        ]
        for direction in _directions(spec):
            allowed = tuple(_allows(direction, spec, home, chosen, everyone, namespaces))
            for each in chosen:
                held[direction][each.address] = (*held[direction].get(each.address, ()), *allowed)
    return Verdicts(**held)


def selects(selector: Json, labels: Mapping[str, str]) -> bool:
    """Return whether a label selector matches; an empty one matches everything."""
    wanted: Mapping[str, str] = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_holds(each, labels) for each in selector.get("matchExpressions") or [])


def _holds(expression: Json, labels: Mapping[str, str]) -> bool:
    there = labels.get(expression["key"])
    match expression["operator"]:
        case "Exists":
            return there is not None
        case "DoesNotExist":
            return there is None
        case "In":
            return there in expression["values"]
        case "NotIn":
            return there not in expression["values"]
        case other:
            raise ValueError(f"operator {other} of a selector is not known")


def _directions(spec: Json) -> list[Direction]:
    types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if "egress" in spec else [])]
    return [each for each in ("ingress", "egress") if each.capitalize() in types]


def _allows(
    direction: Direction,
    spec: Json,
    home: str,
    chosen: list[Pod],
    everyone: list[Pod],
    namespaces: Mapping[str, Mapping[str, str]],
) -> Iterator[Allow]:
    for rule in spec.get(direction) or []:
        listed = rule.get("to" if direction == "egress" else "from")
        peers = None
        if listed:
            blocks = [b for peer in listed for b in _blocks(peer, home, everyone, namespaces)]
            peers = tuple(dict.fromkeys(blocks))
        # A name stands for a port of the pod that is reached, so for another number on each.
        reached = everyone if direction == "egress" else chosen
        ports = [p for port in rule.get("ports") or [] for p in _ports(port, reached)]
        if peers != () and (ports or not rule.get("ports")):
            yield Allow(peers, tuple(ports) or None)


def _blocks(
    peer: Json, home: str, everyone: list[Pod], namespaces: Mapping[str, Mapping[str, str]]
) -> list[Block]:
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        return [Block(block["cidr"], tuple(block.get("except") or ()))]
    inside = {home}
    if peer.get("namespaceSelector") is not None:
        selector = peer["namespaceSelector"]
        inside = {name for name, labels in namespaces.items() if selects(selector, labels)}
    wanted = peer.get("podSelector") or {}
    return [
        Block(each.address)
        for each in everyone
        if each.namespace in inside and selects(wanted, each.labels)
    ]


def _ports(port: Json, reached: list[Pod]) -> list[Port]:
    protocol, wanted = port.get("protocol", "TCP"), port.get("port")
    if wanted is None:
        return [Port(protocol)]
    if not isinstance(wanted, str) or re.fullmatch(r"\d+", wanted):
        return [Port(protocol, int(wanted), int(port.get("endPort") or wanted))]
    places: dict[int, list[str]] = {}
    for each in reached:
        for name, spoken, number in each.ports:
            if (name, spoken) == (wanted, protocol):
                places.setdefault(number, []).append(each.address)
    return [Port(protocol, number, number, tuple(at)) for number, at in places.items()]
