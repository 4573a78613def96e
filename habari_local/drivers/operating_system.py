"""What operating systems do differently: Linux with and without SELinux, WSL2, macOS.

All that the tool does by the system that it runs on is here. Where a system's way shows when it is
tried, it is tried, whatever the system is called: macOS, for instance, shows the sockets and the
environments of other accounts to root alone, and so does a hardened Linux.
"""

from __future__ import annotations

import errno
import socket
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

# Sockets of engines in a virtual machine: what leads there is no socket inside of it.
# https://docs.docker.com/desktop/setup/install/linux/ and …/mac-permission-requirements/
IN_HOME = ("/.docker/desktop/", "/.docker/run/", "/.colima/", "/.orbstack/", "/.rd/", "/.lima/")
ENGINE_SOCKET = "/var/run/docker.sock"


@dataclass(frozen=True)
class System:
    """One kind of system.

    `engine_in_vm`: Docker runs in a virtual machine, whose files and accounts containers see.
    `selinux`: containers may open only files that are labelled as theirs.
    """

    name: str
    start_engine: str  # the command that starts Docker
    allow_account: str  # the command that lets this account use it
    engine_in_vm: bool = False
    selinux: bool = False

    def engine_socket(self, path: str) -> str:
        """Return where a container finds the engine's socket that is at `path` here."""
        return ENGINE_SOCKET if self._is_in_vm(path) else path

    def engine_group(self, path: str) -> int:
        """Return the group that may use that socket, by its number in a container.

        Of a virtual machine it can't be seen from here; Docker Desktop's is root's.
        """
        if self._is_in_vm(path):
            return 0
        file = Path(path)
        return file.stat().st_gid if file.exists() else 0

    def _is_in_vm(self, path: str) -> bool:
        return self.engine_in_vm or any(each in path for each in IN_HOME)

    @property
    def bind_label(self) -> str:
        """Return what the options of a bind mount end with, so that containers may open it.

        Docker sets the label then; elsewhere it would do nothing.
        """
        return ",z" if self.selinux else ""


GROUP = "sudo usermod -aG docker $USER && newgrp docker"
LINUX = System("Linux", "sudo systemctl start docker", GROUP)
SELINUX = System("Linux with SELinux", LINUX.start_engine, GROUP, selinux=True)
# Its init may be systemd or not: `service` knows both.
WSL2 = System("WSL2", "sudo service docker start", GROUP)
MACOS = System("macOS", "open -a Docker", "open -a Docker", engine_in_vm=True)


def recognized(platform: str, kernel: str, enforcing: str) -> System:
    """Return the system by Python's name for it, its kernel's release, and SELinux' state.

    `enforcing` is what /sys/fs/selinux/enforce says, "" without SELinux.
    """
    if platform == "darwin":
        return MACOS
    if "microsoft" in kernel.lower():  # https://learn.microsoft.com/windows/wsl
        return WSL2
    return SELINUX if enforcing.strip() == "1" else LINUX


@cache
def current() -> System:
    """Return the system that this program runs on."""
    kernel, enforcing = Path("/proc/sys/kernel/osrelease"), Path("/sys/fs/selinux/enforce")
    return recognized(sys.platform, _text(kernel), _text(enforcing))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def listeners(port: int) -> list[int | None]:
    """Return the processes that listen on a TCP port of this machine; None stands for hidden ones.

    Where the system shows other accounts' sockets to root alone, our own processes are asked one
    by one, and then the port itself.
    """
    try:
        return [each.pid for each in psutil.net_connections("tcp") if _listens(each, port)]
    except (psutil.AccessDenied, PermissionError):
        pass
    found: list[int | None] = []
    for process in psutil.process_iter():
        try:
            if any(_listens(each, port) for each in process.net_connections("tcp")):
                found.append(process.pid)
        except (psutil.Error, OSError):
            continue
    return found or ([None] if _is_taken(port) else [])


def _listens(connection: object, port: int) -> bool:
    listening = getattr(connection, "status", "") == psutil.CONN_LISTEN
    return listening and getattr(getattr(connection, "laddr", ()), "port", None) == port


def _is_taken(port: int) -> bool:
    """Whether nobody can listen on a port of 127.0.0.1 now."""
    with socket.socket() as probe:
        # What has just ended leaves connections behind, which keep no listener out.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def environment(process: psutil.Process) -> dict[str, str]:
    """Return a process's environment; nothing where the system does not show it.

    macOS shows those of our own account's processes but for Apple's own programs, and none of
    those is ever a service.
    """
    try:
        return dict(process.environ())
    except (psutil.Error, OSError):
        return {}


def memory(process: psutil.Process) -> int:
    """Return a process's proportional share of memory in bytes.

    Its resident size where the system does not know the share (macOS), or does not tell it.
    """
    try:
        full = process.memory_full_info()
        return int(getattr(full, "pss", 0) or full.rss)
    except psutil.AccessDenied:
        pass
    except psutil.Error:
        return 0
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def process_in_container(container: str, pid: int) -> psutil.Process | None:
    """Return a container's process; None where the engine is another machine's, or it is gone.

    In a virtual machine's engine the number is that machine's: here it is another process, or none.
    """
    try:
        if container in Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8"):
            return psutil.Process(pid)
    except (OSError, psutil.Error):
        pass
    return None
