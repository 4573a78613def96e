"""Production's spawner goes on asking which pods there are, until Kubernetes says so."""

from __future__ import annotations

import http.server
import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from rig import ROOT

FAILURES = 2
POD = {
    "metadata": {"name": "jupyter-grace", "namespace": "habari"},
    "spec": {"containers": [{"name": "notebook", "image": "habari:1"}]},
}
# A hub's process: production's code as the chart runs it, and what a start of the hub calls.
HUB = """
import asyncio, json, os, sys
from traitlets.config import Config

async def main():
    scope = {"c": Config()}
    exec(open(sys.argv[1]).read(), scope)
    scope["sleep"] = lambda seconds: asyncio.sleep(0)
    spawner = scope["c"].JupyterHub.spawner_class(_mock=True, namespace="habari")
    await spawner._start_watching_pods()
    spawner.pod_name = "jupyter-grace"
    outdated = []
    chosen = {"profile": "x"}
    for image, options in (("habari:1", {}), ("habari:2", {}), ("habari:2", chosen)):
        spawner.image, spawner.user_options = image, options
        outdated.append(spawner.outdated)
    spawner.pod_name = "jupyter-linus"
    outdated.append(spawner.outdated)
    print(json.dumps([sorted(spawner.pod_reflector.pods), outdated]), flush=True)
    os._exit(0)  # the watch goes on for ever

asyncio.run(main())
"""


class Kubernetes(http.server.ThreadingHTTPServer):
    """An API server that has no answer at first, and then one pod."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.lists = 0


class Asked(http.server.BaseHTTPRequestHandler):
    """One request."""

    server: Kubernetes

    def do_GET(self) -> None:
        watched = "watch=true" in self.path.lower()
        self.server.lists += not watched
        good = watched or self.server.lists > FAILURES
        found = {"kind": "PodList", "metadata": {"resourceVersion": "1"}, "items": [POD]}
        body = b"" if watched else json.dumps(found if good else {"message": "no"}).encode()
        self.send_response(200 if good else 503)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def kubernetes() -> Iterator[Kubernetes]:
    with Kubernetes() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.skipif(
    not importlib.util.find_spec("kubespawner"), reason="KubeSpawner is in `nox -s production_hub`"
)
def test_a_hub_that_starts_before_kubernetes_answers_knows_the_running_servers(
    kubernetes: Kubernetes, tmp_path: Path
) -> None:
    values = yaml.safe_load((ROOT / "config.dist.yaml").read_text())
    code, kubeconfig = tmp_path / "spawner.py", tmp_path / "kubeconfig"
    code.write_text(values["hub"]["extraConfig"]["spawner"])
    address = f"http://127.0.0.1:{kubernetes.server_port}"
    about = {
        "clusters": [{"name": "it", "cluster": {"server": address}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "users": [{"name": "it", "user": {}}],
        "current-context": "it",
    }
    kubeconfig.write_text(json.dumps(about))
    done = subprocess.run(
        [sys.executable, "-c", HUB, str(code)],
        env={**os.environ, "KUBECONFIG": str(kubeconfig)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    known, outdated = json.loads(done.stdout.splitlines()[-1])
    assert known == ["habari/jupyter-grace"]
    assert outdated == [False, True, False, False], "another image, unless its user chose it"
    assert kubernetes.lists == FAILURES + 1
