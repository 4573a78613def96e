"""Why no Docker engine answers: what its socket says, and what a person can do about it."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from habari_local.core.errors import HabariError
from habari_local.drivers.docker.endpoint import SOCKET


def unresponsive_reason(address: str) -> str:
    """Return what the system says where a local socket takes no connection, or nothing.

    The SDK would leave its own half-made connection open, for Python to complain of later: an
    engine that was switched off leaves its file.
    """
    host = urlsplit(address)
    if host.scheme not in ("unix", "http+unix"):
        return ""
    with socket.socket(socket.AF_UNIX) as asking:
        try:
            asking.connect(host.path)
        except OSError as error:
            return str(error)
    return ""


def engine_unreachable(said: str, address: str) -> HabariError:
    """Return the error for what was said, with the command that mends it."""
    if "Permission denied" in said:
        return HabariError(
            "Docker: the engine's socket may not be opened by this account, membership in the group"
            " docker was expected.",
            "sudo usermod -aG docker $USER && newgrp docker",
            3,
        )
    if not address.endswith(SOCKET):
        return HabariError(
            f"Docker: no engine answers at {address}, where DOCKER_HOST or the context in use has"
            " it; a running one was expected.",
            "docker context ls",
            3,
        )
    return HabariError(
        "Docker: no engine answers, a running one was expected.", "sudo systemctl start docker", 3
    )
