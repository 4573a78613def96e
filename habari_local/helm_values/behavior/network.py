"""What users' servers reach: as the rendered NetworkPolicies let them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from habari_local.helm_values.behavior.finding import Finding
from habari_local.helm_values.evaluate import Evaluation
from habari_local.helm_values.values import Data, Place

POLICY: Place = ("singleuser", "networkPolicy")
RULES: Place = (*POLICY, "egressAllowRules")
METADATA = "169.254.169.254"  # where a cloud gives machines their credentials
PRIVATE = ("10.20.30.40", "172.20.30.40", "192.168.30.40")
LABELS = {"component": "singleuser-server", "app.kubernetes.io/component": "singleuser-server"}
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
    limited = [each for each in policies if "Egress" in _types(each)]
    if limited and not any(_resolves(each) for each in limited):
        says = "servers resolve no names: none finds the hub, and none starts"
        yield Finding(RULES, says)


def _types(policy: Data) -> list[str]:
    return (policy.get("spec") or {}).get("policyTypes") or ["Ingress"]


def _resolves(policy: Data) -> bool:
    """Whether a policy lets pods ask the cluster's server of names, at a private address."""
    for rule in (policy.get("spec") or {}).get("egress") or ():
        ports, peers = rule.get("ports"), rule.get("to")
        asks = not ports or any(each.get("port") in (DNS, None) for each in ports)
        within = not peers or any(
            not each.get("ipBlock")
            or any(_holds(each, address) for address in (METADATA, *PRIVATE))
            for each in peers
        )
        if asks and within:
            return True
    return False


def _policies(evaluation: Evaluation) -> list[Data]:
    """Return the policies of users' servers."""
    labels = evaluation.get("pods", 0, "pod", "metadata", "labels", default={}) | LABELS
    return [each for each in evaluation.manifests if _selects(each, labels)]


def _selects(manifest: Data, labels: Data) -> bool:
    if manifest.get("kind") != "NetworkPolicy":
        return False
    wanted = ((manifest.get("spec") or {}).get("podSelector") or {}).get("matchLabels") or {}
    component = [name for name in wanted if name.endswith("component")]
    return bool(component) and all(labels.get(name) == wanted[name] for name in component)


def _allows(policy: Data, address: str) -> bool:
    """Whether a policy lets pods out to an address, on more than the port of names."""
    spec = policy.get("spec") or {}
    if "Egress" not in (spec.get("policyTypes") or ["Ingress"]):
        return True
    for rule in spec.get("egress") or ():
        ports = rule.get("ports") or [{}]
        if all(port.get("port") == DNS for port in ports):
            continue
        if not rule.get("to") or any(_holds(each, address) for each in rule["to"]):
            return True
    return False


def _holds(peer: Any, address: str) -> bool:
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
