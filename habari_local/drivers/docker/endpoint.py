"""Where the Docker engine is, as Docker's own command line finds it: by variable, or by context.

https://docs.docker.com/engine/manage-resources/contexts/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from habari_local.core.errors import MISSING_TOOL, HabariError

SOCKET = "/var/run/docker.sock"
DESKTOP = "/.docker/desktop/"  # https://docs.docker.com/desktop/setup/install/linux/


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
            f"Docker: no context {environ.get('DOCKER_CONTEXT') or 'in use'}, one of its contexts"
            " was expected.",
            "docker context ls",
            MISSING_TOOL,
        )
    return {"base_url": found.Host, **({"tls": found.TLSConfig} if found.TLSConfig else {})}


def socket_path(environ: Mapping[str, str]) -> str:
    """Return the path of the engine's socket as a container can have it.

    The usual one where the engine is on another machine, Docker Desktop's virtual one too: what
    that has in a home leads into the machine, and is no socket inside.
    """
    scheme, _, path = str(client_options(environ)["base_url"]).partition("://")
    return path if scheme.endswith("unix") and DESKTOP not in path else SOCKET
