"""A cluster of others: made by mode kind in a checkout of its own, audited, with a release in it.

Its kubeconfig has two contexts: `production`, the current one, and `trial`, for the tests.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from habari_local.drivers import kind
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.helm import Release
from habari_local.drivers.kubernetes.cluster import Cluster
from tests.programs import with_helm
from tests.scratch import Scratch, must_be_able_to_run, scratch_checkout

AUDIT = "/var/log/audit.log"
POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}
PORT = 30081  # of the trial's proxy, on the node
READS = {"get", "list", "watch"}


@dataclass(frozen=True)
class Foreign:
    """The cluster; `kubeconfig` is the user's, `own` the one of who made it."""

    maker: Scratch
    kubeconfig: Path
    own: Cluster
    node: kind.Node

    @property
    def url(self) -> str:
        """Where a node's port is reached."""
        about = docker_client.api().inspect_container(self.node.id)
        return f"http://{about['NetworkSettings']['Networks']['kind']['IPAddress']}:{PORT}"

    def release(self, namespace: str, context: str = "trial") -> Release:
        return Release(namespace, namespace, self.kubeconfig, context, with_helm())

    def audited(self) -> list[dict[str, Any]]:
        """Every request that the API server was sent."""
        command = ["docker", "exec", self.node.name, "cat", AUDIT]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


@contextmanager
def foreign(folder: Path) -> Iterator[Foreign]:
    must_be_able_to_run("kind")
    with scratch_checkout(folder) as maker:
        _audit(maker.root)
        maker.good("up", "--mode", "kind")
        maker.good("status")
        assert maker.good("logs", "-n", "1").splitlines()
        own = Cluster(maker.state / "kind" / "kubeconfig", f"kind-habari-{maker.id}")
        own.keep_namespace("trial", {})
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(json.dumps(_two_contexts(own)))
        kubeconfig.chmod(0o600)
        (found,) = kind.find_nodes(f"habari-{maker.id}")
        yield Foreign(maker, kubeconfig, own, found)
        maker.good("down", "--wipe", "--yes")


def _audit(root: Path) -> None:
    """Have the API server of the cluster to be made write down each request."""
    (root / "kind" / "audit").mkdir()
    (root / "kind" / "audit" / "policy.yaml").write_text(json.dumps(POLICY))
    file, yaml = root / "kind" / "cluster.yaml", YAML()
    cluster = yaml.load(file.read_text(encoding="utf-8"))
    mount = {"hostPath": "kind/audit", "containerPath": "/kind/audit", "readOnly": True}
    cluster["nodes"][0]["extraMounts"].append(mount)
    server = {
        "extraArgs": {
            "audit-policy-file": "/kind/audit/policy.yaml",
            "audit-log-path": AUDIT,
        },
        "extraVolumes": [
            {"name": "policy", "hostPath": "/kind/audit", "mountPath": "/kind/audit"},
            {"name": "log", "hostPath": "/var/log", "mountPath": "/var/log"},
        ],
    }
    patch = json.dumps({"kind": "ClusterConfiguration", "apiServer": server})
    cluster["kubeadmConfigPatches"].append(patch)
    with file.open("w", encoding="utf-8") as out:
        yaml.dump(cluster, out)


def _two_contexts(own: Cluster) -> dict[str, Any]:
    """The user's kubeconfig: production, by an account of its own, is the current context."""
    account = {"metadata": {"name": "production"}}
    own.api.create_namespaced_service_account("kube-system", account)
    asked = own.api.create_namespaced_service_account_token(
        "production", "kube-system", {"spec": {"expirationSeconds": 3600}}
    )
    found: dict[str, Any] = YAML(typ="safe").load(own.kubeconfig.read_text(encoding="utf-8"))
    cluster, user = found["clusters"][0]["name"], found["users"][0]["name"]
    found["users"].append({"name": "production", "user": {"token": asked.status.token}})
    found["contexts"] = [
        {"name": "production", "context": {"cluster": cluster, "user": "production"}},
        {"name": "trial", "context": {"cluster": cluster, "user": user}},
    ]
    return {**found, "current-context": "production"}


def leading_to(of: Foreign) -> dict[str, str]:
    """The environment of a checkout that deploys there; its kubeconfig leads to production."""
    return {
        "KUBECONFIG": str(of.kubeconfig),
        "PATH": of.release("trial").environ["PATH"],
        "HABARI_WAIVED_RULES": "fake-github,callback,tls,s3",
        "HABARI_S3_ENDPOINT_URL": of.maker.s3_url,
    }


def trial_values(of: Foreign) -> dict[str, Any]:
    """The values of a release beside production's: its own address, the same images and S3."""
    values = of.release("habari").values()
    hub, people = values["hub"], values["singleuser"]
    github = hub["config"]["GitHubOAuthenticator"]
    secret = {"secretKeyRef": {"name": "habari-hub", "key": "client-secret"}}
    of.own.keep_secret("trial", "habari-hub", {"client-secret": github.pop("client_secret")})
    of.own.keep_secret("trial", "habari-s3", of.own.secret("habari", "habari-s3"))
    hub["extraEnv"] = {"GITHUB_CLIENT_SECRET": {"valueFrom": secret}}
    github["oauth_callback_url"] = f"{of.url}/hub/oauth_callback"
    # What shows mode kind's fake GitHub and pages is of its own namespace.
    for name in ("extraVolumes", "extraVolumeMounts"):
        del hub[name]
    for name in ("template_paths", "template_vars"):
        del hub["config"]["JupyterHub"][name]
    del github["authorize_url"]
    for name in ("dashboard", "signInLocally"):
        del hub["extraConfig"][name]
    for name in ("ConfigurableHTTPProxy", "CryptKeeper"):
        del hub["config"][name]
    del hub["config"]["JupyterHub"]["cookie_secret"]
    hub["services"] = {"habari-local": {}}
    values["ingress"] = {"enabled": False}
    values["proxy"]["service"]["nodePorts"]["http"] = PORT
    people["extraEnv"]["AWS_ENDPOINT_URL"] = "http://s3.habari:4566"
    for name in ("extraVolumes", "extraVolumeMounts"):
        del people["storage"][name]
    (rule,) = people["networkPolicy"]["egress"]
    named = {"matchLabels": {"kubernetes.io/metadata.name": "habari"}}
    rule["to"][0]["namespaceSelector"] = named
    return values


def call(scratch: Scratch, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """A verb against the trial, in an environment whose kubeconfig leads to production."""
    return scratch.call(*words(*arguments), **more)


def words(verb: str, *rest: str) -> list[str]:
    """The words of a verb against the trial."""
    to = ("--mode", "cluster", "--context", "trial", "--namespace", "trial")
    return [*verb.split(), *to, *rest]


def good(scratch: Scratch, *arguments: str) -> str:
    done = call(scratch, *arguments)
    assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def write(scratch: Scratch, values: dict[str, Any]) -> None:
    file = scratch.root / "config.yaml"
    file.write_text(json.dumps(values), encoding="utf-8")
    file.chmod(0o600)


def read(scratch: Scratch) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((scratch.root / "config.yaml").read_text(encoding="utf-8"))
    return found


def uids(of: Foreign, namespace: str) -> set[str]:
    listed = of.own.api.list_namespaced_pod(namespace).items
    return {each.metadata.uid for each in listed}
