"""What Kubernetes takes as a name, a quantity, a port, a range of addresses, a word of several."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from habari_local.helm_values.values import Place

Problem = tuple[Place, str]
Check = Callable[[Any], Iterator[Problem]]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
SERVICE = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
SUBDOMAIN = re.compile(
    r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
)
NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
KEY = re.compile(r"[-._A-Za-z0-9]{1,253}")  # of a Secret or a ConfigMap
PORT = re.compile(r"(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*")
VARIABLE = re.compile(r"[ -<>-~]+")
# https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?", re.ASCII)
UNITS = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
BINARY: Mapping[str, int] = {
    name: 1024**number for number, name in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)
}
# Fields that mean the same in every object that has them.
WORDS: Mapping[str, tuple[str, ...]] = {
    "imagePullPolicy": ("Always", "IfNotPresent", "Never"),
    "pathType": ("Exact", "Prefix", "ImplementationSpecific"),
    "effect": ("NoSchedule", "PreferNoSchedule", "NoExecute"),
    "dnsPolicy": ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"),
    "whenUnsatisfiable": ("DoNotSchedule", "ScheduleAnyway"),
    "externalTrafficPolicy": ("Cluster", "Local"),
    "internalTrafficPolicy": ("Cluster", "Local"),
    "sessionAffinity": ("ClientIP", "None"),
    "accessModes": ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"),
    "volumeMode": ("Filesystem", "Block"),
    "ipFamilies": ("IPv4", "IPv6"),
    "ipFamilyPolicy": ("SingleStack", "PreferDualStack", "RequireDualStack"),
    "policyTypes": ("Ingress", "Egress"),
    "protocol": ("TCP", "UDP", "SCTP"),
    "scheme": ("HTTP", "HTTPS"),
    "medium": ("Memory", "HugePages", "HugePages-2Mi", "HugePages-1Gi"),
    "fsGroupChangePolicy": ("OnRootMismatch", "Always"),
    "supplementalGroupsPolicy": ("Merge", "Strict"),
    "terminationMessagePolicy": ("File", "FallbackToLogsOnError"),
    "mountPropagation": ("None", "HostToContainer", "Bidirectional"),
    "preemptionPolicy": ("PreemptLowerPriority", "Never"),
    "procMount": ("Default", "Unmasked"),
}


def items(node: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the maps of a list, each with its number; what is of another type is told elsewhere."""
    for number, each in enumerate(node if isinstance(node, list) else ()):
        if isinstance(each, dict):
            yield number, each


def mapped(node: Any, key: str) -> dict[str, Any]:
    """Return the map under a key; empty where there is none."""
    found = node.get(key) if isinstance(node, dict) else None
    return found if isinstance(found, dict) else {}


def below(path: Place, found: Iterable[Problem]) -> Iterator[Problem]:
    """Yield problems with the path to where they were looked for in front."""
    yield from (((*path, *inner), says) for inner, says in found)


def one_of(node: Any, kinds: Iterable[str], *, needed: bool = True) -> Iterator[Problem]:
    """Yield that a map has several of some keys, or none of those of which it needs one."""
    kinds = tuple(kinds)
    given = [key for key in kinds if isinstance(node, dict) and node.get(key) is not None]
    if len(given) > 1:
        yield (given[1],), f"one of {', '.join(given)} may be set"
    elif needed and not given:
        yield (), f"one of {', '.join(kinds)} was expected"


def words(name: str, node: Any) -> Iterator[Problem]:
    """Yield what is none of the words that a field may have."""
    for each in node if isinstance(node, list) else [node]:
        if isinstance(each, str) and each and each not in WORDS[name]:
            yield (), f"one of {', '.join(WORDS[name])} was expected"


def keys(node: Any) -> Iterator[Problem]:
    """Yield what is no key of a label or an annotation."""
    for key in node if isinstance(node, dict) else ():
        prefix, slash, name = str(key).rpartition("/")
        if not NAME.fullmatch(name) or (slash and not SUBDOMAIN.fullmatch(prefix)):
            yield (key,), "no name: letters, digits, - _ . were expected"


def labels(node: Any) -> Iterator[Problem]:
    """Yield what is no label."""
    yield from keys(node)
    for key, value in node.items() if isinstance(node, dict) else ():
        if isinstance(value, str) and value and not NAME.fullmatch(value):
            yield (key,), "no value of a label: letters, digits, - _ . were expected"


def number(value: Any) -> Decimal | None:
    """Return a quantity as a number; None: it is none."""
    found = QUANTITY.fullmatch(str(value)) if not isinstance(value, bool) else None
    if not found:
        return None
    unit = found[2] or ""
    if unit in BINARY:
        return Decimal(found[1]) * BINARY[unit]
    power = UNITS[unit] if unit in UNITS else int(unit[1:] or 0)
    return Decimal(found[1]).scaleb(power)


def quantity(node: Any) -> Iterator[Problem]:
    """Yield that something is no quantity, or less than nothing."""
    amount = number(node)
    if amount is None:
        yield (), "no quantity, one like 500m, 2 or 1Gi was expected"
    elif amount < 0:
        yield (), "less than nothing"


def object_name(node: Any) -> Iterator[Problem]:
    """Yield that no object can be called so."""
    if isinstance(node, str) and node and not SUBDOMAIN.fullmatch(node):
        yield (), "no name: small letters, digits, - and . were expected"


def host(node: Any) -> Iterator[Problem]:
    """Yield what is no name of a host."""
    if isinstance(node, str) and node and not SUBDOMAIN.fullmatch(node.removeprefix("*.")):
        yield (), "no host: small letters, digits, - and . were expected, no scheme and no port"
    elif isinstance(node, str) and is_address(node):
        yield (), "an address, the name of a host was expected"


def hosts(node: Any) -> Iterator[Problem]:
    """Yield those of a list that are no names of hosts."""
    for at, each in enumerate(node if isinstance(node, list) else ()):
        yield from below((at,), host(each))


def is_address(text: Any) -> bool:
    """Whether it is an IP address."""
    try:
        ipaddress.ip_address(str(text))
    except ValueError:
        return False
    return True


def network(text: Any) -> Network | None:
    """Return a range of addresses; None: it is none."""
    try:
        return ipaddress.ip_network(str(text).strip(), strict=False) if "/" in str(text) else None
    except ValueError:
        return None


def within(part: Network, whole: Network) -> bool:
    """Whether all addresses of a range are in another."""
    if isinstance(part, ipaddress.IPv4Network):
        return isinstance(whole, ipaddress.IPv4Network) and part.subnet_of(whole)
    return isinstance(whole, ipaddress.IPv6Network) and part.subnet_of(whole)


def ranges(node: Any) -> Iterator[Problem]:
    """Yield what is no range of addresses."""
    for at, each in enumerate(node if isinstance(node, list) else [node]):
        if network(each) is None:
            yield (at,) if isinstance(node, list) else (), "no range of addresses like 10.0.0.0/8"


def between(low: int, high: int) -> Check:
    """Return a check that a number is not beyond two others."""

    def check(node: Any) -> Iterator[Problem]:
        if isinstance(node, int) and not isinstance(node, bool) and not low <= node <= high:
            yield (), f"a number from {low} to {high} was expected"

    return check


def port(node: Any) -> Iterator[Problem]:
    """Yield that it is neither the number nor the name of a port."""
    yield from between(1, 65535)(node)
    if isinstance(node, str) and not PORT.fullmatch(node):
        yield (), "no name of a port: up to 15 small letters, digits and - were expected"


IDENTITY = between(0, 2**31 - 1)
MODE = between(0, 0o777)
CHECKS: Mapping[str, Check] = {
    "labels": labels,
    "matchLabels": labels,
    "nodeSelector": labels,
    "annotations": keys,
    "hosts": hosts,
    "hostnames": hosts,
    "host": host,
    "ingressClassName": object_name,
    "storageClassName": object_name,
    "claimName": object_name,
    "secretName": object_name,
    "serviceAccountName": object_name,
    "priorityClassName": object_name,
    "runtimeClassName": object_name,
    "replicas": between(0, 2**31 - 1),
    "revisionHistoryLimit": between(0, 2**31 - 1),
    "terminationGracePeriodSeconds": between(0, 2**31 - 1),
    "sizeLimit": quantity,
    "cidr": ranges,
    "loadBalancerSourceRanges": ranges,
    "nodePort": between(30000, 32767),
    "port": port,
    "targetPort": port,
    "containerPort": between(1, 65535),
    "hostPort": between(1, 65535),
    "runAsUser": IDENTITY,
    "runAsGroup": IDENTITY,
    "fsGroup": IDENTITY,
    "mode": MODE,
    "defaultMode": MODE,
    "weight": between(1, 100),
}
