"""What mode kind does, typed by hand: kind, docker, kubectl and helm one after the other."""

from __future__ import annotations

import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from bench.client import Hub
from habari_local.config.load import load
from habari_local.core.paths import Checkout
from habari_local.helm_values.chart import chart_path, open_chart, production_values
from habari_local.images import bundled_binaries
from habari_local.images.build import Images
from tests.e2e.endpoints import Endpoints, parse
from tests.e2e.hub_client import HubError, sign_in
from tests.e2e.sign_in import SignInError
from tests.scratch import Scratch

SETTINGS = ("HABARI_PORT_OFFSET", "HABARI_IMAGES", "HABARI_CHART")
RENDERED = ("cluster.yaml", "values.yaml", "manifests.json")
LATER = "notebook"  # what is not needed before the first server starts
IMAGES = ("hub", "proxy", "s3-localstack", "github", LATER)


class Hand:
    """The commands of somebody who has the files that `up` rendered."""

    def __init__(self, scratch: Scratch) -> None:
        self.scratch = scratch
        self.rendered = scratch.state / "kind"
        self.name = f"habari-{scratch.id}"
        flags = {name: text for name, text in scratch.environment().items() if name in SETTINGS}
        settings = load(scratch.root, flags).settings
        self.images = Images(Checkout(scratch.root), settings, scratch.environment())
        self.environ = bundled_binaries.environment(self.images)
        self.kubeconfig = self.rendered / "by-hand"
        self.registry = f"localhost:{settings.port('registry')}"
        self.chart = chart_path(settings, scratch.root, self.environ)

    def run(self, *argv: str) -> str:
        """Run one command line and wait for its end."""
        environ = {**self.environ, "KUBECONFIG": str(self.kubeconfig)}
        done = subprocess.run(
            argv, cwd=self.scratch.root, env=environ, check=True, capture_output=True, text=True
        )
        return done.stdout

    def load(self, image: str) -> None:
        """Copy an image to the node under the name that the values give it."""
        reference = self.images.reference(image)
        target = f"{self.registry}/{reference}"
        self.run("docker", "tag", reference, target)
        self.run("kind", "load", "docker-image", target, "--name", self.name)
        self.run("docker", "rmi", target)

    def install(self, secret: str) -> None:
        """Make the cluster, and all in it but the notebook image."""
        node = self.images.reference("node")
        config = str(self.rendered / "cluster.yaml")
        self.run("kind", "create", "cluster", "--name", self.name, "--image", node,
                 "--config", config, "--kubeconfig", str(self.kubeconfig))  # fmt: skip
        for image in IMAGES:
            if image != LATER:
                self.load(image)
        self.run("kubectl", "create", "namespace", "habari")
        for file in (str(self.rendered / "manifests.json"), secret):
            self.run("kubectl", "--namespace", "habari", "apply", "--filename", file)
        own = (Path("kind/values.yaml"), self.rendered / "values.yaml")
        layers = (production_values(self.scratch.root), *own)
        values = [part for layer in layers for part in ("--values", str(layer))]
        self.run("helm", "install", "habari", str(self.chart), "--namespace", "habari",
                 "--wait", *values)  # fmt: skip


def chart(scratch: Scratch) -> str:
    """Return name and version of the chart that was measured."""
    found = open_chart(Hand(scratch).chart)
    return f"{found.name} {found.version}"


def measure(scratch: Scratch) -> dict[str, float]:
    """Take ours down for good, do the same by hand, and delete that too."""
    hand = Hand(scratch)
    where = parse(scratch.good("endpoints"), "habari-local endpoints")
    secret = scratch.good("kubectl", "--", "get", "secret", "habari-s3", "--output", "json")
    rendered = [hand.rendered / name for name in RENDERED]
    kept = [(file, file.read_bytes()) for file in rendered]
    scratch.good("down", "--wipe", "--yes")
    hand.rendered.mkdir(exist_ok=True)
    for file, content in kept:
        file.write_bytes(content)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as made:
        made.write(secret)
        made.flush()
        began = time.perf_counter()
        try:
            hand.install(made.name)
            _until_signed_in(where)
            found = {"up": time.perf_counter() - began}
            hand.load(LATER)
            Hub(where.hub, where.hub_api_token.get_secret_value()).spawn("grace")
            found["first"] = time.perf_counter() - began
        finally:
            hand.run("kind", "delete", "cluster", "--name", hand.name)
            hand.kubeconfig.unlink(missing_ok=True)
    return found


def _until_signed_in(where: Endpoints) -> None:
    while True:
        with suppress(OSError, HubError, SignInError):
            sign_in(where, "grace")
            return
        time.sleep(0.2)
