"""What the hub may ask of the Docker engine: its users' containers, homes, networks; nothing else.

Every rule names what is allowed and refuses the rest, so a field that a later engine adds is
refused too. Names tell what belongs to whom: `PREFIXuser-X` is a container and its network,
`PREFIXhome-X` its home. Protocol: the Docker Engine API 1.45 (https://docs.docker.com/reference/api/engine/).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
HOME = "/home/jovyan"
# Fields of a container that may be set as the hub likes: they reach nothing outside of it.
FREE = {
    *("Env", "Cmd", "ExposedPorts", "Volumes", "Labels", "Hostname", "WorkingDir", "StopTimeout"),
    *("AttachStdout", "AttachStderr"),
}
FREE_HOST = {"Memory", "MemorySwap", "CpuQuota", "CpuPeriod", "PidsLimit", "Init", "AutoRemove"}


class Refused(Exception):
    """A request that the policy has no rule for; the text says what was seen and expected."""


@dataclass(frozen=True)
class Policy:
    """One hub's share of the engine.

    `partners` are the names of the containers that join users' networks; `binds` the folders of
    the host that servers may see, in Docker's notation; without `internet` the networks of users
    are internal.
    """

    prefix: str
    image: str
    binds: frozenset[str]
    partners: frozenset[str]
    internet: bool

    def owns(self, name: str) -> bool:
        """Whether a container or network of this name is one of the hub's users'."""
        return re.fullmatch(f"{re.escape(self.prefix)}user-{NAME}", name) is not None

    def check_container(self, name: str, body: Json) -> None:
        """Raise Refused unless `body` describes a user's server and nothing more."""
        self._must_own(name)
        set_here = {
            key: value for key, value in body.items() if value not in (None, False, "", [], {})
        }
        _only(set_here, FREE | {"Image", "User", "HostConfig", "NetworkingConfig"}, "container")
        _equal(body.get("Image"), self.image, "Image")
        if not re.fullmatch(r"[1-9]\d*(:\d+)?", str(body.get("User", ""))):
            raise Refused(f"User: {body.get('User')!r} seen, a number other than root's expected")
        self._check_host(name, body.get("HostConfig") or {})
        endpoints = (body.get("NetworkingConfig") or {}).get("EndpointsConfig") or {}
        _only(endpoints, {name}, "networks")
        for settings in endpoints.values():
            _only(settings or {}, {"Aliases"}, "network")

    def _check_host(self, name: str, host: Json) -> None:
        set_here = {
            key: value for key, value in host.items() if value not in (None, False, "", [], {}, 0)
        }
        needed: Json = {
            "NetworkMode": name,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
        }
        _only(set_here, FREE_HOST | {*needed, "Binds", "RestartPolicy"}, "HostConfig")
        for key, value in needed.items():
            _equal(host.get(key), value, key)
        home = f"{name.replace(f'{self.prefix}user-', f'{self.prefix}home-', 1)}:{HOME}:rw"
        for bind in host.get("Binds") or []:
            if bind != home and bind not in self.binds:
                raise Refused(f"Binds: {bind!r} seen, the user's own home expected")

    def check_volume(self, body: Json) -> None:
        """Raise Refused unless `body` describes a plain home of one of the users."""
        _only(body, {"Name", "Labels", "Driver"}, "volume")
        _equal(body.get("Driver", "local"), "local", "Driver")
        if not re.fullmatch(f"{re.escape(self.prefix)}home-{NAME}", str(body.get("Name"))):
            raise Refused(f"volume {body.get('Name')!r} seen, {self.prefix}home-* expected")

    def check_network(self, body: Json) -> None:
        """Raise Refused unless `body` describes a network of one of the users."""
        set_here = {
            key: value for key, value in body.items() if value not in (None, False, "", {}, [])
        }
        _only(set_here, {"Name", "Labels", "Driver", "Internal", "CheckDuplicate"}, "network")
        _equal(body.get("Driver") or "bridge", "bridge", "Driver")
        _equal(bool(body.get("Internal")), not self.internet, "Internal")
        self._must_own(str(body.get("Name")))

    def check_partner(self, network: str, body: Json) -> None:
        """Raise Refused unless `body` has one of the platform's containers join or leave."""
        self._must_own(network)
        set_here = {key: value for key, value in body.items() if value not in (None, False, "", {})}
        _only(set_here, {"Container", "EndpointConfig"}, "connection")
        _only(body.get("EndpointConfig") or {}, {"Aliases"}, "connection")
        if body.get("Container") not in self.partners:
            raise Refused(f"Container: {body.get('Container')!r} seen, a partner expected")

    def _must_own(self, name: str) -> None:
        if not self.owns(name):
            raise Refused(f"{name!r} seen, {self.prefix}user-* expected")


def decide(
    policy: Policy,
    method: str,
    path: str,
    query: Sequence[tuple[str, str]],
    content: Json,
    name_of: Callable[[str], str],
) -> None:
    """Raise Refused unless the hub may make this request.

    Args:
        policy: what is the hub's.
        method: in capital letters.
        path: without the API version, unquoted.
        query: its parameters, in their order.
        content: the JSON of its body.
        name_of: tells the name of the container of an id.
    """
    if method == "GET" and path in ("/version", "/_ping"):
        return None
    given = dict(query)
    if len(given) != len(query) or not isinstance(content, dict):
        raise Refused("a parameter given twice, or a body that is no object, seen")
    made = {"/volumes/create": policy.check_volume, "/networks/create": policy.check_network}
    if method == "POST" and path == "/containers/create":
        return policy.check_container(given.get("name", ""), content)
    if method == "POST" and path in made:
        return made[path](content)
    if found := re.fullmatch(f"/networks/({NAME})(/connect|/disconnect)?", path):
        verb = found[2]
        if method == "POST" and verb:
            return policy.check_partner(found[1], content)
        if method in ("GET", "DELETE") and not verb and policy.owns(found[1]):
            return None
    verbs = {"json": "GET", "logs": "GET", "start": "POST", "stop": "POST", "": "DELETE"}
    found = re.fullmatch(rf"/containers/({NAME})(?:/(json|logs|start|stop))?", path)
    if found and verbs[found[2] or ""] == method and not content:
        name = found[1] if policy.owns(found[1]) else name_of(found[1])
        if policy.owns(name):
            return None
        raise Refused(f"container {found[1]!r} seen, {policy.prefix}user-* expected")
    raise Refused(f"{method} {path} seen, a request about users' servers expected")


def _only(given: Json, allowed: set[str], what: str) -> None:
    extra = sorted(set(given) - allowed)
    if extra:
        raise Refused(f"{what}: {', '.join(extra)} seen, {', '.join(sorted(allowed))} expected")


def _equal(given: object, wanted: object, what: str) -> None:
    if given != wanted:
        raise Refused(f"{what}: {given!r} seen, {wanted!r} expected")
