"""A node's containerd pulls through a mirror that a company's own authority signed for."""

from __future__ import annotations

import io
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from habari_local.core.errors import CommandFailed
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.kind import Node, execute
from habari_local.images.build import Images
from habari_local.modes.kind import node_images
from tests.images.conftest import Run
from tests.images.registries import start
from tests.waiting import wait_for

MIRROR, UPSTREAM = "mirror.test:5000/cache", "quay.io/jupyterhub/k8s-hub:4.4.0"
PULL = ("ctr", "--namespace", "k8s.io", "images", "pull", "--hosts-dir", node_images.CERTS)


@pytest.fixture
def network() -> Iterator[str]:
    name = f"habari-test-{uuid.uuid4().hex[:8]}"
    docker_client.api().create_network(name, internal=True)
    yield name
    for each in docker_client.api().inspect_network(name)["Containers"]:
        docker_client.api().disconnect_container_from_network(each, name, force=True)
    docker_client.api().remove_network(name)


@pytest.fixture
def node(images: Images, run: Run, network: str) -> Node:
    """A container whose containerd runs as on a node."""
    options = ("--privileged", f"--network={network}", "--entrypoint=containerd")
    made = run("run", "-d", *options, images.reference("node")).stdout.strip()
    found = Node(made, "node", "", running=True, mounts=frozenset(), ports=frozenset())
    wait_for(lambda: answers(found), seconds=30)
    return found


def answers(node: Node) -> bool:
    try:
        execute(node, ["ctr", "version"])
    except CommandFailed:
        return False
    return True


def certificate(folder: Path) -> bytes:
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    make = ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt"]
    make += ["ec_paramgen_curve:P-256", "-days", "2", "-subj", "/CN=a company"]
    make += ["-addext", "subjectAltName=DNS:mirror.test", "-keyout", "tls.key", "-out", "tls.crt"]
    subprocess.run(make, cwd=folder, check=True, capture_output=True)
    (folder / "tls.key").chmod(0o644)
    return (folder / "tls.crt").read_bytes()


def an_image() -> bytes:
    """The smallest file system: one file."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("file"))
    return packed.getvalue()


def test_a_node_pulls_upstreams_images_through_the_mirror(
    images: Images, run: Run, network: str, node: Node, tmp_path: Path
) -> None:
    ours, another = certificate(tmp_path), certificate(tmp_path / "another")
    settings = ["--env=REGISTRY_HTTP_TLS_CERTIFICATE=/given/tls.crt"]
    settings += ["--env=REGISTRY_HTTP_TLS_KEY=/given/tls.key", f"--volume={tmp_path}:/given:ro"]
    mirror = start(images, run, *settings, scheme="https")
    docker_client.api().connect_container_to_network(
        mirror.container, network, aliases=["mirror.test"]
    )
    held = f"{mirror.address}/cache/{UPSTREAM}"
    docker_client.api().import_image_from_data(
        an_image(), repository=held.rpartition(":")[0], tag="4.4.0"
    )
    try:
        run("push", held)
    finally:
        run("image", "rm", held)

    with pytest.raises(CommandFailed):  # the network has no way out
        execute(node, [*PULL, UPSTREAM])
    trusting = node_images.hosts_files("localhost:5001", "registry", MIRROR, ours)
    assert node_images.write_hosts_files(node, {**trusting, node_images.CA: another})
    with pytest.raises(CommandFailed) as refused:
        execute(node, [*PULL, UPSTREAM])
    assert "certificate" in refused.value.output
    assert node_images.write_hosts_files(node, trusting)
    execute(node, [*PULL, UPSTREAM])
    assert not node_images.write_hosts_files(node, trusting), "written once"

    assert node_images.write_hosts_files(
        node, node_images.hosts_files("localhost:5001", "registry", "", b"")
    )
    execute(node, ["ctr", "--namespace", "k8s.io", "images", "rm", UPSTREAM])
    with pytest.raises(CommandFailed):  # a mirror that was given up is not asked any more
        execute(node, [*PULL, UPSTREAM])
