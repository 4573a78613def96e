"""What helm rendered, read as Kubernetes reads it: the hub's pod with its files and variables."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

NAMESPACE = "habari"
Object = dict[str, Any]
CONFIGURED = re.compile(r"(--config|-f)[ =]|jupyterhub_config\.py|\.sh\b|entrypoint")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass
class HubPod:
    """The hub's container: its files by path, its variables, what it is started with."""

    files: dict[str, bytes] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)  # where secrets are that nothing rendered
    environment: dict[str, str | None] = field(default_factory=dict)
    configuration: str = "/usr/local/etc/jupyterhub/jupyterhub_config.py"
    told_nothing: bool = False  # it starts a hub, or none, without the chart's configuration


def read_fast() -> None:
    """Have `yaml.safe_load` use libyaml, which reads the same and ten times as fast."""
    yaml.safe_load = lambda stream: yaml.load(stream, LOADER)  # noqa: S506 (it is the safe one)


def objects(text: str) -> list[Object]:
    """Return every object of a text of manifests."""
    found: list[Object] = []
    for document in yaml.load_all(text, LOADER):
        if isinstance(document, dict) and document.get("kind"):
            found += document.get("items") or [document]
    return found


def hub_pod(manifests: list[Object]) -> HubPod:
    """Return the pod in which the hub runs; raises LookupError where no Deployment has one."""
    by_name = {(each["kind"], each["metadata"]["name"]): each for each in manifests}
    for each in manifests:
        pod = ((each.get("spec") or {}).get("template") or {}).get("spec") or {}
        for container in pod.get("containers") or ():
            if each["kind"] == "Deployment" and container.get("name") == "hub":
                return _read(pod, container, by_name)
    raise LookupError("no Deployment with a container called hub is rendered")


def values(pod: HubPod) -> Object:
    """Return the values as the chart gives them to the hub, its own laid under them."""
    for path, content in pod.files.items():
        if path.endswith("/secret/values.yaml"):
            found = yaml.load(content, LOADER)  # noqa: S506 (it is the safe one)
            return found if isinstance(found, dict) else {}
    return {}


def write(pod: HubPod, root: str) -> None:
    """Write the pod's files below a folder."""
    for path, content in pod.files.items():
        place = root + os.path.normpath(path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "wb") as file:
            file.write(content)


def without_secrets(manifests: list[Object]) -> list[Object]:
    """Return manifests as what is told of them: what secrets and files hold is left out."""
    held = ("data", "stringData", "binaryData")
    return [
        {key: each for key, each in found.items() if key not in held}
        if found["kind"] in ("Secret", "ConfigMap")
        else found
        for found in manifests
    ]


def _read(pod: Object, container: Object, by_name: Mapping[tuple[str, str], Object]) -> HubPod:
    found = HubPod()
    volumes = {each.get("name"): each for each in pod.get("volumes") or ()}
    for mount in container.get("volumeMounts") or ():
        source = _source(volumes.get(mount.get("name")) or {}, by_name)
        if source is None:
            continue
        path = str(mount["mountPath"]).rstrip("/")
        if source == {}:
            found.unknown.append(path)
        elif mount.get("subPath") in source:
            found.files[path] = source[mount["subPath"]]
        elif not mount.get("subPath"):
            found.files |= {f"{path}/{name}": content for name, content in source.items()}
    for each in by_name.values():
        if each["kind"] == "Service":
            name = each["metadata"]["name"].upper().replace("-", "_")
            port = ((each.get("spec") or {}).get("ports") or [{}])[0].get("port", 80)
            found.environment[f"{name}_SERVICE_HOST"] = "10.96.0.1"
            found.environment[f"{name}_SERVICE_PORT"] = str(port)
    for each in container.get("env") or ():
        found.environment[str(each["name"])] = _variable(each, by_name)
    words = [str(e) for kind in ("command", "args") for e in container.get(kind) or ()]
    if "--config" in words[:-1]:
        found.configuration = words[words.index("--config") + 1]
    found.told_nothing = not CONFIGURED.search(" ".join(words)) and bool(words)
    return found


def _source(volume: Object, by_name: Mapping[tuple[str, str], Object]) -> dict[str, bytes] | None:
    """Return the files of a volume; {} where nothing rendered has it, None where it has none."""
    for kind, key in (("Secret", "secretName"), ("ConfigMap", "name")):
        about = volume.get(kind[0].lower() + kind[1:])
        if isinstance(about, dict):
            made = by_name.get((kind, str(about.get(key))))
            return {} if made is None else contents(made)
    return None


def contents(made: Object) -> dict[str, bytes]:
    """Return the keys of a Secret or a ConfigMap, decoded."""
    found = {name: str(text).encode() for name, text in (made.get("stringData") or {}).items()}
    for name, text in (made.get("data") or {}).items():
        secret = made["kind"] == "Secret"
        found[name] = base64.b64decode(text or "") if secret else str(text).encode()
    return found


def _variable(each: Object, by_name: Mapping[tuple[str, str], Object]) -> str | None:
    if "value" in each:
        return str(each["value"])
    source = each.get("valueFrom") or {}
    if "fieldRef" in source:
        path = str(source["fieldRef"].get("fieldPath"))
        return NAMESPACE if path == "metadata.namespace" else "hub"
    for kind, key in (("Secret", "secretKeyRef"), ("ConfigMap", "configMapKeyRef")):
        about = source.get(key) or {}
        made = by_name.get((kind, str(about.get("name"))))
        found = contents(made).get(str(about.get("key"))) if made else None
        if found is not None:
            return found.decode(errors="replace")
    return None if source else ""
