"""What Habari relies on of a chart, taken from what it renders: as data that is compared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.charts.rendering import MOUNTED, Rendered

# What the charts may differ in: their names, and where pods are preferred to run.
OF_THE_CHART = ("chart", "heritage", "helm.sh/chart")
PLACING = ("affinity", "tolerations", "schedulerName")


def relied_on(rendered: Rendered, told: dict[str, Any]) -> dict[str, Any]:
    """The contract: objects of the chart, and what its configuration tells hub and spawner."""
    return {
        "services": {name: _service(each) for name, each in rendered.of("Service").items()},
        "workloads": {name: _workload(each) for name, each in rendered.of("Deployment").items()},
        "policies": {name: _policy(each) for name, each in rendered.of("NetworkPolicy").items()},
        "rules": [sorted(_rules(each)) for each in rendered.of("Role").values()],
        "claims": {n: each["spec"] for n, each in rendered.of("PersistentVolumeClaim").items()},
        "secrets": sorted(set(rendered["Secret/hub"]["data"])),
        "server": _without_names(told.pop("pod")),
        "home": _without_names(told.pop("claim")),
        "hub": told,
    }


def _service(found: Any) -> dict[str, Any]:
    spec = found["spec"]
    ports = [{k: v for k, v in port.items() if k != "protocol"} for port in spec["ports"]]
    kind = spec.get("type", "ClusterIP")
    return {"type": kind, "selects": _component(spec["selector"]), "ports": ports}


def _workload(found: Any) -> dict[str, Any]:
    spec = found["spec"]["template"]["spec"]
    labels = found["spec"]["template"]["metadata"]["labels"]
    selector = found["spec"]["selector"]["matchLabels"]
    assert selector.items() <= labels.items()
    (container,) = spec["containers"]
    volumes = {each["name"]: each for each in spec.get("volumes", ())}
    return {
        "labels": {k: v for k, v in labels.items() if k in selector or k.startswith("hub.jup")},
        "strategy": found["spec"]["strategy"]["type"],
        "pull_secrets": spec.get("imagePullSecrets", []),
        "account": spec.get("serviceAccountName", ""),
        "security": [spec.get("securityContext", {}), container["securityContext"]],
        "image": [container["image"], container.get("imagePullPolicy", "")],
        "runs": sorted([*container.get("command", []), *container.get("args", [])]),
        "ports": {port["name"]: port["containerPort"] for port in container["ports"]},
        "environment": {each["name"]: _variable(each) for each in container["env"]},
        "mounts": dict(_mounts(container, volumes)),
        "resources": container.get("resources", {}),
        "probes": {name: _probe(container[name]) for name in ("livenessProbe", "readinessProbe")},
        "grace": spec.get("terminationGracePeriodSeconds", 30),
    }


def _mounts(container: Any, volumes: Any) -> Iterator[tuple[str, Any]]:
    """Yield what is mounted where; of the chart's own files, the configuration alone."""
    for mount in container.get("volumeMounts", ()):
        path = mount["mountPath"].rstrip("/")
        if path.startswith(f"{MOUNTED}/") and path.rpartition("/")[2] in ("z2jh.py", "config"):
            continue
        volume = {k: v for k, v in volumes[mount["name"]].items() if k != "name"}
        yield path, [volume, *([mount["subPath"]] if "subPath" in mount else [])]


def _probe(found: Any) -> Any:
    return {**found, "httpGet": {"scheme": "HTTP", **found["httpGet"]}}


def _variable(found: Any) -> Any:
    return found.get("value", found.get("valueFrom"))


def _policy(found: Any) -> dict[str, Any]:
    spec = found["spec"]
    assert sorted(spec["policyTypes"]) == ["Egress", "Ingress"]
    sources, targets = spec.get("ingress", ()), spec.get("egress", ())
    return {
        "selects": _component(spec["podSelector"]["matchLabels"]),
        "ingress": sorted({line for rule in sources for line in _lines(rule, "from")}),
        # Of Zero to JupyterHub alone, which can end HTTPS by itself.
        "egress": sorted(
            {line for rule in targets for line in _lines(rule, "to") if "autohttps" not in line}
        ),
    }


def _lines(rule: Any, side: str) -> Iterator[str]:
    """Yield a rule as lines, one for each pair of peer and port."""
    for peer in rule.get(side) or [{}]:
        for port in rule.get("ports") or [{}]:
            number = f"{port.get('port', 'any port')}/{port.get('protocol', 'TCP')}"
            yield f"{_peer(peer)} {number if port else 'any port'}"


def _peer(peer: Any) -> str:
    if not peer:
        return "anybody"
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        but = sorted(block.get("except", ()))
        return " but ".join([block["cidr"], *([", ".join(but)] if but else [])])
    if "namespaceSelector" in peer:
        return f"namespace {peer['namespaceSelector']['matchLabels']}"
    labels = peer["podSelector"]["matchLabels"]
    if "component" in labels:
        return _component(labels)
    return ", ".join(f"{name}={value}" for name, value in sorted(labels.items()))


def _component(labels: Any) -> str:
    assert labels == {"app": "jupyterhub", "release": "habari", "component": labels["component"]}
    return str(labels["component"])


def _rules(role: Any) -> Iterator[str]:
    for rule in role["rules"]:
        for resource in rule["resources"]:
            yield f"{resource}: {', '.join(sorted(rule['verbs']))}"


def _without_names(found: dict[str, Any]) -> dict[str, Any]:
    labels = found["metadata"]["labels"]
    found["metadata"]["labels"] = {k: v for k, v in labels.items() if k not in OF_THE_CHART}
    del found["metadata"]["annotations"]  # the versions of what runs in the hub
    found["spec"] = {k: v for k, v in found["spec"].items() if k not in PLACING}
    return found
