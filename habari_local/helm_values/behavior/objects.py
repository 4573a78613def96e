"""Whether Kubernetes takes what is rendered, and users' pods: what its API server validates.

Fields and types are looked at where the values are loaded, by the models of Kubernetes' client
(hub/habari_evaluation/object_types.py); here is what is no matter of types: names, quantities,
references from one part of an object to another.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from habari_local.helm_values.behavior.finding import Finding
from habari_local.helm_values.evaluate import Evaluation
from habari_local.helm_values.values import Data, Place, leaves

Problem = tuple[Place, str]
Check = Callable[[Any], Iterator[Problem]]

# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
SUBDOMAIN = re.compile(
    r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
)
NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
VARIABLE = re.compile(r"[ -<>-~]+")
# https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?", re.ASCII)
UNITS = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
BINARY: Mapping[str, int] = {
    name: 1024**number for number, name in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)
}
WORDS: Mapping[str, tuple[str, ...]] = {
    "imagePullPolicy": ("Always", "IfNotPresent", "Never"),
    "pathType": ("Exact", "Prefix", "ImplementationSpecific"),
    "restartPolicy": ("Always", "OnFailure", "Never"),
    "effect": ("NoSchedule", "PreferNoSchedule", "NoExecute"),
    "dnsPolicy": ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"),
    "concurrencyPolicy": ("Allow", "Forbid", "Replace"),
    "whenUnsatisfiable": ("DoNotSchedule", "ScheduleAnyway"),
    "externalTrafficPolicy": ("Cluster", "Local"),
    "accessModes": ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"),
}
KINDS = {"Ingress": "ingress", "HTTPRoute": "httpRoute"}
PARTS = {
    "user-scheduler": "scheduling",
    "user-placeholder": "scheduling",
    "image-puller": "prePuller",
    "image-awaiter": "prePuller",
    "proxy": "proxy",
    "autohttps": "proxy",
    "singleuser": "singleuser",
}


def taken(evaluation: Evaluation) -> Iterator[Finding]:
    """Kubernetes takes every object that is rendered, and the pod and the volume of each choice."""
    found: dict[Finding, None] = {}
    typed = evaluation.get("invalid", default=[])
    for number, made in enumerate(evaluation.manifests):
        wrong = typed[number] if number < len(typed) else []
        found |= dict.fromkeys(_of_object(evaluation, made, wrong, _part(made)))
    for each in evaluation.get("pods", default=[]):
        wrong = each.get("invalid", [])
        found |= dict.fromkeys(_of_object(evaluation, each["pod"], wrong, "singleuser"))
        found |= dict.fromkeys(_of_object(evaluation, each["volume"] or {}, [], "singleuser"))
    yield from found


def _of_object(
    evaluation: Evaluation, made: Data, typed: list[Any], part: str
) -> Iterator[Finding]:
    where = made.get("kind", "") if part != "singleuser" else "users' pods"
    problems = [(tuple(each["path"]), each["says"]) for each in typed]
    problems = problems or [*problems_of(made)]  # which takes the types for granted
    for path, says in problems:
        named = ".".join(map(str, path))
        yield Finding(
            _placed(evaluation, made, path, part), f"Kubernetes refuses {where}: {named}: {says}"
        )


def problems_of(made: Data) -> Iterator[Problem]:
    """Yield what the API server would refuse in an object: where, and why."""
    if made.get("kind") in ("ConfigMap", "Secret"):
        made = {"metadata": made.get("metadata")}
    yield from _walk(made, ())


def _walk(node: Any, path: Place) -> Iterator[Problem]:
    name = str(path[-1]) if path else ""
    if name in CHECKS and node is not None:
        yield from ((path + inner, says) for inner, says in CHECKS[name](node))
    if name in WORDS:
        for each in node if isinstance(node, list) else [node]:
            if isinstance(each, str) and each and each not in WORDS[name]:
                yield path, f"one of {', '.join(WORDS[name])} was expected"
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _walk(value, (*path, key))
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from _walk(value, (*path, number))


def _labels(node: Any) -> Iterator[Problem]:
    yield from _keys(node)
    for key, value in node.items() if isinstance(node, dict) else ():
        if isinstance(value, str) and value and not NAME.fullmatch(value):
            yield (key,), "no value of a label: letters, digits, - _ . were expected"


def _keys(node: Any) -> Iterator[Problem]:
    for key in node if isinstance(node, dict) else ():
        prefix, slash, name = str(key).rpartition("/")
        if not NAME.fullmatch(name) or (slash and not SUBDOMAIN.fullmatch(prefix)):
            yield (key,), "no name: letters, digits, - _ . were expected"


def _resources(node: Any) -> Iterator[Problem]:
    if not isinstance(node, dict):
        return
    amounts = {}
    for kind in ("limits", "requests"):
        for name, value in (node.get(kind) or {}).items():
            amount = amounts[kind, name] = number(value)
            if amount is None:
                yield (kind, name), "no quantity, one like 500m, 2 or 1Gi was expected"
            elif "/" in name and amount != int(amount):
                yield (kind, name), "a whole number was expected"
    for (kind, name), asked in amounts.items():
        limit = amounts.get(("limits", name))
        if kind == "requests" and asked is not None and limit is not None and asked > limit:
            yield (kind, name), "more than the limit"
        extended = "/" in name or name.startswith("hugepages-")  # of which none is given twice
        if kind == "requests" and extended and ("limits", name) not in amounts:
            yield (kind, name), "needs a limit of the same amount"


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


def _tolerations(node: Any) -> Iterator[Problem]:
    for at, each in enumerate(node if isinstance(node, list) else ()):
        operator = each.get("operator") or "Equal" if isinstance(each, dict) else "Equal"
        if operator not in ("Equal", "Exists", "Lt", "Gt"):
            yield (at, "operator"), "Equal or Exists was expected"
        elif operator == "Exists" and each.get("value"):
            yield (at, "value"), "goes with Equal, and the operator is Exists"


def _expressions(node: Any) -> Iterator[Problem]:
    for at, each in enumerate(node if isinstance(node, list) else ()):
        if not isinstance(each, dict):
            continue
        operator, values = each.get("operator"), each.get("values")
        if operator not in ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"):
            yield (at, "operator"), "In, NotIn, Exists or DoesNotExist was expected"
        elif (operator in ("In", "NotIn")) != bool(values) and operator not in ("Gt", "Lt"):
            yield (
                (at, "values"),
                f"{'needed' if not values else 'none may be given'} with {operator}",
            )


def _pod(spec: Any) -> Iterator[Problem]:
    """Yield what is wrong between the parts of a pod: containers, volumes, mounts."""
    if not isinstance(spec, dict) or not isinstance(spec.get("containers"), list):
        return
    volumes = [each.get("name") for each in spec.get("volumes") or () if isinstance(each, dict)]
    yield from ((("volumes", at), says) for at, says in _names(volumes))
    yield from ((("volumes", *inner), says) for inner, says in _sources(spec.get("volumes") or ()))
    names: list[Any] = []
    for kind in ("initContainers", "containers"):
        for at, each in enumerate(spec.get(kind) or ()):
            if isinstance(each, dict):
                names.append(each.get("name"))
                yield from (((kind, at, *inner), says) for inner, says in _container(each, volumes))
    yield from ((("containers",), says) for _, says in _names(names))


def _sources(volumes: Any) -> Iterator[Problem]:
    for at, each in enumerate(volumes):
        sources = [key for key in each if key != "name"] if isinstance(each, dict) else []
        if len(sources) > 1:
            yield (at,), f"has several sources: {', '.join(sources)}"
        for kind, name in (("secret", "secretName"), ("configMap", "name")):
            if kind in sources and not (isinstance(each[kind], dict) and each[kind].get(name)):
                yield (at, kind, name), "not set"


def _paths(node: Any) -> Iterator[Problem]:
    for at, each in enumerate(node if isinstance(node, list) else ()):
        free = not isinstance(each, dict) or each.get("pathType") == "ImplementationSpecific"
        if not free and "path" in each and not str(each["path"]).startswith("/"):
            yield (at, "path"), "a / at its beginning was expected"


def _names(names: list[Any]) -> Iterator[tuple[int, str]]:
    for at, name in enumerate(names):
        if not isinstance(name, str) or not LABEL.fullmatch(name):
            yield at, "its name is none: small letters, digits and - were expected"
        elif name in names[:at]:
            yield at, f"{name} is there twice"


def _container(each: Data, volumes: list[Any]) -> Iterator[Problem]:
    if not each.get("image"):
        yield ("image",), "not set"
    seen: set[str] = set()
    for at, mount in enumerate(each.get("volumeMounts") or ()):
        if not isinstance(mount, dict):
            continue
        path = str(mount.get("mountPath") or "").rstrip("/") or "/"
        if mount.get("name") not in volumes:
            yield ("volumeMounts", at, "name"), "no volume of the pod is called so"
        if not mount.get("mountPath"):
            yield ("volumeMounts", at, "mountPath"), "not set"
        elif path in seen:
            yield ("volumeMounts", at, "mountPath"), "something else is mounted there"
        if ".." in str(mount.get("subPath") or "").split("/"):
            yield ("volumeMounts", at, "subPath"), "leads out of the volume"
        seen.add(path)
    for at, variable in enumerate(each.get("env") or ()):
        if isinstance(variable, dict):
            if not VARIABLE.fullmatch(str(variable.get("name") or "")):
                yield ("env", at, "name"), "no name of a variable"
            if variable.get("value") and variable.get("valueFrom"):
                yield ("env", at), "has both value and valueFrom"


def _budget(spec: Any) -> Iterator[Problem]:
    if isinstance(spec, dict):
        if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
            yield ("maxUnavailable",), "one of it and minAvailable may be set"
        yield from _pod(spec)


def _hosts(node: Any) -> Iterator[Problem]:
    for at, each in enumerate(node if isinstance(node, list) else ()):
        yield from (((at,), says) for _, says in _host(each))


def _host(node: Any) -> Iterator[Problem]:
    if isinstance(node, str) and node and not SUBDOMAIN.fullmatch(node.removeprefix("*.")):
        yield (), "no host: small letters, digits, - and . were expected, no scheme and no port"


def _object_name(node: Any) -> Iterator[Problem]:
    if isinstance(node, str) and node and not SUBDOMAIN.fullmatch(node):
        yield (), "no name: small letters, digits, - and . were expected"


def _cidrs(node: Any) -> Iterator[Problem]:
    for at, each in enumerate(node if isinstance(node, list) else [node]):
        if not _is_range(str(each).strip()):
            yield (at,) if isinstance(node, list) else (), "no range of addresses like 10.0.0.0/8"


def _is_range(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return "/" in text


def _port(low: int, high: int) -> Check:
    def check(node: Any) -> Iterator[Problem]:
        if isinstance(node, int) and not isinstance(node, bool) and not low <= node <= high:
            yield (), f"a number from {low} to {high} was expected"

    return check


CHECKS: Mapping[str, Check] = {
    "labels": _labels,
    "matchLabels": _labels,
    "nodeSelector": _labels,
    "annotations": _keys,
    "resources": _resources,
    "tolerations": _tolerations,
    "matchExpressions": _expressions,
    "spec": _budget,
    "hosts": _hosts,
    "hostnames": _hosts,
    "host": _host,
    "ingressClassName": _object_name,
    "storageClassName": _object_name,
    "claimName": _object_name,
    "serviceAccountName": _object_name,
    "priorityClassName": _object_name,
    "paths": _paths,
    "replicas": _port(0, 2**31 - 1),
    "cidr": _cidrs,
    "loadBalancerSourceRanges": _cidrs,
    "nodePort": _port(30000, 32767),
    "port": _port(1, 65535),
    "containerPort": _port(1, 65535),
    "runAsUser": _port(0, 2**31 - 1),
    "runAsGroup": _port(0, 2**31 - 1),
    "fsGroup": _port(0, 2**31 - 1),
}


def _part(made: Data) -> str:
    """Return the key of the values that an object is made of."""
    if made.get("kind") in KINDS:
        return KINDS[str(made["kind"])]
    name = str((made.get("metadata") or {}).get("name", ""))
    return next((part for word, part in PARTS.items() if word in name), "hub")


def _placed(evaluation: Evaluation, made: Data, path: Place, part: str) -> Place:
    """Return where the values say so: the same value under that key, else the object's part."""
    node: Any = made
    for key in path:
        inside = isinstance(node, dict) and key in node
        node = node[key] if inside or (isinstance(node, list) and isinstance(key, int)) else None
    keys = [str(each) for each in path if isinstance(each, str)]
    same = [
        place
        for place, value in leaves(evaluation.data)
        if node is not None and value == node and value not in ("", True, False)
    ]
    for place in same:
        if [each for each in place if isinstance(each, str)][-1:] == keys[-1:]:
            return place
    if same:
        return same[0]
    for place, _ in leaves(evaluation.data):
        if keys[-1:] and keys[-1] in place and place[0] == part:
            return place[: place.index(keys[-1]) + 1]
    return (part,)
