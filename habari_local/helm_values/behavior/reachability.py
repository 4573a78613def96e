"""Whether hub, proxy and servers reach each other, and what they need, as the policies let them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from habari_local.helm_values.behavior.finding import Finding, origin
from habari_local.helm_values.behavior.network import (
    PRIVATE,
    directions,
    holds,
    of_pod,
    only_names,
    resolves,
    selects,
)
from habari_local.helm_values.behavior.object_values import items, mapped, network
from habari_local.helm_values.behavior.sign_in import WORLD
from habari_local.helm_values.evaluate import Evaluation
from habari_local.helm_values.values import Data, Place, at

SERVER, HUB, PROXY = "a server", "the hub", "the proxy"
POLICIES: Mapping[str, Place] = {
    SERVER: ("singleuser", "networkPolicy"),
    HUB: ("hub", "networkPolicy"),
    PROXY: ("proxy", "chp", "networkPolicy"),
}
CONTAINERS = {"hub": HUB, "chp": PROXY}
# Who has to reach whom, at which port (by number, by name), and what happens else.
WAYS: Mapping[tuple[str, str], tuple[int, str, str]] = {
    (SERVER, HUB): (8081, "http", "none starts"),
    (HUB, SERVER): (8888, "notebook-port", "none is taken for started"),
    (PROXY, SERVER): (8888, "notebook-port", "nobody gets to theirs"),
    (PROXY, HUB): (8081, "http", "nobody can sign in"),
    (HUB, PROXY): (8001, "api", "nobody gets to a server"),
}
PUBLIC = "140.82.112.3"  # as GitHub's are


def connected(evaluation: Evaluation) -> Iterator[Finding]:
    """Hub, proxy and servers reach each other, Kubernetes, and the provider that people use."""
    pods = {name: labels for name, labels in own_pods(evaluation).items() if labels}
    policies = {name: of_pod(evaluation, labels) for name, labels in pods.items()}
    for (one, other), (number, named, ends) in WAYS.items():
        if one not in pods or other not in pods:
            continue
        port = (number, named)
        out = _lets(policies[one], "Egress", pods[other], port)
        if not (out and _lets(policies[other], "Ingress", pods[one], port)):
            place = _of_labels(evaluation, one, other) or POLICIES[other if out else one]
            yield Finding(place, f"{one} does not reach {other}: {ends}")
    limiting = [each for each in policies.get(HUB, []) if "Egress" in directions(each)]
    if limiting and not any(resolves(each) for each in limiting):
        yield Finding((*POLICIES[HUB], "egressAllowRules"), "the hub resolves no names")
    yield from _beyond(evaluation, limiting)


def watched(evaluation: Evaluation) -> Iterator[Finding]:
    """Hub and proxy take connections from those that need them; legal without, and dangerous."""
    for name, labels in own_pods(evaluation).items():
        policies = of_pod(evaluation, labels)
        if not labels or name == SERVER:
            continue
        if not policies:
            says = "no policy is rendered: every pod of the cluster reaches it, and its API"
            yield Finding((*POLICIES[name], "enabled"), says, True)
        elif name == PROXY and not _lets(policies, "Ingress", None, (8000, "http")):
            says = "only pods with a label reach the proxy: an ingress controller mostly has none"
            yield Finding((*POLICIES[name], "allowedIngressPorts"), says, True)


def own_pods(evaluation: Evaluation) -> dict[str, Data]:
    """Return the labels of the pods that talk with each other."""
    found = {SERVER: evaluation.get("pods", 0, "pod", "metadata", "labels", default={})}
    for made in evaluation.manifests:
        template = mapped(mapped(made, "spec"), "template")
        for _, each in items(at(template, ("spec", "containers"))):
            if made.get("kind") == "Deployment" and each.get("name") in CONTAINERS:
                found[CONTAINERS[each["name"]]] = mapped(mapped(template, "metadata"), "labels")
    return found


def _of_labels(evaluation: Evaluation, one: str, other: str) -> Place | None:
    """Return where the labels of users' pods are set, if production sets them."""
    for trait in ("common_labels", "extra_labels") if SERVER in (one, other) else ():
        place, where = origin(evaluation, "spawner", trait)
        if where:
            return (*place, str(where[0]))
        if at(evaluation.data, place) is not None:
            return place
    return None


def _lets(policies: list[Data], kind: str, labels: Data | None, port: tuple[int, str]) -> bool:
    """Whether a pod's policies let it connect with a pod of some labels (`kind`: in which way).

    Labels None: somebody of whom nothing is known, in another namespace or outside.
    """
    limiting = [each for each in policies if kind in directions(each)]
    key, peers = ("ingress", "from") if kind == "Ingress" else ("egress", "to")
    for policy in limiting:
        for _, rule in items(mapped(policy, "spec").get(key)):
            ports = rule.get("ports") or [{}]
            named = any(each.get("port") in (None, *port) for _, each in items(ports))
            who = rule.get(peers)
            if named and (not who or any(_is_peer(each, labels) for _, each in items(who))):
                return True
    return not limiting


def _is_peer(peer: Data, labels: Data | None) -> bool:
    if peer.get("ipBlock") is not None:
        block = network(mapped(peer, "ipBlock").get("cidr"))  # which pods have, nobody knows here
        return block is not None
    if labels is None:
        return peer.get("namespaceSelector") is not None
    return selects(peer.get("podSelector"), labels)


def _beyond(evaluation: Evaluation, limiting: list[Data]) -> Iterator[Finding]:
    """Yield that the hub gets neither to Kubernetes nor to a provider in the internet.

    Which addresses those have is not known here: that some of their kind are let through is enough.
    """
    rules = [rule for each in limiting for _, rule in items(mapped(each, "spec").get("egress"))]
    rules = [each for each in rules if not only_names(each)]
    if not limiting or any(not rule.get("to") for rule in rules):
        return
    peers = [each for rule in rules for _, each in items(rule.get("to"))]
    place = (*POLICIES[HUB], "egressAllowRules")
    if not any(_has_private(each) for each in peers):
        says = "the hub reaches no private address, and Kubernetes' API has one: no server starts"
        yield Finding((*place, "privateIPs"), says)
    url = str(evaluation.get("authenticator", "traits", "token_url", default=""))
    if WORLD.match(url) and not any(_has_public(each) for each in peers):
        says = "the hub reaches no public address: nobody can sign in"
        yield Finding((*place, "nonPrivateIPs"), says)


def _has_private(peer: Data) -> bool:
    block = network(mapped(peer, "ipBlock").get("cidr"))
    part = block is not None and block.is_private and not block.is_link_local
    return part or any(holds(peer, each) for each in PRIVATE)


def _has_public(peer: Data) -> bool:
    block = network(mapped(peer, "ipBlock").get("cidr"))
    part = block is not None and block.prefixlen > 0 and not block.is_private
    return part or holds(peer, PUBLIC)
