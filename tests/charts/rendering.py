"""Charts rendered with the values of this checkout, and what a real hub makes of the result."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from habari_local.core.paths import Checkout
from habari_local.drivers import helm, uv
from habari_local.helm_values.chart import Chart, open_chart
from habari_local.helm_values.rendered_diff import KUBERNETES
from tests.programs import with_helm

ROOT = Path(__file__).resolve().parents[2]
DOUBLE = ROOT / "tests" / "fixtures" / "chart"
MOUNTED = "/usr/local/etc/jupyterhub"
CONTRACT = Path(__file__).with_name("contract.yaml")
SAMPLE = Path(__file__).with_name("values.yaml")
VALUES = [ROOT / "config.dist.yaml", ROOT / "kind" / "values.yaml", SAMPLE]
SERVICES = {
    "HUB_SERVICE_PORT": "8081",
    "PROXY_API_SERVICE_PORT": "8001",
    "POD_NAMESPACE": "habari",
}


def charts() -> list[Chart]:
    """The double, and the real chart where HABARI_CHART names one."""
    given = os.environ.get("HABARI_CHART", "")
    found = [open_chart(DOUBLE), *([open_chart(ROOT / given)] if given else [])]
    return list({each.name: each for each in found}.values())


@dataclass(frozen=True)
class Rendered:
    """What a chart makes of values: objects by kind and name."""

    objects: dict[str, dict[str, Any]]

    def __getitem__(self, name: str) -> Any:
        return self.objects[name]

    def of(self, kind: str) -> dict[str, Any]:
        """The objects of a kind by name."""
        split = (name.partition("/") for name in self.objects)
        return {name: self.objects[f"{k}/{name}"] for k, _, name in split if k == kind}

    def mounted(self, folder: Path) -> Path:
        """Write what the hub's pod has mounted into `folder`, the paths in it changed to there."""
        files = dict(self["ConfigMap/hub"]["data"])
        data = self["Secret/hub"]["data"]
        files |= {f"secret/{name}": base64.b64decode(text).decode() for name, text in data.items()}
        files |= {f"config/{name}": text for name, text in self["ConfigMap/hub"]["data"].items()}
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace(MOUNTED, str(folder)), encoding="utf-8")
        return folder


def render(chart: Chart, values: list[Path]) -> Rendered:
    text = helm.template(
        chart.path, values, with_helm(), name="habari", namespace="habari", kubernetes=KUBERNETES
    )
    found = [each for each in YAML(typ="safe", pure=True).load_all(text) if each]
    return Rendered({f"{each['kind']}/{each['metadata']['name']}": each for each in found})


def in_a_hub(rendered: Rendered, folder: Path) -> dict[str, Any]:
    """What the rendered configuration tells a hub, and the pod that its spawner would make."""
    environment = Checkout(ROOT).environments / "hub-docker"
    uv.sync(environment, ROOT / "hub" / "requirements-docker.txt", os.environ)
    kubeconfig = folder / "kubeconfig"
    cluster = {"name": "it", "cluster": {"server": "http://127.0.0.1:9"}}
    context = {"name": "it", "context": {"cluster": "it", "user": "it"}}
    users = [{"name": "it", "user": {}}]
    about = {"clusters": [cluster], "contexts": [context], "users": users, "current-context": "it"}
    kubeconfig.write_text(json.dumps(about), encoding="utf-8")
    answer = folder / "answer.json"
    program = [str(environment / "bin" / "python"), str(Path(__file__).with_name("pod.py"))]
    done = subprocess.run(
        [*program, str(rendered.mounted(folder / "mounted")), str(answer)],
        env={**os.environ, **SERVICES, "KUBECONFIG": str(kubeconfig)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
    return found
