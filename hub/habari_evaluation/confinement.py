"""What code of values may not do while it is judged: reach a network, a home, other programs.

A network namespace of its own is the wall, where this machine allows one; limits of the kernel
bound memory, time and files. The audit hook is no wall against code that means harm (native code
goes past it): it stops what a configuration does by the way, and says so.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from collections.abc import Sequence
from typing import Any

NEW_USER, NEW_NETWORK = 0x10000000, 0x40000000  # CLONE_NEWUSER, CLONE_NEWNET of sched.h
MEMORY, SECONDS, FILE = 3 * 2**30, 12, 2**26
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
NETWORK: tuple[str, ...] = (
    "socket.connect",
    "socket.bind",
    "socket.sendto",
    "socket.sendmsg",
    "socket.getaddrinfo",
)
NETWORK += ("socket.gethostbyname", "socket.gethostbyaddr")
PROGRAMS: tuple[str, ...] = (
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.fork",
)
PROGRAMS += ("os.forkpty", "pty.spawn", "os.kill", "os.killpg")
CHANGES: tuple[str, ...] = (
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.mkdir",
    "os.chmod",
    "os.chown",
    "os.link",
)
CHANGES += ("os.symlink", "os.truncate", "os.utime", "shutil.rmtree", "sqlite3.connect")


def confine(writable: str, hidden: Sequence[str]) -> str:
    """Confine this process for good; return what keeps it from the network.

    Args:
        writable: the only folder in which it may write.
        hidden: folders that it can't read: homes, with the keys in them.
    """
    wall = _own_network()
    for limit, value in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_FSIZE, FILE),
        (resource.RLIMIT_CORE, 0),
    ):
        _, most = resource.getrlimit(limit)
        allowed = value if most == resource.RLIM_INFINITY else min(value, most)
        resource.setrlimit(limit, (allowed, allowed))
    readable = (writable, sys.prefix, sys.base_prefix, *filter(None, sys.path))
    sys.addaudithook(_hook(writable, tuple(hidden), readable))
    return wall


def _own_network() -> str:
    """Leave the network for an empty one; where that is not allowed, the hook alone keeps it."""
    libc = ctypes.CDLL(None, use_errno=True)
    for flags in (NEW_NETWORK, NEW_USER | NEW_NETWORK):
        if libc.unshare(flags) == 0:
            return "namespace"
    return "audit hook"


def _hook(writable: str, hidden: tuple[str, ...], readable: tuple[str, ...]) -> Any:
    def inside(path: Any, folders: tuple[str, ...]) -> bool:
        try:
            real = os.path.abspath(os.fsdecode(path))
        except TypeError:  # an open file, by its number
            return False
        return any(real == each or real.startswith(f"{each}/") for each in folders)

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event in NETWORK:
            if event in ("socket.connect", "socket.bind") and isinstance(arguments[1], str):
                return  # of this machine alone
            raise PermissionError("the network can't be reached where values are checked")
        if event in PROGRAMS:
            raise PermissionError("no program can be started where values are checked")
        if event == "open":
            path, _, flags = arguments
            if not isinstance(path, (str, bytes, os.PathLike)) or path == "/dev/null":
                return
            if flags & WRITES:
                if not inside(path, (writable,)):
                    raise PermissionError("nothing can be written where values are checked")
            elif inside(path, hidden) and not inside(path, readable):
                raise PermissionError("no home can be read where values are checked")
        elif event in CHANGES and arguments[0] != ":memory:":
            paths = [each for each in arguments if isinstance(each, str)]
            if all(inside(each, (writable,)) for each in paths):
                return
            raise PermissionError("nothing can be changed where values are checked")

    return refuse
