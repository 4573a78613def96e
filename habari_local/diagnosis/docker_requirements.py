"""What modes with containers need of the machine: Docker, its plug-ins, an engine that answers."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping

from habari_local.core.errors import HabariError
from habari_local.diagnosis.requirements import (
    BROKEN,
    NOT_RUNNING,
    TOO_OLD,
    Finding,
    Requirement,
    at_least,
    install,
    require_all,
    version_of,
)
from habari_local.drivers import mmdebstrap, package_manager
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.docker.images import program

# The first engine and Compose that know the start interval of health checks.
ENGINE, COMPOSE, BUILDX = (25, 0), (2, 21), (0, 12)


def _client(env: Mapping[str, str]) -> Finding:
    found = version_of("docker", "--version")(env)
    if found == BROKEN:
        return Finding("gives no version", good=False, state=BROKEN)
    return Finding(found or "not found", good=found is not None)


def _engine(env: Mapping[str, str]) -> Finding:
    if shutil.which("docker", path=env.get("PATH")) is None:
        return Finding("not found", good=False)
    try:
        version = str(docker_client.api().version()["Version"])
    except HabariError as error:
        message = error.message.removeprefix("Docker: ").rpartition(", ")[0]
        return Finding("no answer", good=False, fix=error.hint, state=NOT_RUNNING, detail=message)
    numbers = tuple(int(part) for part in version.split(".")[:2])
    return Finding(version.partition("+")[0], good=numbers >= ENGINE, state=TOO_OLD)


def _dotted(numbers: tuple[int, ...]) -> str:
    return f"{'.'.join(map(str, numbers))} or newer"


def _bootstrapper(env: Mapping[str, str]) -> Finding:
    if env.get("HABARI_IMAGES") != "packages":
        return Finding("not needed", good=True)
    missing = [
        each for each in mmdebstrap.programs() if not shutil.which(each, path=env.get("PATH"))
    ]
    if missing:
        return Finding(f"no {missing[0]}", good=False)
    return at_least(version_of("mmdebstrap", "--version"), (1, 3))(env)


def _plugin(name: str, least: tuple[int, ...]) -> Callable[[Mapping[str, str]], Finding]:
    """Return the check of one of the command line's plug-ins: without it, that fails."""
    read = version_of("docker", name, "version")

    def known(env: Mapping[str, str]) -> str | None:
        version = read(env)
        return None if version == BROKEN else version

    look = at_least(known, least)

    def check(env: Mapping[str, str]) -> Finding:
        if shutil.which("docker", path=env.get("PATH")) is None:
            return Finding("not found", good=False, fix=DOCKER(env))
        return look(env)

    return check


DOCKER = install(package_manager.DOCKER)
CLIENT = Requirement("docker", "any version", DOCKER, _client)
RUNNING = Requirement("Docker engine", _dotted(ENGINE), DOCKER, _engine)
COMPOSER = Requirement(
    "Docker Compose",
    _dotted(COMPOSE),
    install(package_manager.COMPOSE),
    _plugin("compose", COMPOSE),
)
BUILDER = Requirement(
    "Docker buildx",
    _dotted(BUILDX),
    install(package_manager.BUILDX),
    _plugin("buildx", BUILDX),
)
MMDEBSTRAP = Requirement(
    "mmdebstrap",
    "1.3 or newer",
    install(package_manager.MMDEBSTRAP),
    _bootstrapper,
    optional="image builds",
)
CONTAINERS = (CLIENT, RUNNING, COMPOSER, BUILDER, MMDEBSTRAP)


def require_docker(env: Mapping[str, str]) -> None:
    """Refuse what can't succeed without Docker, before anything is started.

    What builds images is asked for when one is built: each question starts a program.

    Raises:
        HabariError: the first of what is missing, with the command that fixes it; exit code 3.
    """
    program(env)
    require_all((RUNNING, COMPOSER), env)


def require_build_tools(env: Mapping[str, str]) -> None:
    """Refuse to build an image without what builds it.

    Raises:
        HabariError: it is missing or too old, with the command that fixes it; exit code 3.
    """
    require_all((BUILDER,), env)
