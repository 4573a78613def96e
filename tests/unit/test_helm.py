"""The Helm driver, with the real helm: the cluster that it is told, and no other."""

from __future__ import annotations

import base64
import gzip
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from habari_local.core.errors import CommandFailed, MissingTool
from habari_local.drivers.helm import Release, program
from tests.programs import with_helm

LONG_AGO = "2026-11-24T10:00:00.123456789Z"
SECRETS = "/api/v1/namespaces/habari/secrets"
DISCOVERY: dict[str, dict[str, Any]] = {
    "/version": {"major": "1", "minor": "34", "gitVersion": "v1.34.3"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": []},
}


class Cluster(ThreadingHTTPServer):
    """As much of an API server as Helm asks about releases; remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.asked: list[str] = []
        self.secrets: dict[str, dict[str, Any]] = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def kubeconfig(self, path: Path, context: str) -> Path:
        cluster = {"server": f"http://127.0.0.1:{self.server_address[1]}"}
        about = {"cluster": "it", "user": "it"}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "it", "cluster": cluster}],
            "users": [{"name": "it", "user": {}}],
            "contexts": [{"name": context, "context": about}],
            "current-context": context,
        }
        path.write_text(json.dumps(config), encoding="utf-8")
        path.chmod(0o600)
        return path

    def remember(self, number: int, status: str, name: str = "habari", at: str = LONG_AGO) -> None:
        """Have a revision of a release that some helm left behind."""
        info = {"status": status, "description": "said", "first_deployed": at}
        info["last_deployed"] = at
        chart = {"metadata": {"name": "double", "version": "1.0.0", "apiVersion": "v2"}}
        release = {"name": name, "namespace": "habari", "version": number, "info": info}
        packed = gzip.compress(json.dumps({**release, "chart": chart, "manifest": ""}).encode())
        self.store(base64.b64encode(packed))

    def store(self, packed: bytes) -> dict[str, Any]:
        """Keep what Helm stores of a revision: a secret, its content packed twice."""
        release = json.loads(gzip.decompress(base64.b64decode(packed)))
        number, status, of = release["version"], release["info"]["status"], release["name"]
        labels = {"owner": "helm", "name": of, "status": status, "version": str(number)}
        name = f"sh.helm.release.v1.{of}.v{number}"
        self.secrets[name] = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "helm.sh/release.v1",
            "metadata": {"name": name, "namespace": "habari", "labels": labels},
            "data": {"release": base64.b64encode(packed).decode()},
        }
        return self.secrets[name]


class Answers(BaseHTTPRequestHandler):
    server: Cluster

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].rstrip("/")
        self.server.asked.append(f"GET {path}")
        if path in DISCOVERY:
            return self.reply(DISCOVERY[path])
        if path == SECRETS:
            items = list(self.server.secrets.values())
            return self.reply({"kind": "SecretList", "apiVersion": "v1", "items": items})
        found = self.server.secrets.get(path.removeprefix(f"{SECRETS}/"))
        return self.reply(found) if found else self.missing()

    def do_PUT(self) -> None:
        self.store()

    def do_POST(self) -> None:
        self.store()

    def do_DELETE(self) -> None:
        self.server.asked.append(f"DELETE {self.path}")
        self.server.secrets.pop(self.path.removeprefix(f"{SECRETS}/"), None)
        self.reply({"kind": "Status", "apiVersion": "v1", "status": "Success"})

    def store(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers["Content-Length"]))
        # In the protocol's binary form, where the packed revision stands as it is.
        packed = re.search(rb"H4sI[A-Za-z0-9+/=]+", body)
        assert packed is not None
        self.reply(self.server.store(packed.group()))

    def missing(self) -> None:
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound"}
        self.reply({**status, "code": 404}, 404)

    def reply(self, data: Any, code: int = 200) -> None:
        body = json.dumps(data).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def ours() -> Iterator[Cluster]:
    with Cluster() as cluster:
        yield cluster
        cluster.shutdown()


@pytest.fixture
def production() -> Iterator[Cluster]:
    with Cluster() as cluster:
        yield cluster
        cluster.shutdown()


@pytest.fixture
def release(ours: Cluster, production: Cluster, tmp_path: Path) -> Release:
    """Of our cluster, while all that the environment says leads to production."""
    elsewhere = production.kubeconfig(tmp_path / "production", "kind-ours")
    environ = {
        **with_helm(),
        "KUBECONFIG": str(elsewhere),
        "HELM_KUBEAPISERVER": f"http://127.0.0.1:{production.server_address[1]}",
        "HELM_KUBECONTEXT": "production",
        "HELM_NAMESPACE": "production",
        "HELM_DRIVER": "memory",
        "HELM_DEBUG": "true",
    }
    kubeconfig = ours.kubeconfig(tmp_path / "ours", "kind-ours")
    return Release("habari", "habari", kubeconfig, "kind-ours", environ)


def test_no_call_reaches_the_cluster_of_the_environment(
    release: Release, ours: Cluster, production: Cluster, tmp_path: Path
) -> None:
    chart = tmp_path / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("{apiVersion: v2, name: empty, version: 1.0.0}")
    assert release.status() is None
    assert release.uninstall() is False
    ours.remember(1, "deployed")
    release.upgrade(chart, [])
    now = release.status()
    assert now is not None
    assert (now.number, now.status, now.chart) == (2, "deployed", "empty-1.0.0")
    assert release.recover() == ""
    assert release.uninstall() is True
    assert release.status() is None
    assert ours.asked
    assert not production.asked


def test_without_its_kubeconfig_nothing_is_asked(
    release: Release, ours: Cluster, production: Cluster
) -> None:
    release.kubeconfig.unlink()
    with pytest.raises(CommandFailed):
        release.status()
    assert not ours.asked
    assert not production.asked


def test_an_unknown_context_is_refused(
    release: Release, ours: Cluster, production: Cluster
) -> None:
    stranger = Release("habari", "habari", release.kubeconfig, "production", release.environ)
    with pytest.raises(CommandFailed):
        stranger.status()
    assert not ours.asked
    assert not production.asked


@pytest.mark.parametrize("status", ["pending-install", "uninstalling"])
def test_a_first_install_that_was_killed_is_removed(
    release: Release, ours: Cluster, status: str
) -> None:
    ours.remember(1, status)
    assert release.recover() == f"revision 1 was {status}: removed"
    assert release.status() is None
    assert release.recover() == ""


def test_an_upgrade_that_was_killed_is_taken_back_over_a_failed_one(
    release: Release, ours: Cluster
) -> None:
    ours.remember(1, "deployed")
    ours.remember(2, "failed")
    ours.remember(3, "pending-upgrade")
    assert release.recover() == "revision 3 was pending-upgrade: back at 1"
    now = release.status()
    assert now is not None
    assert (now.number, now.status, now.description) == (4, "deployed", "Rollback to 1")


def test_what_failed_is_left_to_the_next_upgrade(release: Release, ours: Cluster) -> None:
    ours.remember(1, "failed")
    assert release.recover() == ""
    assert [each.status for each in release.history()] == ["failed"]


def test_a_machine_without_helm_is_told_so() -> None:
    with pytest.raises(MissingTool, match="helm: not found"):
        program({"PATH": "/nonexistent"})
