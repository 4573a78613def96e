"""Room for a mode's images, where Docker keeps them: what is not there yet, at its largest."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from habari_local.config.load import load
from habari_local.config.settings import Settings
from habari_local.core.errors import ConfigError, HabariError
from habari_local.core.paths import find_checkout
from habari_local.diagnosis.requirements import TOO_LITTLE, Finding, Requirement, always
from habari_local.drivers import kind
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.docker import images as docker_images
from habari_local.images.build import Images
from habari_local.images.catalogue import Image
from habari_local.images.upstream import Recorded
from habari_local.images.upstream import load as recorded

SERVERS_OWN = 1_000_000_000  # bytes beside images: volumes, logs, what a build keeps
# Of what a local cluster runs: unpacked on each node, compressed in the registry beside it
# (measured with images from packages: 0.35 of the unpacked size).
COMPRESSED = 0.35
OF_CHART = ("hub", "proxy")  # which the chart brings itself with upstream
KIND, ON_NODES = "kind", ("notebook", "s3-moto", "s3-localstack", "github", "hub", "proxy")
CONTAINERDS = Path("/var/lib/containerd")  # of images, where Docker leaves them to containerd
CONTAINERD_STORE = "io.containerd.snapshotter.v1"


def requirement(mode: str, backend: str) -> Requirement:
    """Return the requirement of room for a mode whose S3 is `backend` unless settings say."""

    def check(environ: Mapping[str, str]) -> Finding:
        try:
            free = free_bytes()
            needed = needed_bytes(_images(environ), mode, backend)
        except HabariError:
            return Finding("not asked", good=True, detail="No engine answers.")
        if free is None:
            return Finding(f"needs {_gb(needed)}", good=True, detail="Docker's disk is not here.")
        found = f"{_gb(free)} for {needed / 1e9:.0f}"
        detail = f"{_gb(free)} are free where Docker keeps images, {mode} takes up to {_gb(needed)}"
        return Finding(
            found, good=free >= needed, state=TOO_LITTLE, detail="" if free >= needed else detail
        )

    return Requirement(f"{mode}'s images", "room for them", always("docker system df"), check)


def needed_bytes(images: Images, mode: str, backend: str) -> int:
    """Return what a mode's images take that the engine does not have, copies in a cluster too."""
    settings = images.settings
    s3 = settings.s3_backend if settings.s3_backend != "auto" else backend
    known = recorded(images.checkout.root)
    sizes = {
        name: size_of(image, known.get(name))
        for name, image in images.catalogue.items()
        if mode in image.modes and (not name.startswith("s3-") or name == f"s3-{s3}")
    }
    missing = {name for name in sizes if docker_images.find(images.reference(name)) is None}
    needed = sum(sizes[name] for name in missing if not name.startswith("chart-"))
    if mode == KIND and not kind.find_nodes(f"habari-{images.checkout.id}"):
        chart = [name for name in sizes if name.startswith("chart-")]
        own = [name for name in sizes if name in ON_NODES and not (chart and name in OF_CHART)]
        on_node = sum(sizes[name] for name in (*own, *chart))
        needed += on_node * settings.nodes + int(sum(sizes[name] for name in own) * COMPRESSED)
    return needed + SERVERS_OWN if needed else 0


def size_of(image: Image, known: Recorded | None) -> int:
    """Return what an image takes unpacked: as recorded, else what it may grow to."""
    seen = known.size("size_mb") if known and image.pull else None
    return seen or image.limit_mb * 1_000_000


def free_bytes() -> int | None:
    """Return what is free where the engine keeps images, None where that can't be seen from here.

    Raises:
        HabariError: no engine answers.
    """
    with docker_client.translate_errors():
        info = docker_client.api().info()
    root = Path(info["DockerRootDir"])
    if "Docker Desktop" in info.get("OperatingSystem", "") or not _is_here(root):
        return None
    places = [root]
    if CONTAINERD_STORE in str(info.get("DriverStatus")) and _is_here(CONTAINERDS):
        places.append(CONTAINERDS)
    return min(shutil.disk_usage(place).free for place in places)


def _is_here(folder: Path) -> bool:
    try:
        return folder.is_dir()
    except OSError:
        return False


def _images(environ: Mapping[str, str]) -> Images:
    checkout = find_checkout()
    try:
        settings = load(checkout.root).settings
    except ConfigError:
        settings = Settings()
    return Images(checkout, settings, environ)


def _gb(size: int) -> str:
    return f"{size / 1e9:.0f} GB"
