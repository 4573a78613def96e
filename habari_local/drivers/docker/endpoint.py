"""Where the Docker engine is, as Docker's own command line finds it, and why none answers there.

By variable, or by context: https://docs.docker.com/engine/manage-resources/contexts/
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from habari_local.core.errors import MISSING_TOOL, HabariError
from habari_local.drivers import operating_system
from habari_local.drivers.operating_system import ENGINE_SOCKET


def client_options(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return what the SDK's client is made with: DOCKER_HOST's engine, else the context's in use.

    Raises:
        HabariError: DOCKER_CONTEXT, or Docker's configuration, names a context that is not there.
    """
    from docker.context import ContextAPI
    from docker.utils import kwargs_from_env

    given: dict[str, Any] = {**kwargs_from_env(environment=dict(environ))}
    if given.get("base_url"):
        return given
    found = ContextAPI.get_context(environ.get("DOCKER_CONTEXT") or None)
    if found is None:
        raise HabariError(
            f"Docker: no context {environ.get('DOCKER_CONTEXT') or 'in use'}.",
            "docker context ls",
            MISSING_TOOL,
        )
    return {"base_url": found.Host, **({"tls": found.TLSConfig} if found.TLSConfig else {})}


def engine_socket(environ: Mapping[str, str]) -> tuple[str, int]:
    """Return the engine's socket as a container can have it, and the number of its group there.

    The usual one where the engine is on another machine: it is that machine's.
    """
    scheme, _, path = str(client_options(environ)["base_url"]).partition("://")
    here, system = path if scheme.endswith("unix") else ENGINE_SOCKET, operating_system.current()
    return system.engine_socket(here), system.engine_group(here)


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
    """Return the error for what was said, with the command that fixes it."""
    if "Permission denied" in said:
        return HabariError(
            "Docker: the engine's socket may not be opened by this account, which is not in the"
            " group docker.",
            operating_system.current().allow_account,
            3,
        )
    if not address.endswith(ENGINE_SOCKET):
        return HabariError(
            f"Docker: no engine answers at {address}, where DOCKER_HOST or the context in use"
            " says it is.",
            "docker context ls",
            3,
        )
    return HabariError("Docker: no engine answers.", operating_system.current().start_engine, 3)
