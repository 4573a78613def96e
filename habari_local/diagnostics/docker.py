"""What modes with containers need of the machine: Docker, its plug-ins, an engine that answers."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from habari_local.diagnostics.checks import (
    Finding,
    Requirement,
    at_least,
    refuse_lacking,
    version_of,
)
from habari_local.drivers import engine, mmdebstrap
from habari_local.drivers.docker import INSTALL, program
from habari_local.errors import HabariError

# The first engine and Compose that know the start interval of health checks.
ENGINE, COMPOSE, BUILDX = (25, 0), (2, 21), (0, 12)


def _client(env: Mapping[str, str]) -> Finding:
    found = version_of("docker", "--version")(env)
    return Finding(found or "not found", good=found not in (None, "broken"))


def _engine(env: Mapping[str, str]) -> Finding:
    if shutil.which("docker", path=env.get("PATH")) is None:
        return Finding("not found", good=False)
    try:
        version = str(engine.api().version()["Version"])
    except HabariError as error:
        seen = error.message.removeprefix("Docker: ").rpartition(", ")[0]
        return Finding(seen, good=False, mend=error.hint)
    numbers = tuple(int(part) for part in version.split(".")[:2])
    return Finding(version, good=numbers >= ENGINE)


def _dotted(numbers: tuple[int, ...]) -> str:
    return f"{'.'.join(map(str, numbers))} or newer"


def _bootstrapper(env: Mapping[str, str]) -> Finding:
    lacking = [
        each for each in mmdebstrap.programs() if not shutil.which(each, path=env.get("PATH"))
    ]
    if lacking:
        return Finding(f"no {lacking[0]}", good=False)
    return at_least(version_of("mmdebstrap", "--version"), (1, 3))(env)


CLIENT = Requirement("docker", "its command line", INSTALL, _client)
RUNNING = Requirement("Docker engine", f"{_dotted(ENGINE)}, running", INSTALL, _engine)
COMPOSER = Requirement(
    "Docker Compose",
    _dotted(COMPOSE),
    "sudo apt-get install docker-compose",
    at_least(version_of("docker", "compose", "version"), COMPOSE),
)
BUILDER = Requirement(
    "Docker buildx",
    _dotted(BUILDX),
    "sudo apt-get install docker-buildx",
    at_least(version_of("docker", "buildx", "version"), BUILDX),
)
MMDEBSTRAP = Requirement(
    "mmdebstrap (HABARI_IMAGES=packages alone)",
    "1.3 or newer",
    mmdebstrap.INSTALL,
    _bootstrapper,
    optional=True,
)
CONTAINERS = (CLIENT, RUNNING, COMPOSER, BUILDER, MMDEBSTRAP)


def refuse(env: Mapping[str, str]) -> None:
    """Refuse what can't succeed without Docker, before anything is started.

    What builds images is asked for when one is built: each question starts a program.

    Raises:
        HabariError: the first of what is missing, with the command that mends it; exit code 3.
    """
    program(env)
    refuse_lacking((RUNNING, COMPOSER), env)


def refuse_build(env: Mapping[str, str]) -> None:
    """Refuse to build an image without what builds it.

    Raises:
        HabariError: it is missing or too old, with the command that mends it; exit code 3.
    """
    refuse_lacking((BUILDER,), env)
