"""Where a Compose mode is: its names in the engine, its files, the account in containers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from habari_local.config.render.compose import Place
from habari_local.core import container_user
from habari_local.drivers import processes
from habari_local.drivers.docker import compose
from habari_local.drivers.docker import endpoint as docker_endpoint
from habari_local.drivers.docker.client import ResourceLabels
from habari_local.platform.mode import Context

SERVER_FOLDER = "server"  # what the hub sees of the rendered files


def resource_labels(ctx: Context, mode: str) -> ResourceLabels:
    """Return whose things in the engine are this mode's."""
    return ResourceLabels(ctx.checkout.id, mode)


def render_place(ctx: Context, mode: str, images: Mapping[str, str]) -> Place:
    """Return what the machine and the checkout add to the settings."""
    socket = engine_socket(ctx)
    return Place(
        mode=mode,
        checkout=ctx.checkout.id,
        folder=ctx.checkout.of_mode(mode),
        project_path=ctx.project_path,
        user=f"{container_user.uid()}:{container_user.USERS}",
        docker_socket=socket,
        docker_group=socket.stat().st_gid if socket.exists() else 0,
        images=images,
    )


def project(ctx: Context, mode: str) -> compose.Project:
    """Return the Compose project; with [::1] published where this machine has it."""
    names = ("base", mode, *([f"{mode}-ipv6"] if processes.has_ipv6_loopback() else []))
    return compose.Project(
        name=f"habari-{ctx.checkout.id}-{mode}",
        files=compose.files(ctx.checkout.root / "compose", names),
        env_file=ctx.checkout.of_mode(mode) / "compose.env",
        label=processes.label(ctx.checkout.id, mode),
    )


def engine_socket(ctx: Context) -> Path:
    """Return the engine's socket on this machine."""
    return Path(docker_endpoint.socket_path(ctx.environ))
