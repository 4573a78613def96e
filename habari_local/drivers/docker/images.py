"""Docker's images: built by buildx (its program: it can be ended midway), the rest by the SDK."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from habari_local.core.errors import MissingTool
from habari_local.core.subprocesses import run
from habari_local.drivers import package_manager
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.docker.client import translate_errors

LABEL, COMMIT = "dev.habari.image", "org.opencontainers.image.revision"
REGISTRY = "habari-registry"  # the volume of what was sent to local clusters, by all checkouts
# The way round a registry that is out of reach.
WITHOUT = "habari-local config set HABARI_IMAGES packages"


@dataclass(frozen=True)
class LocalImage:
    """An image that the engine has; `size` in bytes, `tags` as REPOSITORY:TAG.

    `healthcheck`: the engine runs a check of its own in each container; of `find` alone.
    """

    id: str
    tags: tuple[str, ...]
    size: int
    labels: Mapping[str, str] = field(default_factory=dict)
    healthcheck: bool = False


def program(environ: Mapping[str, str]) -> str:
    """Return the path of Docker's command line.

    Raises:
        MissingTool: there is none.
    """
    found = shutil.which("docker", path=environ.get("PATH"))
    if found is None:
        why = "by every mode with containers"
        raise MissingTool("docker", why, package_manager.install(package_manager.DOCKER, environ))
    return found


def build(
    argv: Sequence[str],
    environ: Mapping[str, str],
    *,
    on_line: Callable[[str], None],
    cancel: threading.Event | None = None,
) -> None:
    """Run `docker buildx build` with `argv`; what it prints is BuildKit's plain progress.

    Raises:
        CommandFailed: the build failed; its output says where.
        Cancelled: `cancel` was set; BuildKit keeps the steps that were done.
        MissingTool: no Docker here.
    """
    command = [program(environ), "buildx", "build", "--progress=plain", "--load", *argv]
    run(command, env=environ, on_line=on_line, cancel=cancel)


def find(reference: str) -> LocalImage | None:
    """Return the image of that name, None if the engine has none."""
    import docker

    with translate_errors():
        try:
            found = docker_client.api().inspect_image(reference)  # type: ignore[no-untyped-call]
        except docker.errors.ImageNotFound:
            return None
    labels = found["Config"].get("Labels") or {}
    check = (found["Config"].get("Healthcheck") or {}).get("Test") or ["NONE"]
    tags = tuple(found["RepoTags"] or ())
    return LocalImage(found["Id"], tags, found["Size"], labels, healthcheck=check != ["NONE"])


def habari_images() -> list[LocalImage]:
    """Return every image that a habari-local built, whichever checkout it worked in."""
    with translate_errors():
        found = docker_client.api().images(filters={"label": LABEL})
    return [
        LocalImage(each["Id"], tuple(each["RepoTags"] or ()), each["Size"], each["Labels"] or {})
        for each in found
    ]


def import_tar(tar: Path, reference: str, changes: Sequence[str]) -> None:
    """Make a file system, packed as `tar`, the image `reference`; `changes` as in a Dockerfile."""
    repository, _, tag = reference.partition(":")
    with translate_errors():
        docker_client.api().import_image_from_file(str(tar), repository, tag, changes=list(changes))


def remove(name: str) -> bool:
    """Remove the image `name`; return False where a container still uses it."""
    import docker

    with translate_errors():
        try:
            docker_client.deletion_api().remove_image(name)
        except docker.errors.ImageNotFound:
            return True
        except docker.errors.APIError as error:
            if error.status_code == 409:
                return False
            raise
    return True


def sent() -> bool:
    """Whether anything was sent to local clusters and is kept."""
    found = docker_client.api().volumes(filters={"name": REGISTRY})["Volumes"] or ()
    return any(each["Name"] == REGISTRY for each in found)


def remove_pushed_names() -> bool:
    """Delete what was sent to local clusters; return False where there is none or one is up."""
    import docker

    try:
        docker_client.deletion_api().remove_volume(REGISTRY)
    except docker.errors.APIError:
        return False
    return True


@dataclass(frozen=True)
class Finished:
    """A container that ended: its exit code and what it printed."""

    code: int
    output: str


def run_once(
    reference: str,
    command: Sequence[str],
    *,
    labels: Mapping[str, str],
    seconds: int,
    user: str = "",
) -> Finished:
    """Run a container of `reference` to its end and remove it.

    It reaches no network, and looks names up at 127.0.0.1: whoever listens there sees them all.
    `user` is an account's number, `uid:gid`; empty: the image's own.

    Raises:
        HabariError: it can't be started, or is not over after `seconds`.
    """
    with translate_errors(f"Image {reference}"):
        made = docker_client.api().create_container(
            reference,
            list(command),
            labels=dict(labels),
            host_config=docker_client.api().create_host_config(
                network_mode="none", dns=["127.0.0.1"]
            ),
            user=user or None,
            use_config_proxy=False,  # it reaches no network
        )
        try:
            docker_client.api().start(made["Id"])
            code = docker_client.api().wait(made["Id"], timeout=seconds)["StatusCode"]
            return Finished(code, docker_client.api().logs(made["Id"]).decode(errors="replace"))
        finally:
            docker_client.deletion_api().remove_container(made["Id"], force=True, v=True)


def read(reference: str, path: str) -> bytes:
    """Return a file of an image, packed as tar; nothing of the image is run.

    Raises:
        HabariError: there is no such image or file.
    """
    with translate_errors(f"Image {reference}"):
        made = docker_client.api().create_container(reference, ["none"], labels={LABEL: "read"})
        try:
            return b"".join(docker_client.api().get_archive(made["Id"], path)[0])
        finally:
            docker_client.deletion_api().remove_container(made["Id"], force=True, v=True)
