"""Probes have the labels by which the chart's own policy knows users' servers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from habari_local.drivers.kubernetes.cluster import Cluster
from habari_local.drivers.kubernetes.probe_pod import server_labels
from habari_local.modes.cluster.platform import ClusterPlatform
from habari_local.platform.mode import Endpoints
from habari_local.tenants.isolation import TenantUnderTest

LABELS = {"component": "singleuser-server", "release": "habari", "app": "jupyterhub"}
POLICY = {"metadata": {"name": "singleuser"}, "spec": {"podSelector": {"matchLabels": LABELS}}}
KUBECONFIG = """\
apiVersion: v1
kind: Config
contexts: [{{name: ours, context: {{cluster: ours, user: us}}}}]
clusters: [{{name: ours, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
users: [{{name: us, user: {{}}}}]
"""


class ApiServer(BaseHTTPRequestHandler):
    """What an API server answers who reads the policy of the namespace `ours`."""

    def do_GET(self) -> None:
        there = self.path == "/apis/networking.k8s.io/v1/namespaces/ours/networkpolicies/singleuser"
        body: dict[str, Any] = POLICY if there else {"code": 404}
        text = json.dumps(body).encode()
        self.send_response(200 if there else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), ApiServer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    file = tmp_path / "kubeconfig"
    file.write_text(KUBECONFIG.format(port=server.server_port))
    yield Cluster(file, "ours")
    server.shutdown()
    server.server_close()


def test_the_labels_are_those_of_the_charts_policy(cluster: Cluster) -> None:
    assert server_labels(cluster, "ours") == LABELS
    assert server_labels(cluster, "without-policies") == {}


def test_a_tenants_probes_are_selected_by_its_own_policies(cluster: Cluster) -> None:
    platform = cast(ClusterPlatform, SimpleNamespace(cluster=cluster, namespace="ours"))
    values = {"singleuser": {"image": {"name": "some/image", "tag": "1"}}}
    endpoints = cast(Endpoints, SimpleNamespace())
    probe = TenantUnderTest("blue", platform, endpoints, values).probe()
    assert (probe.labels, probe.image) == (LABELS, "some/image:1")
