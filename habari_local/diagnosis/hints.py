"""Hints made from the present state: commands that can be pasted and lose nothing that is set."""

from __future__ import annotations

import shlex
import socket
from collections.abc import Mapping, Sequence
from itertools import islice

from habari_local.config.settings import Settings, fields_by_variable

STEP = 100  # between the ports that are proposed: 8000, 8100, 8200


def setting(variable: str, value: str, environ: Mapping[str, str]) -> str:
    """Return the command that sets a setting where it is set now: a variable outdoes .env."""
    if variable in environ:
        return f"export {variable}={shlex.quote(value)}"
    return f"habari-local config set {variable} {shlex.quote(value)}"


def allow(settings: Settings, user: str, environ: Mapping[str, str]) -> str:
    """Return the command that lets a user in, and keeps those who are let in now."""
    names = dict.fromkeys((*settings.allowed_users, user))
    return setting("HABARI_ALLOWED_USERS", ",".join(names), environ)


def killed_for_memory(user: str, limit: str, *, whole: bool = False) -> str:
    """Say what of a user's server was killed: the `whole` of it, or a process in it."""
    what = f"{user}'s server" if whole else f"a process of {user}'s server, such as a kernel,"
    return f"{what} was killed for memory: it took more than its limit of {limit}"


def more_memory(settings: Settings, environ: Mapping[str, str]) -> str:
    """Return the command that gives users' servers twice the memory that they may have now."""
    limit = settings.server_memory or "2G"
    doubled = f"{2 * int(limit[:-1])}{limit[-1]}" if limit[-1].isalpha() else str(2 * int(limit))
    return f"{setting('HABARI_SERVER_MEMORY', doubled, environ)} && habari-local up"


def allow_more(allowed: Sequence[str], count: int) -> str:
    """Return the command that lets in so many more users, of any names."""
    some = (f"u{number}" for number in range(1, 10_000))
    more = [name for name in islice(some, len(allowed) + count) if name not in allowed][:count]
    return f"habari-local up --set HABARI_ALLOWED_USERS={','.join([*allowed, *more])}"


def another_port(settings: Settings, variable: str, environ: Mapping[str, str]) -> str:
    """Return the command that moves one port to where nothing of this machine listens.

    The offset is added to what is set: the port that is free is the sum.
    """
    field = fields_by_variable()[variable]
    others = {
        getattr(settings, each) for each in Settings.model_fields if each.endswith("_port")
    } - {getattr(settings, field)}
    for value in range(getattr(settings, field) + STEP, 65536 - settings.port_offset, STEP):
        if value not in others and _free(value + settings.port_offset):
            return setting(variable, str(value), environ)
    return "habari-local status"


def _free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
