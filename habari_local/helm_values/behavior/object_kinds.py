"""What Kubernetes refuses in objects that are no pods: services, routes, policies, claims."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from habari_local.helm_values.behavior.object_pods import claim, pod
from habari_local.helm_values.behavior.object_values import (
    SERVICE,
    Problem,
    below,
    host,
    is_address,
    items,
    mapped,
    network,
    one_of,
    port,
    within,
)
from habari_local.helm_values.values import Data, at

Rule = Callable[[Data], Iterator[Problem]]

TYPES = ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName")
RESTARTS: Mapping[str, tuple[str, ...]] = {
    "Deployment": ("Always",),
    "DaemonSet": ("Always",),
    "StatefulSet": ("Always",),
    "Job": ("OnFailure", "Never"),
}
USERS_PRIORITY = 10**9  # above it are Kubernetes' own


def of_kind(made: Data) -> Iterator[Problem]:
    """Yield what the API server refuses in an object of a kind that is known here."""
    kind = str(made.get("kind", ""))
    if kind in KINDS:
        yield from KINDS[kind](made)
    template = ("spec", "template", "spec")
    spec = at(made, template if kind in RESTARTS else ("spec",))
    if kind in RESTARTS or kind == "Pod":
        yield from below(template if kind in RESTARTS else ("spec",), pod(spec))
    if kind in RESTARTS:
        yield from _restarts(made, kind)
        yield from _selected(made)


def _restarts(made: Data, kind: str) -> Iterator[Problem]:
    path = ("spec", "template", "spec", "restartPolicy")
    given = at(made, path) or "Always"
    if given not in RESTARTS[kind]:
        yield path, f"{RESTARTS[kind][0]} was expected"


def _selected(made: Data) -> Iterator[Problem]:
    wanted = mapped(mapped(mapped(made, "spec"), "selector"), "matchLabels")
    given = at(made, ("spec", "template", "metadata", "labels")) or {}
    for name, value in wanted.items():
        if given.get(name) != value:
            path = ("spec", "template", "metadata", "labels", name)
            yield path, "is not that by which the pods are found"


def _deployment(made: Data) -> Iterator[Problem]:
    strategy = mapped(mapped(made, "spec"), "strategy")
    kind = strategy.get("type")
    if kind not in (None, "", "Recreate", "RollingUpdate"):
        yield ("spec", "strategy", "type"), "Recreate or RollingUpdate was expected"
    elif kind == "Recreate" and strategy.get("rollingUpdate"):
        yield ("spec", "strategy", "rollingUpdate"), "does not go with Recreate"


def _service(made: Data) -> Iterator[Problem]:
    spec = mapped(made, "spec")
    kind, ports = spec.get("type") or "ClusterIP", spec.get("ports") or []
    if not SERVICE.fullmatch(str(mapped(made, "metadata").get("name", "unnamed"))):
        yield ("metadata", "name"), "up to 63 small letters, digits and - were expected"
    if kind not in TYPES:
        yield ("spec", "type"), f"one of {', '.join(TYPES)} was expected"
    elif kind == "ExternalName" and not spec.get("externalName"):
        yield ("spec", "externalName"), "needed with the type ExternalName"
    elif not ports and kind != "ExternalName" and spec.get("clusterIP") != "None":
        yield ("spec", "ports"), "empty"
    if spec.get("loadBalancerSourceRanges") and kind != "LoadBalancer":
        yield ("spec", "loadBalancerSourceRanges"), "goes with the type LoadBalancer"
    for number_of, each in enumerate(spec.get("externalIPs") or ()):
        if not is_address(each):
            yield ("spec", "externalIPs", number_of), "no IP address"
    families = spec.get("ipFamilies") or []
    if len(set(families)) < len(families):
        yield ("spec", "ipFamilies"), "one is there twice"
    elif len(families) > 1 and spec.get("ipFamilyPolicy") == "SingleStack":
        yield ("spec", "ipFamilies"), "two of them do not go with SingleStack"
    yield from below(("spec", "ports"), _service_ports(ports, kind))


def _service_ports(ports: Any, kind: str) -> Iterator[Problem]:
    names: list[str] = []
    seen: set[tuple[Any, Any]] = set()
    for at_, each in items(ports):
        name = each.get("name") or ""
        if not name and len(ports) > 1:
            yield (at_, "name"), "needed where there are several ports"
        elif name and not SERVICE.fullmatch(str(name)) and not str(name)[:1].isdigit():
            yield (at_, "name"), "small letters, digits and - were expected"
        elif name and name in names:
            yield (at_, "name"), f"{name} is there twice"
        names.append(str(name))
        where = (each.get("port"), each.get("protocol") or "TCP")
        if where in seen:
            yield (at_, "port"), "is there twice"
        seen.add(where)
        if each.get("nodePort") and kind in ("ClusterIP", "ExternalName"):
            yield (at_, "nodePort"), f"does not go with the type {kind}"


def _ingress(made: Data) -> Iterator[Problem]:
    spec = mapped(made, "spec")
    for at_, rule in items(spec.get("rules")):
        for number_of, each in items(mapped(rule, "http").get("paths")):
            where = ("spec", "rules", at_, "http", "paths", number_of)
            yield from below(where, _path(each))
            yield from below((*where, "backend"), _backend(mapped(each, "backend")))


def _path(each: Data) -> Iterator[Problem]:
    path, free = str(each.get("path") or ""), each.get("pathType") == "ImplementationSpecific"
    if not free and "path" in each and not path.startswith("/"):
        yield ("path",), "a / at its beginning was expected"
    elif not free and any(each in path for each in ("//", "/./", "/../", "%2f", "%2F")):
        yield ("path",), "has //, /./, /../ or %2f in it"
    elif not free and "*" in path:
        says = f"with pathType {each.get('pathType')} it is no pattern: no request is for it"
        yield ("path",), says


def _backend(node: Data) -> Iterator[Problem]:
    yield from one_of(node, ("service", "resource"))
    service = mapped(node, "service")
    if service:
        yield from below(("service", "port"), one_of(service.get("port"), ("number", "name")))
        yield from below(("service", "port"), port_of(service))
        if not SERVICE.fullmatch(str(service.get("name", ""))):
            yield ("service", "name"), "no name of a service"


def port_of(service: Data) -> Iterator[Problem]:
    """Yield what is no port of a service that a route names."""
    its = mapped(service, "port")
    for key in ("number", "name"):
        yield from below((key,), port(its.get(key)))


def _route(made: Data) -> Iterator[Problem]:
    spec = mapped(made, "spec")
    parents = spec.get("parentRefs")
    if not parents:
        yield ("spec", "parentRefs"), "empty: no gateway takes it"
    for at_, each in enumerate(parents if isinstance(parents, list) else ()):
        if not isinstance(each, dict):
            yield ("spec", "parentRefs", at_), "a map was expected"
        elif not each.get("name"):
            yield ("spec", "parentRefs", at_, "name"), "not set"
    names = spec.get("hostnames")
    for at_, each in enumerate(names if isinstance(names, list) else ()):
        yield from below(("spec", "hostnames", at_), host(each))


def _policy(made: Data) -> Iterator[Problem]:
    spec = mapped(made, "spec")
    for kind, peers in (("ingress", "from"), ("egress", "to")):
        for at_, rule in items(spec.get(kind)):
            for number_of, peer in items(rule.get(peers)):
                yield from below(("spec", kind, at_, peers, number_of), _peer(peer))
            for number_of, each in items(rule.get("ports")):
                yield from below(("spec", kind, at_, "ports", number_of), _policy_port(each))


def _peer(peer: Data) -> Iterator[Problem]:
    selects = [name for name in ("podSelector", "namespaceSelector") if peer.get(name) is not None]
    block = peer.get("ipBlock")
    if block is not None and selects:
        yield (selects[0],), "does not go with ipBlock"
    elif block is None and not selects:
        yield (), "one of ipBlock, podSelector and namespaceSelector was expected"
    whole = network(mapped(peer, "ipBlock").get("cidr"))
    for at_, each in enumerate(mapped(peer, "ipBlock").get("except") or ()):
        part = network(each)
        if whole and not (part and part != whole and within(part, whole)):
            yield ("ipBlock", "except", at_), "no part of the range that it is an exception of"


def _policy_port(each: Data) -> Iterator[Problem]:
    first, last = each.get("port"), each.get("endPort")
    if isinstance(first, int) and isinstance(last, int) and last < first:
        yield ("endPort",), "less than port"
    elif last is not None and not isinstance(first, int):
        yield ("endPort",), "goes with a port that is a number"


def _claim(made: Data) -> Iterator[Problem]:
    yield from below(("spec",), claim(mapped(made, "spec")))


def _budget(made: Data) -> Iterator[Problem]:
    spec = mapped(made, "spec")
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        yield ("spec", "maxUnavailable"), "one of it and minAvailable may be set"
    for name in ("minAvailable", "maxUnavailable"):
        if isinstance(spec.get(name), int) and spec[name] < 0:
            yield ("spec", name), "less than nothing"


def _priority(made: Data) -> Iterator[Problem]:
    value = made.get("value")
    if isinstance(value, int) and value > USERS_PRIORITY:
        yield ("value",), f"{USERS_PRIORITY} at most was expected: more is for the system's own"


KINDS: Mapping[str, Rule] = {
    "Deployment": _deployment,
    "Service": _service,
    "Ingress": _ingress,
    "HTTPRoute": _route,
    "NetworkPolicy": _policy,
    "PersistentVolumeClaim": _claim,
    "PodDisruptionBudget": _budget,
    "PriorityClass": _priority,
}
