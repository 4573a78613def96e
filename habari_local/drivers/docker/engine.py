"""Which engine answers with Docker's interface: Docker's own, or Podman."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from habari_local.drivers.docker import client as docker_client

if TYPE_CHECKING:
    import docker

DOCKER, PODMAN = "Docker", "Podman"


@dataclass(frozen=True)
class Engine:
    """An engine by its maker's name and its version."""

    name: str
    version: str

    def __str__(self) -> str:
        """Return both, as a person reads them."""
        return f"{self.name} {self.version}"

    @property
    def numbers(self) -> tuple[int, ...]:
        """The first two numbers of the version."""
        return tuple(int(part) for part in self.version.split(".")[:2])


def current() -> Engine:
    """Return the engine that Docker's command line works with.

    Raises:
        HabariError: no engine answers there, with the command that fixes it.
    """
    return _asked(docker_client.api())


@cache
def _asked(api: docker.APIClient) -> Engine:
    with docker_client.translate_errors():
        return _described(api.version())


def _described(answer: Mapping[str, Any]) -> Engine:
    parts = {str(each["Name"]) for each in answer.get("Components") or ()}
    name = PODMAN if "Podman Engine" in parts else DOCKER
    return Engine(name, str(answer["Version"]).partition("+")[0])
