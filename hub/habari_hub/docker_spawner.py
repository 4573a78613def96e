"""Notebook servers as containers, one for each user, each on a network of its own.

On a user's network are the user's server and those of the platform's containers that it needs (the
hub, S3) or that need it (the proxy): what isn't there can't be reached. The engine is reached
through the socket proxy (images/socket/habari_socket), which holds this class to just that.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from docker.errors import APIError, DockerException, NotFound
from dockerspawner import DockerSpawner  # type: ignore[import-untyped]
from dotenv import dotenv_values
from requests.exceptions import RequestException
from traitlets import Bool, Dict, Unicode

from habari_hub.end_notification import NotifiesOnce
from habari_hub.server_image import KnowsItsImage
from habari_hub.spawn_queue import QueuedSpawns
from habari_hub.takeover import TakesOver
from habari_hub.wait_for_port import wait_for_port

HOME = "/home/jovyan"
GRACE = 5.0  # seconds for the engine to start a server again that ended, as after its own restart
STOP_SECONDS = 5  # for a server to end by itself
ON_NETWORK = "already (exists|connected)"  # in Docker's words, and in Podman's
ENGINE_SECONDS = 30.0  # for an engine that can't be reached; a hub that starts is more patient


class HabariDockerSpawner(
    KnowsItsImage,
    TakesOver,
    NotifiesOnce,
    QueuedSpawns,
    DockerSpawner,  # type: ignore[misc]
):
    """Starts a user's server as a container with the user's own home volume and network."""

    server_env_file = Unicode(config=True, help="A dotenv file, read at each spawn.")
    project_path = Unicode(config=True, help="The host's folder that homes show as `project`.")
    server_user = Unicode(config=True, help="Number of the account in the container: `uid:gid`.")
    internet = Bool(config=True, help="Whether servers reach the world outside.")
    network_options = Dict(config=True, help="Options of users' networks.")
    partners = Dict(config=True, help="Containers on users' networks → the name they have there.")
    labels = Dict(config=True, help="Labels of all that is made for users.")

    _over: Any = None  # the end that was waited on: the hub asks thrice before it starts a new one
    _executor = ThreadPoolExecutor(8)  # one, as upstream has it, lets a stop hold up every spawn

    @property
    def hostname(self) -> str:
        """The server's name in its network: short for DNS, and no other user's."""
        return "u-" + hashlib.sha256(self.user.name.encode()).hexdigest()[:16]

    @property
    def home_volume(self) -> str:
        """The name of the volume of the user's home."""
        return f"{self.prefix}-home-{self.escaped_name}"

    @property
    def labels_of_mine(self) -> dict[str, str]:
        """The labels of what is made for this user."""
        return {**self.labels, "dev.habari.user": self.user.name}

    def get_env(self) -> dict[str, str]:
        """Return the server's environment; JupyterHub's own names win over the file's."""
        env: dict[str, str] = super().get_env()
        with Path(self.server_env_file).open(encoding="utf-8") as file:
            given = dotenv_values(stream=file, interpolate=False)
        return {**{name: value or "" for name, value in given.items()}, **env}

    def image_now(self) -> str:
        """Return the image of the next server: its name says what is in it."""
        return str(self.image)

    async def start(self) -> tuple[str, int]:
        """Start the server in a slot of the spawn queue; return its address once it listens.

        Raises:
            RuntimeError: the server ended, or did not listen within `launch_timeout` seconds.
            TimeoutError: no slot of the spawn queue was free in time.
        """
        async with self.spawn_slot():
            return await self._launched()

    async def _launched(self) -> tuple[str, int]:
        await asyncio.gather(
            self.docker("create_volume", self.home_volume, labels=self.labels_of_mine),
            self._join_network(),
        )
        self.volumes = {self.home_volume: HOME}
        if self.project_path:
            self.volumes[self.project_path] = f"{HOME}/project"
        network = {self.container_name: self.client.create_endpoint_config(aliases=[self.hostname])}
        self.extra_create_kwargs = {
            "user": self.server_user,
            "labels": self.labels_of_mine,
            "hostname": self.hostname,
            "networking_config": self.client.create_networking_config(network),
        }
        self.extra_host_config = {
            "network_mode": self.container_name,
            "auto_remove": False,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "pids_limit": 2048,
            "restart_policy": {"Name": "unless-stopped"},
        }
        await super().start()
        await self._listening()
        return self.hostname, self.port

    async def get_ip_and_port(self) -> tuple[str, int]:
        """Return the name and port: unlike the address they outlive a restart of the engine."""
        return self.hostname, self.port

    async def poll(self) -> Any:
        """Return None while the server runs, or is about to be started again by the engine."""
        deadline = time.monotonic() + GRACE
        status = await self._asked()
        while status not in (None, self._over) and self.object_id and time.monotonic() < deadline:
            await asyncio.sleep(0.2)
            status = await self._asked()
        self._over = status
        return status

    async def _asked(self) -> Any:
        """Ask the engine, again and again where it can't be reached: that ends no server.

        JupyterHub takes a poll that fails at its start for a server that has ended.
        """
        patience = self.takeover_timeout if self._check_pending else ENGINE_SECONDS
        deadline = time.monotonic() + patience
        while True:
            try:
                return await super().poll()
            except (RequestException, DockerException) as error:
                answered = isinstance(error, APIError) and error.status_code not in (502, 503, 504)
                if answered or time.monotonic() > deadline:
                    raise
            await asyncio.sleep(0.5)

    async def reach(self) -> None:
        """Join the user's network again: a recreated hub, proxy or S3 is on none."""
        try:
            await self._join_partners()
        except (RequestException, DockerException) as error:
            self.log.warning("%s: its network was not joined (%s)", self.container_name, error)

    async def stop(self, now: bool = False) -> None:
        """Stop and remove the server and its network; the home stays."""
        await super().stop(now)
        await self._leave_network()

    async def stop_object(self) -> None:
        """Ask the server to end, insist after a while."""
        try:
            await self.docker("stop", self.container_id, timeout=STOP_SECONDS)
        except NotFound:
            self.log.debug("%s: gone already", self.container_name)

    async def remove_object(self) -> None:
        """Remove the container, whatever state it is in; a gone one is fine."""
        try:
            await self.docker("remove_container", self.object_id, v=True, force=True)
        except APIError as error:
            if error.status_code not in (404, 409):
                raise

    async def _join_network(self) -> None:
        name = self.container_name
        found = await self._network()
        if found and (found["Internal"], found["Options"] or {}) != self._network_kind:
            # Of an earlier version, or of another S3 backend; no server is on it any more.
            await self._leave_network()
            found = None
        if not found:
            internal, options = self._network_kind
            await self.docker(
                "create_network",
                name,
                driver="bridge",
                internal=internal,
                options=options,
                labels=self.labels_of_mine,
            )
        await self._join_partners()

    async def _network(self) -> Any:
        try:
            return await self.docker("inspect_network", self.container_name)
        except NotFound:
            return None

    @property
    def _network_kind(self) -> tuple[bool, dict[str, str]]:
        """Whether the network is internal, and its options."""
        return not self.internet, dict(self.network_options)

    async def _join_partners(self) -> None:
        name = self.container_name
        for partner, alias in self.partners.items():
            try:
                await self.docker("connect_container_to_network", partner, name, aliases=[alias])
            except APIError as error:
                if not re.search(ON_NETWORK, str(error.explanation)):
                    raise

    async def _leave_network(self) -> None:
        for partner in self.partners:
            try:
                await self.docker("disconnect_container_from_network", partner, self.container_name)
            except APIError as error:
                self.log.debug("%s was not on the network: %s", partner, error.explanation)
        try:
            await self.docker("remove_network", self.container_name)
        except APIError as error:
            self.log.warning("%s: network stays (%s)", self.container_name, error.explanation)

    async def _listening(self) -> None:
        try:
            await wait_for_port(self.hostname, self.port, self.launch_timeout, self._ended)
        except RuntimeError:
            last = await self.docker("logs", self.container_id, tail=20)
            self.log.warning(
                "%s said last:\n%s", self.container_name, last.decode(errors="replace")
            )
            raise

    async def _ended(self) -> bool:
        found = await self.get_object()
        return not found or not found["State"]["Running"] or found["RestartCount"] > 0
