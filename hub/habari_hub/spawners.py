"""Which spawner starts people's servers, and how it is configured: one function for each."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from typing import Any

from habari_hub.settings import Settings


def configure_spawner(c: Any, settings: Settings) -> None:
    """Configure the spawner that the settings name (read_settings has checked that it is one)."""
    SPAWNERS[settings.spawner](c, settings)
    # Starts queue (spawn_queue.py), so nobody is turned away until a hundred wait; then for seconds
    # in which several servers have started, and not for JupyterHub's half a minute to a minute.
    c.JupyterHub.concurrent_spawn_limit = 100
    # JupyterHub's trait of that name is no option (it warns of it, "not recognized", and keeps its
    # own); this is where the trait ends up, and what the hub reads.
    c.JupyterHub.tornado_settings["spawn_throttle_retry_range"] = (5, 15)


def _process(c: Any, settings: Settings) -> None:
    from habari_hub.process_spawner import ProcessSpawner

    c.JupyterHub.spawner_class = ProcessSpawner
    c.JupyterHub.template_vars["announcement"] = (
        "Process mode: one person's machine. Everybody's server runs as the same account here, so"
        " users are kept apart, not protected from one another."
    )
    c.ProcessSpawner.cmd = shlex.split(settings.server_command)
    # Whoever runs process mode as root (a container, CI) has root's servers, and was told so.
    as_root = ["--allow-root"] if os.geteuid() == 0 else []
    c.ProcessSpawner.args = [f"--config={settings.server_config}", *as_root]
    c.ProcessSpawner.homes_dir = settings.homes_dir
    c.ProcessSpawner.server_env_file = settings.server_env_file
    c.ProcessSpawner.server_version_file = settings.server_version_file
    c.ProcessSpawner.project_path = settings.project_path
    c.ProcessSpawner.ip = "127.0.0.1"
    c.ProcessSpawner.poll_interval = 10  # seconds
    # A first SIGINT is enough for a server that is well; one that isn't gets little time.
    c.ProcessSpawner.interrupt_timeout = 5
    c.ProcessSpawner.term_timeout = 3


def _docker(c: Any, settings: Settings) -> None:
    from habari_hub.docker_spawner import HabariDockerSpawner

    docker = settings.docker
    if docker is None:
        raise TypeError("read_settings makes docker's settings for the docker spawner")
    c.JupyterHub.spawner_class = HabariDockerSpawner
    # The engine restarts a proxy that died, without routes: seconds until the hub notices.
    c.JupyterHub.last_activity_interval = 5
    c.DockerSpawner.client_kwargs = {"base_url": docker.url, "timeout": 30}
    c.DockerSpawner.image = docker.image
    c.DockerSpawner.pull_policy = "skip"  # the tool has seen to it
    c.DockerSpawner.prefix = docker.prefix
    c.DockerSpawner.name_template = "{prefix}-user-{username}"
    c.DockerSpawner.use_internal_ip = True
    c.DockerSpawner.remove = True
    c.DockerSpawner.cmd = ["jupyterhub-singleuser"]
    c.DockerSpawner.mem_limit = docker.memory or None
    c.DockerSpawner.cpu_limit = docker.cpus or None
    c.DockerSpawner.poll_interval = 10  # seconds
    c.HabariDockerSpawner.server_env_file = settings.server_env_file
    c.HabariDockerSpawner.project_path = settings.project_path
    c.HabariDockerSpawner.server_user = docker.user
    c.HabariDockerSpawner.internet = docker.internet
    c.HabariDockerSpawner.network_options = dict(docker.network_options)
    c.HabariDockerSpawner.partners = dict(docker.partners)
    c.HabariDockerSpawner.labels = dict(docker.labels)


SPAWNERS: dict[str, Callable[[Any, Settings], None]] = {"process": _process, "docker": _docker}
