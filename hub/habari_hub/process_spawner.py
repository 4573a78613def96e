"""Notebook servers as plain processes of this machine, one for each user.

Every user has a home, a port and an environment of their own. That keeps people's work apart, not
people: all servers run as the account that runs the hub. A server outlives its hub; the next hub
takes it back by pid and start time, and never touches a process that only inherited the pid.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
from dotenv import dotenv_values
from jupyterhub.spawner import SimpleLocalProcessSpawner  # type: ignore[import-untyped]
from tornado.web import HTTPError
from traitlets import Float, Unicode, default

from habari_hub.end_notification import NotifiesOnce
from habari_hub.server_image import KnowsItsImage
from habari_hub.spawn_queue import QueuedSpawns
from habari_hub.takeover import TakesOver

ENV_KEEP = [
    *("HABARI_LABEL", "LANG", "LC_ALL", "TZ", "TMPDIR"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
]
START_SLACK = 0.5  # seconds between two looks at when the same process started
KNOCK_EVERY = 0.03  # seconds
LOOK_EVERY = 1.0  # seconds between two looks at whether a server that starts works
WORK = 0.5  # seconds of a processor: more than what hangs takes in a minute
LOG_BYTES = 5_000_000  # of a log, after which the next start begins another


class ServerFailedError(HTTPError):
    """A server that did not come up: 500, with a sentence for the hub's page and API alike."""

    def __init__(self, user: str, seen: str) -> None:
        self.jupyterhub_message = (
            f"{user}'s server: {seen}, and never listened. Try: habari-local logs {user}"
        )
        super().__init__(500, "%s", self.jupyterhub_message)


class Effort:
    """Whether a process works: by what it, and those that it started, have had of a processor."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._seen = 0.0

    def grown(self) -> bool:
        """Whether that is more by `WORK` than when this was last true."""
        try:
            process = psutil.Process(self._pid)
            times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
        except psutil.Error:
            return False
        # Of ended children too: a start may be one program after the other.
        now = sum(t.user + t.system + t.children_user + t.children_system for t in times)
        if now < self._seen + WORK:
            return False
        self._seen = now
        return True


class ProcessSpawner(
    KnowsItsImage,
    TakesOver,
    NotifiesOnce,
    QueuedSpawns,
    SimpleLocalProcessSpawner,  # type: ignore[misc]
):
    """Starts a user's server as a process in the user's own home."""

    homes_dir = Unicode(config=True, help="The folder of all homes.")
    server_env_file = Unicode(config=True, help="A dotenv file, read at each spawn.")
    server_version_file = Unicode(config=True, help="Has what servers start from, in a word.")
    project_path = Unicode(config=True, help="The folder that every home shows as `project`.")
    started = Float(0.0, help="When the process started, in seconds since boot.")

    @default("env_keep")
    def _env_keep(self) -> list[str]:
        return ENV_KEEP

    @default("home_dir")
    def _home_dir(self) -> str:
        return str(Path(self.homes_dir) / folder_for(self.user.name))

    def make_preexec_fn(self, name: str) -> None:
        """Run nothing between fork and exec: `start` has made the home already."""

    def get_env(self) -> dict[str, str]:
        """Return the server's whole environment; JupyterHub's own names win over the file's."""
        env: dict[str, str] = super().get_env()
        with Path(self.server_env_file).open(encoding="utf-8") as file:
            given = dotenv_values(stream=file, interpolate=False)
        commands = [str(Path(self.cmd[0]).parent), os.environ.get("PATH", os.defpath)]
        given = {**given, "HABARI_SERVER_VERSION": self.started_from}
        return {"PATH": os.pathsep.join(commands), **{k: v or "" for k, v in given.items()}, **env}

    def image_now(self) -> str:
        """Return what the checkout is known by that the next server starts from."""
        try:
            return Path(self.server_version_file).read_text(encoding="utf-8").strip()
        except OSError:
            return ""

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back what an earlier hub knew of the process."""
        super().load_state(state)
        self.started = state.get("started", 0.0)

    def get_state(self) -> dict[str, Any]:
        """Return what the next hub will know the process by."""
        state: dict[str, Any] = super().get_state()
        return {**state, "started": self.started} if self.pid else state

    async def start(self) -> tuple[str, int]:
        """Start the server in a slot of the spawn queue; return its address once it listens.

        Raises:
            ServerFailedError: the server ended, or did nothing for `launch_timeout` seconds.
        """
        make_home(Path(self.home_dir), self.project_path)
        async with self.spawn_slot():
            log = self._log_file()
            self.popen_kwargs = {"cwd": self.home_dir, "stdout": log, "stderr": log}
            try:
                address: tuple[str, int] = await super().start()
            finally:
                os.close(log)
                self.popen_kwargs = {}
            self.started = since_boot(psutil.Process(self.pid))
            await self._listening(*address)
        return address

    def _log_file(self) -> int:
        """Open what the server writes to: a file for each user, beside the services' logs."""
        folder = Path(self.homes_dir).parent / "logs"
        folder.mkdir(mode=0o700, exist_ok=True)
        file = folder / f"server-{folder_for(self.user.name)}.log"
        if file.is_file() and file.stat().st_size > LOG_BYTES:
            file.replace(file.with_suffix(".log.1"))
        return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    async def _listening(self, ip: str, port: int) -> None:
        """Knock at short intervals: JupyterHub's own, which grow and are random, cost a second.

        A server that works may take as long as `start_timeout` leaves: machines are slow, or busy.
        """
        worked = looked = time.monotonic()
        effort = Effort(self.pid)
        while time.monotonic() < worked + self.launch_timeout:
            if await self.poll() is not None:
                raise ServerFailedError(self.user.name, "ended while it started")
            if time.monotonic() > looked + LOOK_EVERY:
                looked = time.monotonic()
                worked = looked if effort.grown() else worked
            try:
                _, writer = await asyncio.open_connection(ip, port)
            except OSError:
                await asyncio.sleep(KNOCK_EVERY)
            else:
                writer.close()
                return
        raise ServerFailedError(self.user.name, f"silent for {self.launch_timeout:g} s")

    async def wait_for_death(self, timeout: float = 10) -> bool:
        """Wait up to `timeout` seconds for the process to end, woken by its end."""
        try:
            process = self.proc or psutil.Process(self.pid)
            await asyncio.to_thread(process.wait, timeout)
        except (subprocess.TimeoutExpired, psutil.Error):
            pass
        return await self.poll() is not None

    async def _signal(self, sig: int) -> bool:
        """Send `sig` (0: none) to the process; False where it is gone or the pid is another's."""
        return self._is_ours() and bool(await super()._signal(sig))

    def _is_ours(self) -> bool:
        if self.proc is not None:
            return bool(self.pid)
        try:
            process = psutil.Process(self.pid)
            same = abs(since_boot(process) - self.started) <= START_SLACK
            same = same and _label(process.environ()) == _label(os.environ)
            return bool(self.pid and same and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.Error:
            return False


def _label(environ: Mapping[str, str]) -> str:
    """Return which checkout a process is of: the database of a copied one names the other's."""
    return environ.get("HABARI_LABEL", "")


def since_boot(process: psutil.Process) -> float:
    """When `process` started, in seconds since boot: a clock that is set does not move it."""
    return process.create_time() - psutil.boot_time()


def folder_for(user: str) -> str:
    """The folder of `user` in the folder of homes: no two users share one, none leaves it."""
    return quote(user, safe="").replace(".", "%2E").replace("~", "%7E")


def make_home(home: Path, project: str) -> None:
    """Make `home`, for its owner alone, and in it the link `project`.

    A file or folder of the user's that has this name stays; a link is replaced.
    """
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    link = home / "project"
    if not Path(project).is_dir() or not project or (link.exists() and not link.is_symlink()):
        return
    link.unlink(missing_ok=True)
    link.symlink_to(Path(project).resolve(), target_is_directory=True)
