"""A fake API server: what Helm and our client need of one, and a table of answers that go wrong.

A real cluster gives those too seldom; what it gives otherwise is tested on a real one.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

LONG_AGO = "2026-11-24T10:00:00.123456789Z"
SECRETS = "/api/v1/namespaces/habari/secrets"
SECRETS_OF_ANY = re.compile(r"/api/v1/namespaces/[^/]+/secrets")  # one set stands for all
NAMESPACE = re.compile(r"/api/v1/namespaces/[^/]+")
# Kinds of which there are none, in whatever namespace.
EMPTY = {
    "pods": "Pod",
    "persistentvolumeclaims": "PersistentVolumeClaim",
    "events": "Event",
    "nodes": "Node",
    "namespaces": "Namespace",
    "jobs": "Job",
    "daemonsets": "DaemonSet",
}
CONFIG_MAPS = {
    "name": "configmaps",
    "singularName": "configmap",
    "namespaced": True,
    "kind": "ConfigMap",
    "verbs": ["create", "delete", "get", "list", "patch"],
}
DISCOVERY: dict[str, dict[str, Any]] = {
    "/version": {"major": "1", "minor": "34", "gitVersion": "v1.34.3"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": [CONFIG_MAPS]},
}


@dataclass(frozen=True)
class Fault:
    """What is answered instead, to requests whose path has `where` in it: all, by default."""

    name: str
    status: int = 0
    body: str = ""  # "": Kubernetes' own Status
    act: str = ""  # "hang", "close" or "cut" where there is no whole answer
    where: str = ""

    def at(self, where: str) -> Fault:
        """The same for some paths alone."""
        return replace(self, where=where)


# By the codes of Kubernetes' API conventions, and what proxies and networks make of an answer.
FAULTS = (
    Fault("401 expired token", 401),
    Fault("403 not allowed", 403),
    Fault("409 conflict", 409),
    Fault("429 too many requests", 429),
    Fault("500 internal error", 500),
    Fault("503 unavailable", 503, "upstream connect error"),
    Fault("504 of a load balancer", 504, "<html>Gateway Time-out</html>"),
    Fault("200 page of a captive portal", 200, "<html>Sign in</html>"),
    Fault("no answer in time", act="hang"),
    Fault("connection closed", act="close"),
    Fault("answer cut off", act="cut"),
)


class Cluster(ThreadingHTTPServer):
    """As much of an API server as Helm and we ask for; remembers what it was asked.

    With a `fault` it answers that instead; silence ends when it is closed.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.asked: list[str] = []
        self.secrets: dict[str, dict[str, Any]] = {}
        self.annotations: dict[str, str] = {}  # of any namespace
        self.fault: Fault | None = None
        self.over = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of who has gone before the answer: a client's time is over, or a test's."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def close(self) -> None:
        """Answer nobody any more."""
        self.over.set()
        self.shutdown()
        self.server_close()

    @property
    def changes(self) -> list[str]:
        """The requests that were to change something; a dry run changes nothing."""
        return [e for e in self.asked if not e.startswith("GET ") and "dryRun" not in e]

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

    def remember(
        self,
        number: int,
        status: str,
        name: str = "habari",
        at: str = LONG_AGO,
        hooks: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Have a revision of a release that some helm left behind."""
        info = {"status": status, "description": "said", "first_deployed": at}
        info["last_deployed"] = at
        chart = {"metadata": {"name": "double", "version": "1.0.0", "apiVersion": "v2"}}
        release: dict[str, Any] = {"name": name, "namespace": "habari", "version": number}
        release["info"] = info
        release["hooks"] = [
            {"name": each["metadata"]["name"], "kind": each["kind"], "manifest": json.dumps(each)}
            for each in hooks
        ]
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
        if self.faulty():
            return None
        kind = EMPTY.get(path.rpartition("/")[2])
        if kind and "watch=True" in self.path:
            return self.nothing_happens()
        if kind:
            about = {"metadata": {"resourceVersion": "1"}, "items": []}
            return self.reply({"kind": f"{kind}List", "apiVersion": "v1", **about})
        if SECRETS_OF_ANY.fullmatch(path):
            items = [each for each in self.server.secrets.values() if self.selects(each)]
            return self.reply({"kind": "SecretList", "apiVersion": "v1", "items": items})
        found = DISCOVERY.get(path) or self.server.secrets.get(path.removeprefix(f"{SECRETS}/"))
        if NAMESPACE.fullmatch(path):
            found = self.namespace()
        return self.reply(found) if found else self.missing()

    def selects(self, secret: dict[str, Any]) -> bool:
        """Whether a list is asked for that this one is in, by its labels."""
        asked = parse_qs(urlsplit(self.path).query).get("labelSelector", [""])[0]
        labels = secret["metadata"]["labels"]
        wanted = (each.partition("=") for each in asked.split(",") if each)
        return all(labels.get(name) == value for name, _, value in wanted)

    def faulty(self) -> bool:
        """Answer the fault, if there is one for this path."""
        fault = self.server.fault
        if fault is None or fault.where not in self.path:
            return False
        if fault.act == "hang":
            self.server.over.wait(2)
        elif fault.act == "cut":
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"kind": "Pod')
        elif not fault.act and fault.body:
            self.send_response(fault.status)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(fault.body)))
            self.end_headers()
            self.wfile.write(fault.body.encode())
        elif not fault.act:
            said = {"message": f"said by the API server: {fault.name}", "code": fault.status}
            status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", **said}
            self.reply(status, fault.status)
        self.close_connection = True
        return True

    def nothing_happens(self) -> None:
        """Answer a watch: for a moment nothing becomes of what it is about."""
        self.server.over.wait(0.2)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_PUT(self) -> None:
        self.store()

    def do_POST(self) -> None:
        self.store()

    def do_PATCH(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(f"PATCH {self.path}")
        if self.faulty():
            return
        if NAMESPACE.fullmatch(self.path.partition("?")[0]):
            self.server.annotations |= body["metadata"].get("annotations") or {}
            self.reply(self.namespace())
        else:
            self.missing()

    def namespace(self) -> dict[str, Any]:
        about = {"name": "habari", "annotations": self.server.annotations}
        return {"kind": "Namespace", "apiVersion": "v1", "metadata": about}

    def do_DELETE(self) -> None:
        self.server.asked.append(f"DELETE {self.path}")
        if self.faulty():
            return
        self.server.secrets.pop(self.path.removeprefix(f"{SECRETS}/"), None)
        self.reply({"kind": "Status", "apiVersion": "v1", "status": "Success"})

    def store(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.faulty():
            return
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
