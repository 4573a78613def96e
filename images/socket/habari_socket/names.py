"""What the things of a user are called in the engine: DockerSpawner's rule, which is the hub's too.

`PREFIXuser-X` is a user's container and network, `PREFIXhome-X` the home, X the escaped name:
lower-case letters and digits are themselves, of all else each byte is a dash and its number in
hexadecimal (as escapism writes it). So X may begin with a dash.
"""

from __future__ import annotations

import hashlib
import re
import string

SAFE = frozenset(string.ascii_lowercase + string.digits)
ESCAPED = "(?:[a-z0-9]|-[0-9a-f]{1,2})+"


def escaped(user: str) -> str:
    """Return a user's name as DockerSpawner escapes it."""
    return "".join(each if each in SAFE else _hexadecimal(each) for each in user)


def _hexadecimal(character: str) -> str:
    return "".join(f"-{byte:x}" for byte in character.encode("utf-8"))


def host_name(user: str) -> str:
    """Return what a user's server is called in its network (hub/habari_hub/docker_spawner.py)."""
    return "u-" + hashlib.sha256(user.encode()).hexdigest()[:16]


def of_servers(prefix: str) -> re.Pattern[str]:
    """Return what names of users' containers and networks look like."""
    return re.compile(f"{re.escape(prefix)}user-{ESCAPED}")
