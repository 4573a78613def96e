"""What the hub may make in the Docker engine: its users' containers, homes, networks; nothing else.

Each function takes a request's body apart and returns the one that is sent on, built anew: the
fields that hold a container down are written here, whatever the hub said, and a field that no rule
names is refused, so one that a later engine adds is refused too. What is in the engine already
counts as a user's if its labels and name say so and it is as it would be made here.
Protocol: the Docker Engine API 1.45 (https://docs.docker.com/reference/api/engine/).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from habari_socket import names
from habari_socket.fields import Fields, Json
from habari_socket.refusals import Missing, Refused

HOME = "/home/jovyan"
USER = "dev.habari.user"
HELD_DOWN: Json = {
    "Privileged": False,
    "CapAdd": [],
    "CapDrop": ["ALL"],
    "SecurityOpt": ["no-new-privileges"],
    "PidsLimit": 2048,
    "RestartPolicy": {"Name": "unless-stopped"},
}
PLAIN_NETWORK: Json = {
    "Driver": "bridge",
    "EnableIPv6": False,
    "Attachable": False,
    "Ingress": False,
    "ConfigOnly": False,
}
AMOUNTS = ("Memory", "CpuPeriod", "CpuQuota")
# Fields that clients name in each request without setting them.
UNSET: Json = {
    **dict.fromkeys(("Domainname", "WorkingDir", "MacAddress", "StopSignal", "Runtime"), ""),
    **dict.fromkeys(("Tty", "OpenStdin", "StdinOnce", "AttachStdin", "NetworkDisabled"), False),
    "Entrypoint": [],
    "Healthcheck": {},
    "StopTimeout": None,
}
UNSET_HOST: Json = {"AutoRemove": False, "Links": [], "Mounts": []}


@dataclass(frozen=True)
class Policy:
    """One hub's share of the engine.

    `user` is the account of users' servers, `uid:gid`; `folder` the folder of the host that servers
    may see, in Docker's notation, or nothing; `partners` are the containers that join users'
    networks and what each is called there; `labels` say whose all of it is. Without `internet` the
    networks of users are internal; `options` are those networks' own.
    """

    prefix: str
    image: str
    user: str
    folder: str
    partners: Mapping[str, str]
    labels: Mapping[str, str]
    internet: bool
    options: Mapping[str, str]

    def container(self, name: str, body: Json) -> Json:
        """Return the body that makes a user's server; raise Refused for another one."""
        given = Fields(body, "container")
        user = self._owner(given.take("Labels", dict, {}), "container")
        _require_name(name, self.server(user), "container")
        given.is_only("Image", self.image)
        given.is_only("User", self.user)
        host_name = names.host_name(user)
        given.is_only("Hostname", host_name)
        made: Json = {
            "Image": self.image,
            "User": self.user,
            "Hostname": host_name,
            "Labels": self._labels_of(user),
            "Env": given.texts("Env", "[^=\0]+=[^\0]*"),
            "ExposedPorts": {each: {} for each in given.keys("ExposedPorts", "[1-9][0-9]*/tcp")},
            "AttachStdout": given.take("AttachStdout", bool, False),
            "AttachStderr": given.take("AttachStderr", bool, False),
        }
        if command := given.texts("Cmd"):
            made["Cmd"] = command
        given.keys("Volumes", f"{HOME}(/project)?")  # where Binds mount something
        made["HostConfig"] = self._host(name, user, given.nested("HostConfig"))
        networking = given.nested("NetworkingConfig")
        networking.is_only("EndpointsConfig", {name: {"Aliases": [host_name]}})
        networking.end()
        made["NetworkingConfig"] = {"EndpointsConfig": {name: {"Aliases": [host_name]}}}
        given.are_only(UNSET)
        given.end()
        return made

    def _host(self, name: str, user: str, given: Fields) -> Json:
        home = f"{self.home(user)}:{HOME}:rw"
        allowed = [home, *([self.folder] if self.folder else [])]
        folders = [each for each in given.some_of("Binds", allowed) if each != home]
        amounts = {key: amount for key in AMOUNTS if (amount := given.amount(key))}
        made = {"NetworkMode": name, **HELD_DOWN}
        given.are_only(made)
        given.are_only(UNSET_HOST)
        given.end()
        return {**made, **amounts, "Binds": [home, *folders]}

    def server(self, user: str) -> str:
        """Return the name of a user's server, and of its network."""
        return f"{self.prefix}user-{names.escaped(user)}"

    def home(self, user: str) -> str:
        """Return the name of the volume of a user's home."""
        return f"{self.prefix}home-{names.escaped(user)}"

    def volume(self, body: Json) -> Json:
        """Return the body that makes a user's home; raise Refused for another one."""
        given = Fields(body, "volume")
        user = self._owner(given.take("Labels", dict, {}), "volume")
        name = given.take("Name", str, "")
        _require_name(name, self.home(user), "volume")
        given.is_only("Driver", "local")
        given.is_only("DriverOpts", {})
        given.end()
        return {"Name": name, "Driver": "local", "Labels": self._labels_of(user)}

    def network(self, body: Json) -> Json:
        """Return the body that makes a user's network; raise Refused for another one."""
        given = Fields(body, "network")
        user = self._owner(given.take("Labels", dict, {}), "network")
        name = given.take("Name", str, "")
        _require_name(name, self.server(user), "network")
        given.take("CheckDuplicate", bool, True)
        given.is_only("IPAM", {})
        made = {**PLAIN_NETWORK, "Internal": not self.internet, "Options": self.options}
        given.are_only(made)
        given.end()
        return {"Name": name, "CheckDuplicate": True, "Labels": self._labels_of(user), **made}

    def connection(self, body: Json, *, leaves: bool = False) -> Json:
        """Return the body that has one of the platform's containers join or leave a network."""
        given = Fields(body, "connection")
        container = given.take("Container", str, "")
        if container not in self.partners:
            raise Refused(f"{container[:80]!r} is none of those that join users' networks")
        endpoint = {"Aliases": [self.partners[container]]}
        if leaves:
            given.is_only("Force", False)
        else:
            given.is_only("EndpointConfig", endpoint)
        given.end()
        return {"Container": container, **({} if leaves else {"EndpointConfig": endpoint})}

    def require_container(self, found: Json | None) -> str:
        """Return the id of a container of the engine; raise unless it is a user's server."""
        if found is None:
            raise Missing("No such container")
        name = str(found["Name"]).removeprefix("/")
        labels = found["Config"]["Labels"] or {}  # those of the image too
        if not self._ours(labels) or name != self.server(labels.get(USER, "")):
            raise _foreign("container", name)
        return str(found["Id"])

    def require_volume(self, found: Json | None, name: str) -> None:
        """Raise unless a volume of the engine is the home that has this name."""
        if found is None:
            raise Missing(f"No such volume: {name}")
        labels = found["Labels"] or {}
        plain = (found["Driver"], found["Options"] or {}) == ("local", {})
        if not self._ours(labels) or not plain or name != self.home(labels.get(USER, "")):
            raise _foreign("volume", name)

    def require_network(self, found: Json | None, *, usable: bool) -> str:
        """Return the id of a network of the engine; raise unless it is a user's.

        A `usable` one is besides as it is made here, and not by an earlier version.
        """
        if found is None:
            raise Missing("No such network")
        user = (found["Labels"] or {}).get(USER, "")
        if found["Labels"] != self._labels_of(user) or found["Name"] != self.server(user):
            raise _foreign("network", found["Name"])
        as_made = (found["Driver"], found["Internal"], found["Options"] or {})
        if usable and as_made != ("bridge", not self.internet, self.options):
            raise Refused(f"network {found['Name']} is not as one is made here")
        return str(found["Id"])

    def _ours(self, labels: Json) -> bool:
        return all(labels.get(key) == value for key, value in self.labels.items())

    def _labels_of(self, user: str) -> dict[str, str]:
        return {**self.labels, USER: user}

    def _owner(self, labels: Json, what: str) -> str:
        user = labels.get(USER)
        if type(user) is not str or not user or labels != self._labels_of(user):
            raise Refused(f"{what}.Labels may be those that say whose it is, all of them")
        return user


def _require_name(name: str, wanted: str, what: str) -> None:
    if name != wanted:
        raise Refused(f"{what} {name[:80]!r} is not the one of the user in its labels")


def _foreign(what: str, name: str) -> Refused:
    return Refused(f"{what} {name} was not made by this hub. Try: docker {what} inspect {name}")
