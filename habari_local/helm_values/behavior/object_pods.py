"""What Kubernetes refuses in a pod: containers, volumes, probes, rights, and where it may run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from habari_local.helm_values.behavior.object_values import (
    KEY,
    LABEL,
    SUBDOMAIN,
    VARIABLE,
    Problem,
    below,
    between,
    is_address,
    items,
    keys,
    mapped,
    number,
    object_name,
    one_of,
    port,
)
from habari_local.helm_values.values import Data

PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
ASKS = ("exec", "httpGet", "tcpSocket", "grpc")
HOOKS = ("exec", "httpGet", "tcpSocket", "sleep")
TIMES: tuple[str, ...] = ("initialDelaySeconds", "periodSeconds", "timeoutSeconds")
TIMES += ("failureThreshold", "successThreshold")
SOURCES: tuple[str, ...] = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef")
SOURCES += ("fileKeyRef",)
FIELDS = re.compile(
    r"metadata\.(name|namespace|uid|labels\['[^']+'\]|annotations\['[^']+'\])"
    r"|spec\.(nodeName|serviceAccountName)|status\.(hostIPs?|podIPs?)"
)
AMOUNTS = re.compile(r"(limits|requests)\.(cpu|memory|ephemeral-storage|hugepages-\w+)")
COMPUTE = re.compile(r"cpu|memory|ephemeral-storage|hugepages-\w+")
PROFILES = ("RuntimeDefault", "Unconfined", "Localhost")


def pod(spec: Any) -> Iterator[Problem]:
    """Yield what is wrong in the spec of a pod: its parts, and what one says of another."""
    if not isinstance(spec, dict) or not isinstance(spec.get("containers"), list):
        return
    volumes = [each.get("name") for each in spec.get("volumes") or () if isinstance(each, dict)]
    yield from ((("volumes", at), says) for at, says in _names(volumes))
    for at, each in items(spec.get("volumes")):
        yield from below(("volumes", at), _volume(each))
    names: list[Any] = []
    for kind in ("initContainers", "containers"):
        for at, each in items(spec.get(kind)):
            names.append(each.get("name"))
            yield from below((kind, at), _container(each, volumes, mapped(spec, "securityContext")))
            if kind == "initContainers" and each.get("restartPolicy") != "Always":
                for name in (*PROBES, "lifecycle"):
                    if each.get(name):
                        yield (kind, at, name), "not for a container that runs before the others"
    yield from ((("containers",), says) for _, says in _names(names))
    yield from below(("securityContext",), _context(mapped(spec, "securityContext")))
    yield from _network(spec)
    yield from below(("tolerations",), _tolerations(spec.get("tolerations")))
    yield from below(("affinity",), _affinity(mapped(spec, "affinity")))
    yield from _spread(spec)
    for at, each in items(spec.get("imagePullSecrets")):
        if not each.get("name"):
            yield ("imagePullSecrets", at, "name"), "not set"
        yield from below(("imagePullSecrets", at, "name"), object_name(each.get("name")))


def _names(names: list[Any]) -> Iterator[tuple[int, str]]:
    for at, name in enumerate(names):
        if not isinstance(name, str) or not LABEL.fullmatch(name):
            yield at, "its name is none: small letters, digits and - were expected"
        elif name in names[:at]:
            yield at, f"{name} is there twice"


def _volume(each: Data) -> Iterator[Problem]:
    sources = [key for key in each if key != "name"]
    if len(sources) > 1:
        yield (), f"has several sources: {', '.join(sources)}"
    for kind, name in (("secret", "secretName"), ("configMap", "name")):
        if kind in sources and not mapped(each, kind).get(name):
            yield (kind, name), "not set"
    yield from below(("configMap", "name"), object_name(mapped(each, "configMap").get("name")))
    for kind in ("secret", "configMap"):
        for at, item in items(mapped(each, kind).get("items")):
            path = str(item.get("path") or "")
            if path.startswith("/") or ".." in path.split("/"):
                yield (kind, "items", at, "path"), "leads out of the volume"
    template = mapped(mapped(each, "ephemeral"), "volumeClaimTemplate")
    if template:
        yield from below(
            ("ephemeral", "volumeClaimTemplate", "spec"), claim(mapped(template, "spec"))
        )
    host = mapped(each, "hostPath")
    if host and ".." in str(host.get("path") or "").split("/"):
        yield ("hostPath", "path"), "has .. in it"


def claim(spec: Data) -> Iterator[Problem]:
    """Yield what is wrong in what a claim asks a volume for."""
    modes = spec.get("accessModes")
    if not modes:
        yield ("accessModes",), "empty, ReadWriteOnce was expected"
    elif "ReadWriteOncePod" in modes and len(modes) > 1:
        yield ("accessModes",), "ReadWriteOncePod goes with no other"
    size = mapped(mapped(spec, "resources"), "requests").get("storage")
    amount = number(size)
    path = ("resources", "requests", "storage")
    if size is None:
        yield path, "not set"
    elif amount is None:
        yield path, "no quantity, one like 10Gi was expected"
    elif amount <= 0:
        yield path, "more than nothing was expected"


def _container(each: Data, volumes: list[Any], of_pod: Data) -> Iterator[Problem]:
    if not each.get("image"):
        yield ("image",), "not set"
    yield from _mounts(each, volumes)
    yield from _variables(each)
    yield from _ports(each)
    yield from below(("resources",), resources(each.get("resources")))
    for name in PROBES:
        if each.get(name) is not None:
            yield from below((name,), _probe(name, each[name]))
    for name in ("postStart", "preStop"):
        hook = mapped(each, "lifecycle").get(name)
        if hook is not None:
            yield from below(("lifecycle", name), _handler(hook, HOOKS))
    context = mapped(each, "securityContext")
    yield from below(("securityContext",), _context(context))
    both = {key: each for key, each in (of_pod | context).items() if each is not None}
    if both.get("runAsNonRoot") and both.get("runAsUser") == 0:
        yield ("securityContext", "runAsUser"), "root, and runAsNonRoot keeps it from starting"
    if context.get("privileged") and context.get("allowPrivilegeEscalation") is False:
        where = ("securityContext", "allowPrivilegeEscalation")
        yield where, "false does not go with privileged"


def _mounts(each: Data, volumes: list[Any]) -> Iterator[Problem]:
    seen: set[str] = set()
    for at, mount in items(each.get("volumeMounts")):
        path = str(mount.get("mountPath") or "").rstrip("/") or "/"
        if mount.get("name") not in volumes:
            yield ("volumeMounts", at, "name"), "no volume of the pod is called so"
        if not mount.get("mountPath"):
            yield ("volumeMounts", at, "mountPath"), "not set"
        elif path in seen:
            yield ("volumeMounts", at, "mountPath"), "something else is mounted there"
        elif path == "/" or ":" in path:
            says = "hides the whole image" if path == "/" else "a path without : was expected"
            yield ("volumeMounts", at, "mountPath"), says
        inside = str(mount.get("subPath") or "")
        if inside.startswith("/") or ".." in inside.split("/"):
            yield ("volumeMounts", at, "subPath"), "leads out of the volume"
        if mount.get("subPath") and mount.get("subPathExpr"):
            yield ("volumeMounts", at, "subPathExpr"), "one of it and subPath may be set"
        seen.add(path)


def _variables(each: Data) -> Iterator[Problem]:
    for at, variable in items(each.get("env")):
        if not VARIABLE.fullmatch(str(variable.get("name") or "")):
            yield ("env", at, "name"), "no name of a variable"
        source = variable.get("valueFrom")
        if variable.get("value") and source:
            yield ("env", at), "has both value and valueFrom"
        if source is not None:
            yield from below(("env", at, "valueFrom"), _source(source))
    for at, group in items(each.get("envFrom")):
        yield from below(("envFrom", at), one_of(group, ("configMapRef", "secretRef")))
        for kind in ("configMapRef", "secretRef"):
            if group.get(kind) is not None and not mapped(group, kind).get("name"):
                yield ("envFrom", at, kind, "name"), "not set"


def _source(node: Any) -> Iterator[Problem]:
    yield from one_of(node, SOURCES)
    path = mapped(node, "fieldRef").get("fieldPath")
    if isinstance(path, str) and not FIELDS.fullmatch(path):
        yield ("fieldRef", "fieldPath"), "no field that a variable can have"
    amount = mapped(node, "resourceFieldRef").get("resource")
    if isinstance(amount, str) and not AMOUNTS.fullmatch(amount):
        yield ("resourceFieldRef", "resource"), "limits.cpu or another amount was expected"
    for kind in ("configMapKeyRef", "secretKeyRef"):
        reference = mapped(node, kind)
        yield from below((kind, "name"), object_name(reference.get("name")))
        key = reference.get("key")
        if node.get(kind) is not None and not reference.get("name"):
            yield (kind, "name"), "not set"
        if isinstance(key, str) and not KEY.fullmatch(key):
            yield (kind, "key"), "no key: letters, digits, - _ . were expected"


def _ports(each: Data) -> Iterator[Problem]:
    names: list[str] = []
    for at, its in items(each.get("ports")):
        name = its.get("name")
        if isinstance(name, str) and name:
            yield from below(("ports", at, "name"), port(name))
            if name in names:
                yield ("ports", at, "name"), f"{name} is there twice"
            names.append(name)


def resources(node: Any) -> Iterator[Problem]:
    """Yield what is wrong in what a container asks for, and may have."""
    if not isinstance(node, dict):
        return
    amounts = {}
    for kind in ("limits", "requests"):
        for name, value in mapped(node, kind).items():
            amount = amounts[kind, name] = number(value)
            prefix, slash, _ = str(name).partition("/")
            if not slash and not COMPUTE.fullmatch(str(name)):
                says = "no resource: cpu, memory or one with a domain, as nvidia.com/gpu"
                yield (kind, name), f"{says}, was expected"
            elif slash and not SUBDOMAIN.fullmatch(prefix):
                yield (kind, name), "no name of a resource"
            if amount is None:
                yield (kind, name), "no quantity, one like 500m, 2 or 1Gi was expected"
            elif amount < 0:
                yield (kind, name), "less than nothing"
            elif slash and amount != int(amount):
                yield (kind, name), "a whole number was expected"
    for (kind, name), asked in amounts.items():
        limit = amounts.get(("limits", name))
        extended = "/" in name or name.startswith("hugepages-")  # of which none is given twice
        if kind == "requests" and asked is not None and limit is not None and asked > limit:
            yield (kind, name), "more than the limit"
        elif kind == "requests" and extended and asked != limit:
            yield (kind, name), "needs a limit of the same amount"


def _probe(name: str, node: Any) -> Iterator[Problem]:
    if not isinstance(node, dict):
        return
    yield from _handler(node, ASKS)
    for each in TIMES:
        yield from below((each,), between(0, 2**31 - 1)(node.get(each)))
    if name != "readinessProbe" and (node.get("successThreshold") or 1) != 1:
        yield ("successThreshold",), "1 was expected"


def _handler(node: Any, kinds: tuple[str, ...]) -> Iterator[Problem]:
    if not isinstance(node, dict):
        return
    yield from one_of(node, kinds)
    program = node.get("exec")
    if isinstance(program, dict) and not program.get("command"):
        yield ("exec", "command"), "not set"
    for kind in ("httpGet", "tcpSocket", "grpc"):
        asked = node.get(kind)
        if isinstance(asked, dict) and not asked.get("port"):
            yield (kind, "port"), "not set"


def _context(node: Data) -> Iterator[Problem]:
    for name in ("seccompProfile", "appArmorProfile"):
        profile = node.get(name)
        if not isinstance(profile, dict):
            continue
        if profile.get("type") not in PROFILES:
            yield (name, "type"), f"one of {', '.join(PROFILES)} was expected"
        elif (profile["type"] == "Localhost") != bool(profile.get("localhostProfile")):
            yield (name, "localhostProfile"), "goes with the type Localhost, and with it alone"
    for at, group in enumerate(node.get("supplementalGroups") or ()):
        yield from below(("supplementalGroups", at), between(0, 2**31 - 1)(group))


def _network(spec: Data) -> Iterator[Problem]:
    servers = mapped(spec, "dnsConfig").get("nameservers") or []
    if spec.get("dnsPolicy") == "None" and not servers:
        yield ("dnsConfig", "nameservers"), "needed with dnsPolicy None"
    for at, server in enumerate(servers if isinstance(servers, list) else ()):
        if not is_address(server):
            yield ("dnsConfig", "nameservers", at), "no IP address"
    for at, alias in items(spec.get("hostAliases")):
        if not is_address(alias.get("ip")):
            yield ("hostAliases", at, "ip"), "no IP address"
        for name in alias.get("hostnames") or ():
            yield from below(("hostAliases", at, "hostnames"), object_name(name))
    for name in ("hostname", "subdomain"):
        if isinstance(spec.get(name), str) and not LABEL.fullmatch(spec[name]):
            yield (name,), "small letters, digits and - were expected"
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        yield ("shareProcessNamespace",), "does not go with hostPID"


def _tolerations(node: Any) -> Iterator[Problem]:
    for at, each in items(node):
        operator = each.get("operator") or "Equal"
        if operator not in ("Equal", "Exists", "Lt", "Gt"):
            yield (at, "operator"), "Equal or Exists was expected"
        elif operator == "Exists" and each.get("value"):
            yield (at, "value"), "goes with Equal, and the operator is Exists"
        elif not each.get("key") and operator != "Exists":
            yield (at, "operator"), "without a key it is Exists"
        if each.get("tolerationSeconds") is not None and each.get("effect") != "NoExecute":
            yield (at, "tolerationSeconds"), "goes with the effect NoExecute"


def _affinity(node: Data) -> Iterator[Problem]:
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    preferred = "preferredDuringSchedulingIgnoredDuringExecution"
    nodes = mapped(node, "nodeAffinity")
    terms = mapped(nodes, required).get("nodeSelectorTerms")
    if nodes.get(required) is not None and not terms:
        yield ("nodeAffinity", required, "nodeSelectorTerms"), "empty"
    for kind in ("podAffinity", "podAntiAffinity"):
        for at, term in items(mapped(node, kind).get(required)):
            if not term.get("topologyKey"):
                yield (kind, required, at, "topologyKey"), "not set"
        for at, term in items(mapped(node, kind).get(preferred)):
            if not mapped(term, "podAffinityTerm").get("topologyKey"):
                yield (kind, preferred, at, "podAffinityTerm", "topologyKey"), "not set"


def _spread(spec: Data) -> Iterator[Problem]:
    for at, each in items(spec.get("topologySpreadConstraints")):
        skew = each.get("maxSkew")
        if isinstance(skew, int) and skew < 1:
            yield ("topologySpreadConstraints", at, "maxSkew"), "1 or more was expected"


def expressions(node: Any) -> Iterator[Problem]:
    """Yield what is wrong in the expressions of a selector."""
    for at, each in items(node):
        operator, values = each.get("operator"), each.get("values")
        yield from (((at, "key"), says) for _, says in keys({each.get("key"): ""}))
        if operator not in ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"):
            yield (at, "operator"), "In, NotIn, Exists or DoesNotExist was expected"
        elif (operator in ("In", "NotIn")) != bool(values) and operator not in ("Gt", "Lt"):
            says = f"{'needed' if not values else 'none may be given'} with {operator}"
            yield (at, "values"), says
        elif operator in ("Gt", "Lt") and not _is_one_number(values):
            yield (at, "values"), f"one whole number was expected with {operator}"


def _is_one_number(values: Any) -> bool:
    return isinstance(values, list) and len(values) == 1 and bool(re.fullmatch(r"-?\d+", values[0]))
