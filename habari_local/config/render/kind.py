"""The files that kind and kubectl read: the cluster's, and the manifests beside the chart."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from habari_local.config.render import compose
from habari_local.config.render.helm import DASHBOARD, PAGES, PROJECT
from habari_local.config.secrets import Secrets
from habari_local.config.settings import Settings
from habari_local.core import yaml11

# Not [::1] too: Docker takes it to the node's own IPv6 address, where Kubernetes publishes nothing;
# a browser that tries it first for `localhost` would be cut off instead of taking 127.0.0.1.
HOST = "127.0.0.1"
# kind lets a control plane run people's pods where it is the only node; here each node does.
FOR_ALL = "kind: InitConfiguration\nnodeRegistration: { taints: [] }\n"
SECRETS = "dev.habari/secrets"  # annotation of a pod: the digest of the secrets that it reads
VOLUMES = "/var/local-path-provisioner"  # where kind's nodes, ours and upstream's, make volumes
# Setting of a port here → the node's port of that service (kind/manifests, kind/values.yaml).
NODE_PORTS = {"hub": 30080, "github": 30008, "s3": 30456}


def cluster(
    text: str,
    root: Path,
    settings: Settings,
    project: Path,
    services: Sequence[str],
    shared: str,
) -> str:
    """Return kind's configuration: kind/cluster.yaml with this checkout's ports and folders.

    More nodes than one have `shared`, a folder of this machine, where volumes are made.
    """
    found = yaml11.load(text).data
    node = found["nodes"][0]
    node["extraPortMappings"] = [
        {
            "containerPort": port,
            "hostPort": settings.port(name),
            "listenAddress": HOST,
            "protocol": "TCP",
        }
        for name, port in NODE_PORTS.items()
        if name in services
    ]
    found["nodes"] += [{"role": "worker"} for _ in range(settings.nodes - 1)]
    if settings.nodes > 1:
        found["kubeadmConfigPatches"].append(FOR_ALL)
    volumes = [{"hostPath": shared, "containerPath": VOLUMES}] if settings.nodes > 1 else []
    for each in found["nodes"]:
        own = [
            {**mount, "hostPath": str(root / mount["hostPath"])}
            for mount in each.get("extraMounts", [])
        ]
        theirs = {"hostPath": str(project), "containerPath": PROJECT}
        each["extraMounts"] = [*own, theirs, *volumes]
    return yaml11.dump(found)


def manifests(folder: Path, names: Sequence[str], images: Mapping[str, str]) -> list[Any]:
    """Return the objects of kind/manifests/NAME.yaml with their images filled in."""
    from ruamel.yaml import YAML

    made: list[Any] = []
    for name in names:
        for each in YAML(typ="safe").load_all(
            (folder / f"{name}.yaml").read_text(encoding="utf-8")
        ):
            if each["kind"] in ("Deployment", "DaemonSet"):
                for container in each["spec"]["template"]["spec"]["containers"]:
                    container["image"] = images[container["name"]]
            made.append(each)
    return made


def tie_to_secrets(objects: Sequence[Any], secrets: Sequence[Any]) -> None:
    """Annotate the pods of each Deployment with what their secrets hold: another one, other pods.

    Kubernetes gives a container its environment once; a changed secret alone restarts nothing.
    """
    held = {each["metadata"]["name"]: each["stringData"] for each in secrets}
    for each in objects:
        if each["kind"] != "Deployment":
            continue
        template = each["spec"]["template"]
        names = {
            source["secretRef"]["name"]
            for container in template["spec"]["containers"]
            for source in container.get("envFrom", ())
            if "secretRef" in source
        }
        # One that is not ours may be named too; it changes by another's hand.
        text = json.dumps({name: held.get(name) for name in names}, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()
        template["metadata"].setdefault("annotations", {})[SECRETS] = digest


def secrets_of(
    settings: Settings,
    secrets: Secrets,
    people: Sequence[Mapping[str, object]],
    names: Sequence[str],
) -> list[Any]:
    """Return the secrets that the manifests' pods read."""
    found = {
        "s3": ("habari-s3-root", compose.s3(secrets)),
        "github": ("habari-github", compose.github(settings, secrets, people)),
    }
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name},
            "stringData": dict(values),
        }
        for name, values in (found[each] for each in names)
    ]


def pages(folder: Path) -> Any:
    """Return the object that holds the templates of the hub's pages."""
    found = {each.name: each.read_text(encoding="utf-8") for each in sorted(folder.glob("*.html"))}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": PAGES}, "data": found}


def dashboard(folder: Path) -> Any:
    """Return the object that holds the dashboard, which the hub's pod runs."""
    kinds = (".py", ".html", ".js", ".css")
    files = sorted(each for each in folder.iterdir() if each.suffix in kinds)
    data = {each.name: each.read_text(encoding="utf-8") for each in files}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": DASHBOARD}, "data": data}


def as_list(objects: Sequence[Any]) -> str:
    """Return objects as one file for kubectl; it holds secrets."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}, indent=1) + "\n"
