"""NetworkPolicies on a node that does not enforce them: `up` says so, and our enforcer fixes it.

The node is ours without its enforcer, on a network as upstream's kindnetd writes it down.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from habari_local.config.settings import Settings
from habari_local.core.paths import Checkout
from habari_local.images.build import Images
from tests.scratch import ROOT, Scratch, must_be_able_to_run

pytestmark = [pytest.mark.mode("kind"), pytest.mark.long, pytest.mark.timeout(600)]
NETWORK = {
    "cniVersion": "0.3.1",
    "name": "kindnet",
    "plugins": [
        {
            "type": "ptp",
            "ipMasq": False,
            "ipam": {
                "type": "host-local",
                "dataDir": "/run/cni-ipam-state",
                "routes": [{"dst": "0.0.0.0/0"}],
                "ranges": [[{"subnet": "10.244.0.0/24"}]],
            },
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}
NOTHING = "{apiVersion: v1, kind: ConfigMap, metadata: {name: none, namespace: kube-system}}\n"
DOCKERFILE = """\
ARG BASE
FROM ${BASE}
COPY network.conflist /etc/cni/net.d/10-habari.conflist
COPY manifests/default-cni.yaml /kind/manifests/
"""


def images(root: Path) -> Images:
    return Images(Checkout(root), Settings(images="packages"), dict(os.environ))


@pytest.fixture
def bare(scratch: Scratch, tmp_path: Path) -> Scratch:
    """A checkout whose node has no enforcer: made from ours, as building it would."""
    must_be_able_to_run("kind")
    base = images(scratch.root).reference("node")
    folder = scratch.root / "kind" / "node"
    (folder / "network.conflist").write_text(json.dumps(NETWORK))
    (folder / "manifests" / "default-cni.yaml").write_text(NOTHING)
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    build = ["docker", "buildx", "build", "--quiet", "--load", "--build-arg", f"BASE={base}"]
    build += ["--file", str(tmp_path / "Dockerfile"), "--label", "dev.habari.image=node"]
    build += ["--tag", images(scratch.root).reference("node"), str(folder)]
    subprocess.run(build, check=True, capture_output=True)
    return scratch


def suite(scratch: Scratch, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """What the end-to-end suite says of what a server reaches."""
    file = tmp_path / "endpoints.json"
    file.write_text(scratch.good("endpoints"))
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider"]
    command += ["tests/e2e/test_kubernetes.py", "-k", "reach", f"--report={tmp_path}/report"]
    return subprocess.run(
        [*command, f"--endpoints={file}"],
        cwd=ROOT, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip


def up(scratch: Scratch, enforcer: str) -> tuple[str, str]:
    """Bring it up; return what is said at the end, and what on the way."""
    done = scratch.call("up", "--mode", "kind", HABARI_POLICY_ENFORCER=enforcer)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_what_a_node_does_not_enforce_is_said_and_mended(bare: Scratch, tmp_path: Path) -> None:
    opened = "users' servers reach the API server and the kubelet"
    said, on_the_way = up(bare, "node")
    assert "NOT enforced on this node" in on_the_way
    assert f"{opened}. Try: habari-local config set HABARI_POLICY_ENFORCER habari" in said
    again, _ = up(bare, "node")
    assert "nothing to do" in again
    assert opened in again

    said, on_the_way = up(bare, "habari")
    assert opened not in said
    assert "a user's server reaches neither the API server nor the kubelet" in on_the_way
    bare.settings["HABARI_POLICY_ENFORCER"] = "habari"
    done = suite(bare, tmp_path)
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout

    del bare.settings["HABARI_POLICY_ENFORCER"]
    assert opened in up(bare, "node")[0], "its rules went with it"
