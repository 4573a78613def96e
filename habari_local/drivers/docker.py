"""Docker's images: built by buildx (its program: it can be ended midway), the rest by the SDK."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from habari_local.drivers import engine
from habari_local.errors import Cancelled, HabariError, MissingTool
from habari_local.run import run

LABEL, COMMIT = "dev.habari.image", "org.opencontainers.image.revision"
PLAIN_TO_TLS = "HTTP request to an HTTPS server"
# The way round a registry that is out of reach.
WITHOUT = "habari-local config set HABARI_IMAGES packages"
INSTALL = "sudo apt-get install docker.io docker-cli docker-buildx docker-compose"


@dataclass(frozen=True)
class Stored:
    """An image that the engine has; `size` in bytes, `tags` as REPOSITORY:TAG."""

    id: str
    tags: tuple[str, ...]
    size: int
    labels: Mapping[str, str] = field(default_factory=dict)


def program(environ: Mapping[str, str]) -> str:
    """Return the path of Docker's command line.

    Raises:
        MissingTool: there is none.
    """
    found = shutil.which("docker", path=environ.get("PATH"))
    if found is None:
        raise MissingTool("docker", "by every mode with containers", INSTALL)
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


def find(reference: str) -> Stored | None:
    """Return the image of that name, None if the engine has none."""
    import docker

    with _told():
        try:
            found = engine.api().inspect_image(reference)  # type: ignore[no-untyped-call]
        except docker.errors.ImageNotFound:
            return None
    labels = found["Config"].get("Labels") or {}
    return Stored(found["Id"], tuple(found["RepoTags"] or ()), found["Size"], labels)


def ours() -> list[Stored]:
    """Return every image that a habari-local built, whichever checkout it worked in."""
    with _told():
        found = engine.api().images(filters={"label": LABEL})
    return [
        Stored(each["Id"], tuple(each["RepoTags"] or ()), each["Size"], each["Labels"] or {})
        for each in found
    ]


def names_by_id() -> dict[str, tuple[str, ...]]:
    """Return the tags of every image, ours or not, by the image's id."""
    with _told():
        return {each["Id"]: tuple(each["RepoTags"] or ()) for each in engine.api().images()}


def import_tar(tar: Path, reference: str, changes: Sequence[str]) -> None:
    """Make a file system, packed as `tar`, the image `reference`; `changes` as in a Dockerfile."""
    repository, _, tag = reference.partition(":")
    with _told():
        engine.api().import_image_from_file(str(tar), repository, tag, changes=list(changes))


def pull(reference: str, say: Callable[[str], None], cancel: threading.Event | None) -> None:
    """Fetch an image from its registry.

    Raises:
        HabariError: the registry has no such image, refuses, or is out of reach.
    """
    with _told(f"Image {reference}", WITHOUT):
        _follow(engine.api().pull(reference, stream=True, decode=True), say, cancel)


def digest_there(target: str) -> str:
    """Return the digest that a registry has under a name and tag, "" where it has none.

    Credentials are those of `docker login` and of Docker's credential helpers.

    Raises:
        HabariError: the registry refuses, or is out of reach.
    """
    import docker

    with _told(f"Image {target}", f"docker login {target.partition('/')[0]}"):
        try:
            found = engine.api().inspect_distribution(target)  # type: ignore[no-untyped-call]
        except docker.errors.NotFound:
            return ""
        except docker.errors.APIError as error:
            # On a loopback address the engine asks by https and, whatever comes back, by http too:
            # the answer that counts is hidden. A push tells it.
            if PLAIN_TO_TLS in str(error.explanation):
                return ""
            raise
        return str(found["Descriptor"]["digest"])


def push(reference: str, target: str, say: Callable[[str], None]) -> str:
    """Send the image `reference` to a registry under the name `target`; return its digest there.

    Raises:
        HabariError: the registry refuses, or is out of reach.
    """
    told: list[str] = []
    repository, _, tag = target.rpartition(":")
    with _told(f"Image {target}", f"docker login {target.partition('/')[0]}"):
        engine.api().tag(reference, repository, tag)
        try:
            events = engine.api().push(repository, tag, stream=True, decode=True)
            _follow(_noting(events, told), say, None)
        finally:
            engine.api().remove_image(target, noprune=True)
    return told[-1] if told else digest_there(target)


def _noting(events: Iterator[dict[str, Any]], told: list[str]) -> Iterator[dict[str, Any]]:
    for event in events:
        if "Digest" in event.get("aux", {}):
            told.append(event["aux"]["Digest"])
        yield event


def remove(name: str) -> bool:
    """Remove the image `name`; return False where a container still uses it."""
    import docker

    with _told():
        try:
            engine.api().remove_image(name)
        except docker.errors.ImageNotFound:
            return True
        except docker.errors.APIError as error:
            if error.status_code == 409:
                return False
            raise
    return True


def _follow(
    events: Iterator[dict[str, Any]],
    say: Callable[[str], None],
    cancel: threading.Event | None,
) -> None:
    import docker

    for event in events:
        if cancel is not None and cancel.is_set():
            raise Cancelled
        if "error" in event:
            raise docker.errors.DockerException(str(event["error"]))
        say(" ".join(str(event.get(key, "")) for key in ("status", "progress")).strip())


@contextmanager
def _told(what: str = "Docker", hint: str = "docker info") -> Iterator[None]:
    """Turn what the SDK raises into a sentence."""
    import docker
    from requests import RequestException

    try:
        yield
    except (docker.errors.DockerException, RequestException) as error:
        said = str(getattr(error, "explanation", "") or error).rstrip(".")
        raise HabariError(f"{what}: {said}, an answer was expected.", hint) from error


@dataclass(frozen=True)
class Finished:
    """A container that ended: its exit code and what it printed."""

    code: int
    output: str


def run_once(
    reference: str, command: Sequence[str], *, labels: Mapping[str, str], seconds: int
) -> Finished:
    """Run a container of `reference` to its end and remove it; it reaches no network.

    Raises:
        HabariError: it can't be started, or is not over after `seconds`.
    """
    with _told(f"Image {reference}"):
        made = engine.api().create_container(
            reference, list(command), labels=dict(labels), network_disabled=True
        )
        try:
            engine.api().start(made["Id"])
            code = engine.api().wait(made["Id"], timeout=seconds)["StatusCode"]
            return Finished(code, engine.api().logs(made["Id"]).decode(errors="replace"))
        finally:
            engine.api().remove_container(made["Id"], force=True, v=True)
