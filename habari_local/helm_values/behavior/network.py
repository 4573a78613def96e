"""What users' servers reach: as the rendered NetworkPolicies let them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from habari_local.helm_values.behavior.finding import Finding
from habari_local.helm_values.behavior.object_values import items, mapped
from habari_local.helm_values.evaluate import Evaluation
from habari_local.helm_values.values import Data, Place

POLICY: Place = ("singleuser", "networkPolicy")
RULES: Place = (*POLICY, "egressAllowRules")
METADATA = "169.254.169.254"  # where a cloud gives machines their credentials
PRIVATE = ("10.20.30.40", "172.20.30.40", "192.168.30.40")
COMPONENT = "singleuser-server"
DNS = 53


def metadata(evaluation: Evaluation) -> Iterator[Finding]:
    """The node's identity is at the metadata address: who reaches it has the node's rights."""
    if any(_allows(each, METADATA) for each in _policies(evaluation)):
        says = "servers reach the cloud's metadata address, and the credentials that it gives"
        yield Finding((*RULES, "cloudMetadataServer"), says)


def reached(evaluation: Evaluation) -> Iterator[Finding]:
    """A policy keeps servers from each other; that they reach private addresses is a warning."""
    policies = _policies(evaluation)
    if evaluation.get("pods") and not policies:
        says = "servers reach each other, and the cloud's metadata: no policy is rendered"
        yield Finding((*POLICY, "enabled"), says)
    if any(_allows(each, address) for each in policies for address in PRIVATE):
        says = "servers reach private addresses: other services, and databases beside them"
        yield Finding((*RULES, "privateIPs"), says, True)


def opened(evaluation: Evaluation) -> Iterator[Finding]:
    """Servers take connections from the hub and its proxy, not from everywhere."""
    for policy in _policies(evaluation):
        for rule in (policy.get("spec") or {}).get("ingress") or ():
            if not rule.get("from"):
                says = "servers take connections from everywhere, and from each other"
                yield Finding((*POLICY, "ingress"), says)
                return


def connected(evaluation: Evaluation) -> Iterator[Finding]:
    """A server finds the hub by its name, and the hub takes its connections."""
    policies = _policies(evaluation)
    limited = [each for each in policies if "Egress" in directions(each)]
    if limited and not any(resolves(each) for each in limited):
        says = "servers resolve no names: none finds the hub, and none starts"
        yield Finding(RULES, says)


def directions(policy: Data) -> list[str]:
    """Return what a policy limits: Ingress, Egress or both."""
    return mapped(policy, "spec").get("policyTypes") or ["Ingress"]


def resolves(policy: Data) -> bool:
    """Whether a policy lets pods ask the cluster's server of names, at a private address."""
    for rule in (policy.get("spec") or {}).get("egress") or ():
        ports, peers = rule.get("ports"), rule.get("to")
        asks = not ports or any(each.get("port") in (DNS, None) for each in ports)
        within = not peers or any(
            not each.get("ipBlock") or any(holds(each, address) for address in (METADATA, *PRIVATE))
            for each in peers
        )
        if asks and within:
            return True
    return False


def _policies(evaluation: Evaluation) -> list[Data]:
    """Return the policies of users' servers."""
    labels = evaluation.get("pods", 0, "pod", "metadata", "labels", default={})
    if labels:
        return of_pod(evaluation, labels)
    return [
        each
        for each, selector in _selectors(evaluation)
        if COMPONENT in mapped(selector, "matchLabels").values()  # no server was made
    ]


def of_pod(evaluation: Evaluation, labels: Data) -> list[Data]:
    """Return the policies that select a pod."""
    return [each for each, selector in _selectors(evaluation) if selects(selector, labels)]


def _selectors(evaluation: Evaluation) -> Iterator[tuple[Data, Data]]:
    for each in evaluation.manifests:
        if each.get("kind") == "NetworkPolicy":
            yield each, mapped(mapped(each, "spec"), "podSelector")


def selects(selector: Any, labels: Data) -> bool:
    """Whether a selector of labels selects a pod."""
    if not isinstance(selector, dict):
        return True
    if any(labels.get(name) != each for name, each in mapped(selector, "matchLabels").items()):
        return False
    for _, each in items(selector.get("matchExpressions")):
        given, values = labels.get(str(each.get("key"))), each.get("values") or []
        right = {
            "In": given in values,
            "NotIn": given not in values,
            "Exists": given is not None,
            "DoesNotExist": given is None,
        }
        if not right.get(str(each.get("operator")), True):
            return False
    return True


def _allows(policy: Data, address: str) -> bool:
    """Whether a policy lets pods out to an address, on more than the port of names."""
    if "Egress" not in directions(policy):
        return True
    for rule in mapped(policy, "spec").get("egress") or ():
        if only_names(rule):
            continue
        if not rule.get("to") or any(holds(each, address) for each in rule["to"]):
            return True
    return False


def only_names(rule: Data) -> bool:
    """Whether a rule of a policy is about the port of names alone."""
    return all(each.get("port") == DNS for _, each in items(rule.get("ports") or [{}]))


def holds(peer: Any, address: str) -> bool:
    """Whether an address is among those of a policy's peer."""
    block = peer.get("ipBlock") if isinstance(peer, dict) else None
    if not block:
        return False
    where = ipaddress.ip_address(address)
    try:
        nets = [ipaddress.ip_network(each, strict=False) for each in block.get("except") or ()]
        return where in ipaddress.ip_network(block["cidr"], strict=False) and not any(
            where in each for each in nets
        )
    except (KeyError, ValueError):
        return False
