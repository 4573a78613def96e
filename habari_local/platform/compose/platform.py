"""What a Compose mode runs: its names in the engine, its files, its images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from habari_local.config.render.compose import Place
from habari_local.core import container_user
from habari_local.drivers import operating_system, processes
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.docker import compose
from habari_local.drivers.docker import endpoint as docker_endpoint
from habari_local.drivers.docker import engine as docker_engine
from habari_local.drivers.docker.client import Container, ResourceLabels
from habari_local.drivers.docker.engine import PODMAN
from habari_local.platform.mode import Context
from habari_local.platform.scheduler import catalogue_name

SERVER_FOLDER = "server"  # what the hub sees of the rendered files


@dataclass(frozen=True)
class ComposePlatform:
    """The Compose project of one mode in one context."""

    ctx: Context
    mode: str

    @cached_property
    def labels(self) -> ResourceLabels:
        """What our things in the engine are labelled."""
        return ResourceLabels(self.ctx.checkout.id, self.mode)

    @cached_property
    def project(self) -> compose.Project:
        """The Compose project: with [::1] published where it is there, as the engine takes it."""
        ipv6 = [f"{self.mode}-ipv6"] if processes.has_ipv6_loopback() else []
        podman = [f"{self.mode}-podman"] if docker_engine.current().name == PODMAN else []
        names = ("base", self.mode, *ipv6, *podman)
        return compose.Project(
            name=f"habari-{self.ctx.checkout.id}-{self.mode}",
            files=compose.files(self.ctx.checkout.root / "compose", names),
            env_file=self.folder / "compose.env",
            label=processes.label(self.ctx.checkout.id, self.mode),
        )

    @property
    def folder(self) -> Path:
        """Where the rendered files are, made when absent."""
        return self.ctx.checkout.of_mode(self.mode)

    def containers(self) -> list[Container]:
        """Return our containers, running or not, the oldest first."""
        return docker_client.containers(self.labels)

    def references(self, services: Sequence[str]) -> dict[str, str]:
        """Return what the services' images are called, by service."""
        images, settings = self.ctx.images, self.ctx.settings
        return {name: images.reference(catalogue_name(settings, name)) for name in services}

    def place(self, images: Mapping[str, str]) -> Place:
        """Return what the machine and the checkout add to the settings."""
        socket, group = docker_endpoint.engine_socket(self.ctx.environ)
        return Place(
            mode=self.mode,
            checkout=self.ctx.checkout.id,
            folder=self.folder,
            project_path=self.ctx.project_path,
            user=f"{container_user.uid()}:{container_user.USERS}",
            docker_socket=Path(socket),
            docker_group=group,
            bind_label=operating_system.current().bind_label,
            gateways=docker_engine.current().name == PODMAN,
            images=images,
        )
