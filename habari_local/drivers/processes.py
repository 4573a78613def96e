"""Long-running local processes: started with a label in their environment, found again by it.

The label needs no pid file, so nothing can go stale: a process is ours if its environment says so,
whatever happened to the tool that started it. Descendants inherit `HABARI_LABEL`; only the service
itself carries `HABARI_SERVICE` (servers and kernels are started with a chosen environment).
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from habari_local.core import polling
from habari_local.core.errors import MissingTool, NotReady, NotRunning
from habari_local.drivers import operating_system
from habari_local.drivers.log_files import STARTED

LABEL, SERVICE = "HABARI_LABEL", "HABARI_SERVICE"
SERVER_VERSION = "HABARI_SERVER_VERSION"  # variable of users' servers
UMASK = 0o022  # of what we start and what that starts: a container's, whatever the caller's is


@dataclass(frozen=True)
class ManagedProcess:
    """A running process of ours: `service` and `digest` are empty for a descendant of one."""

    process: psutil.Process
    mode: str
    service: str
    digest: str
    user: str
    version: str = ""  # of what a user's server was started from

    @property
    def since(self) -> float:
        """Return the time of its start, seconds since the epoch."""
        return float(self.process.create_time())

    @property
    def pid(self) -> int:
        """Return its number."""
        return int(self.process.pid)

    def memory(self) -> int:
        """Return its share of memory in bytes."""
        return operating_system.memory(self.process)


def label(checkout_id: str, mode: str) -> str:
    """Return the value of `HABARI_LABEL` for all that one mode of one checkout starts."""
    return f"{checkout_id}/{mode}"


def start(
    argv: Sequence[str],
    *,
    label: str,
    service: str,
    digest: str,
    env: Mapping[str, str],
    cwd: Path,
    log: Path,
) -> psutil.Process:
    """Start a process that outlives this one, its output appended to `log` (made 0600).

    A line before it says when, so that what an earlier one wrote is not taken for its words.

    Raises:
        MissingTool: the program is not there.
    """
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(handle, f"{STARTED}{service} {datetime.now(UTC):%Y-%m-%d %H:%M:%SZ} ---\n".encode())
    try:
        started = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env={**env, LABEL: label, SERVICE: f"{service}@{digest}"},
            stdin=subprocess.DEVNULL,
            stdout=handle,
            stderr=handle,
            start_new_session=True,
            umask=UMASK,
        )
    except FileNotFoundError as error:
        raise MissingTool(argv[0], f"to start {service}", "habari-local doctor") from error
    finally:
        os.close(handle)
    # Detached on purpose: keep Python from warning that nobody waits for it.
    started.returncode = 0
    return psutil.Process(started.pid)


def find(checkout_id: str, mode: str | None = None) -> list[ManagedProcess]:
    """Return the running processes of a checkout, oldest first, sparing our own ancestors."""
    myself = psutil.Process()
    spared = {myself.pid, *(parent.pid for parent in myself.parents())}
    found = []
    for process in psutil.process_iter():
        if process.pid in spared:
            continue
        environ = operating_system.environment(process)
        if not environ.get(LABEL, "").startswith(f"{checkout_id}/"):
            continue
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            process.create_time()
        except (psutil.Error, OSError):
            continue
        of_mode = environ[LABEL].partition("/")[2]
        service, _, digest = environ.get(SERVICE, "").partition("@")
        user, version = environ.get("JUPYTERHUB_USER", ""), environ.get(SERVER_VERSION, "")
        if mode in (None, of_mode):
            found.append(ManagedProcess(process, of_mode, service, digest, user, version))
    return sorted(found, key=lambda each: each.since)


def mention(text: str) -> bool:
    """Whether a command line of this machine has a text in it."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if any(text in word for word in process.cmdline()):
                return True
    return False


def processor_time(process: psutil.Process) -> float:
    """Return the seconds that a process and those that it started have had of a processor."""
    total = 0.0
    with suppress(psutil.Error):
        for each in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                times = each.cpu_times()
                # Of ended children too: a start may be one program after the other.
                total += times.user + times.system + times.children_user + times.children_system
    return total


def surroundings(process: psutil.Process) -> tuple[dict[str, str], Path]:
    """Return the environment and the folder of a process, without what makes it one of ours.

    Raises:
        NotRunning: it has ended.
    """
    try:
        environ, folder = process.environ(), Path(process.cwd())
    except psutil.Error as error:
        raise NotRunning(f"Process {process.pid}") from error
    return {k: v for k, v in environ.items() if k not in (LABEL, SERVICE)}, folder


def alive(process: psutil.Process) -> bool:
    """Whether the process runs: not ended, not a zombie, not another one with its pid.

    One whose first thread has ended is shown as a zombie while others still do: what it holds is
    held, and its parent does not hear of an end.
    """
    try:
        ended = process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1
        return bool(process.is_running() and not ended)
    except psutil.Error:
        return False


def stop(processes: Iterable[psutil.Process], *, seconds: float = 5.0) -> None:
    """End processes: ask, wait at most `seconds` for all of them, then insist.

    psutil compares start times before it signals, so a reused pid is never hit.
    """
    asked = []
    for process in processes:
        try:
            process.terminate()
            asked.append(process)
        except psutil.Error:
            continue
    kill(_wait_for_exit(asked, seconds), seconds=seconds)


def kill(processes: Iterable[psutil.Process], *, seconds: float = 5.0) -> None:
    """End processes at once; they have ended when it returns, at the latest after `seconds`."""
    hit = []
    for process in processes:
        try:
            process.kill()
            hit.append(process)
        except psutil.Error:
            continue
    _wait_for_exit(hit, seconds)


def _wait_for_exit(processes: Iterable[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait until all have ended, at most `seconds`; return those that run still.

    A zombie has ended: what it held is free. psutil's own wait lasts until somebody reaps it, and
    the first process of a container may take seconds to.
    """
    left = list(processes)

    def over() -> bool:
        left[:] = [process for process in left if alive(process)]
        return not left

    with suppress(NotReady):
        polling.wait_until(over, "processes", seconds=seconds)
    return left


def has_ipv6_loopback() -> bool:
    """Whether this machine has the address [::1], which is `localhost` too."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def port_owner(port: int, spare: Collection[int] = ()) -> str | None:
    """Return who listens on a TCP port of this machine, in words; None if nobody does.

    Listeners whose pid is in `spare` don't count.
    """
    for pid in operating_system.listeners(port):
        if pid in spare:
            continue
        if pid is None:
            return "another user's process"
        try:
            owner = psutil.Process(pid)
            return f"{owner.name()} (pid {owner.pid})"
        except psutil.Error:
            return f"pid {pid}"
    return None
