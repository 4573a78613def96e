"""kind, helm, kubectl and sops: the machine's own, or copied out of the image that holds them."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from pathlib import Path

from habari_local.core.atomic_dir import atomic_dir
from habari_local.core.errors import MissingTool
from habari_local.core.paths import private_folder
from habari_local.drivers import package_manager
from habari_local.drivers.docker import images as docker_images
from habari_local.images.build import Images

IMAGE = "tools"
NAMES = ("kind", "helm", "kubectl")  # what mode kind needs
IN_IMAGE = (*NAMES, "sops")


def from_image(images: Images) -> bool:
    """Whether the programs come out of our image rather than from this machine."""
    return images.settings.images == "packages"


def program(images: Images, name: str) -> Path:
    """Return the path of one of the programs.

    Raises:
        MissingTool: it is not on this machine, with the command that gets it.
    """
    if from_image(images):
        return folder(images) / name
    found = shutil.which(name, path=images.environ.get("PATH"))
    if found is None:
        why, install = "by mode kind", package_manager.install_cluster_tool(name, images.environ)
        raise MissingTool(name, why, install)
    return Path(found)


def folder(images: Images) -> Path:
    """Return where the programs of the image are kept: outside the checkout, by content tag."""
    home = Path(images.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "habari-local" / images.reference(IMAGE).replace(":", "-")


def environment(images: Images) -> dict[str, str]:
    """Return the environment in which our programs are found first, where they are ours."""
    found = dict(images.environ)
    if from_image(images):
        found["PATH"] = f"{folder(images)}{os.pathsep}{found.get('PATH', '')}"
    return found


def environment_with(name: str, images: Images) -> dict[str, str]:
    """Return an environment with a program: the machine's own, else our image's, copied out.

    Raises:
        MissingTool: the image is not built yet.
    """
    if shutil.which(name, path=images.environ.get("PATH")):
        return dict(images.environ)
    if from_image(images):
        if docker_images.find(images.reference(IMAGE)) is None:
            raise MissingTool(name, "by this command", f"habari-local image build {IMAGE}")
        unpack(images)
    return environment(images)


def unpack(images: Images) -> bool:
    """Copy the programs out of their image unless they are there; return whether it did."""
    target = folder(images)
    if all((target / name).is_file() for name in IN_IMAGE):
        return False
    private_folder(target)
    with atomic_dir(target) as part:
        for name in IN_IMAGE:
            packed = io.BytesIO(docker_images.read(images.reference(IMAGE), f"/{name}"))
            with tarfile.open(fileobj=packed) as tar:
                content = tar.extractfile(name)
                (part / name).write_bytes(content.read() if content else b"")
            (part / name).chmod(0o755)
            (part / name).replace(target / name)
    return True
