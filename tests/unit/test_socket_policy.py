"""What the hub may ask of the Docker engine, and what a hub that was taken over may not."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from habari_socket import names
from habari_socket.__main__ import policy_from
from habari_socket.fields import Json, read_object
from habari_socket.policy import HELD_DOWN, Policy
from habari_socket.refusals import Malformed, Missing, Refusal, Refused
from habari_socket.routes import Request, checked_answer, translate

PREFIX = "habari-1-hub-"
NAME, HOME = f"{PREFIX}user-grace", f"{PREFIX}home-grace"
OURS = {"dev.habari.mode": "hub", "dev.habari.checkout": "1"}
LABELS = {**OURS, "dev.habari.user": "grace"}
HOST_NAME = names.host_name("grace")
NO_GATEWAY = {"com.docker.network.bridge.inhibit_ipv4": "true"}
POLICY = Policy(
    prefix=PREFIX,
    image="habari-notebook:abc",
    user="1000:100",
    folder="/p:/home/jovyan/project:rw",
    partners={f"{PREFIX}hub-1": "hub", f"{PREFIX}s3-1": "s3"},
    labels=OURS,
    internet=False,
    options=NO_GATEWAY,
)
UNSET = dict.fromkeys(
    ("Domainname", "Entrypoint", "WorkingDir", "MacAddress", "StopSignal", "Healthcheck", "Runtime")
)
SERVER: Json = {  # as docker-py writes it for DockerSpawner
    **UNSET,
    "Image": "habari-notebook:abc",
    "User": "1000:100",
    "Hostname": HOST_NAME,
    "Env": ["A=b"],
    "Cmd": ["jupyterhub-singleuser"],
    "Labels": LABELS,
    "ExposedPorts": {"8888/tcp": None},
    "Volumes": {"/home/jovyan": {}, "/home/jovyan/project": {}},
    "Tty": False,
    "AttachStdout": True,
    "HostConfig": {
        "NetworkMode": NAME,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "Binds": [f"{HOME}:/home/jovyan:rw", "/p:/home/jovyan/project:rw"],
        "Memory": 1000,
        "PidsLimit": 2048,
        "RestartPolicy": {"Name": "unless-stopped"},
        "Links": [],
        "Mounts": [],
    },
    "NetworkingConfig": {"EndpointsConfig": {NAME: {"Aliases": [HOST_NAME]}}},
}
VOLUME: Json = {"Name": HOME, "Driver": None, "DriverOpts": None, "Labels": LABELS}
NETWORK: Json = {
    "Name": NAME,
    "Driver": "bridge",
    "Options": NO_GATEWAY,
    "IPAM": None,
    "CheckDuplicate": None,
    "Labels": LABELS,
    "Internal": True,
}
PARTNER: Json = {"Container": f"{PREFIX}s3-1", "EndpointConfig": {"Aliases": ["s3"]}}
VOLUMES = ("/volumes/create", VOLUME)
BODIES = {
    f"/containers/create?name={NAME}": SERVER,
    "/volumes/create": VOLUME,
    "/networks/create": NETWORK,
    f"/networks/{NAME}/connect": PARTNER,
}


def engine(user: str = "grace") -> dict[str, Json]:
    """What the engine has of a user, and of somebody else."""
    escaped = names.escaped(user)
    labels = {**OURS, "dev.habari.user": user}
    server = f"{PREFIX}user-{escaped}"
    container: Json = {"Id": "f" * 64, "Name": f"/{server}", "Config": {"Labels": labels}}
    other: Json = {"Id": "0" * 64, "Name": "/other", "Config": {"Labels": None}}
    home = f"{PREFIX}home-{escaped}"
    network = {"Driver": "bridge", "Internal": True, "Options": NO_GATEWAY}
    return {
        f"/containers/{server}/json": container,
        f"/containers/{'f' * 64}/json": container,
        f"/containers/{'0' * 64}/json": other,
        f"/volumes/{home}": {"Name": home, "Labels": labels, "Driver": "local", "Options": None},
        f"/networks/{server}": {"Id": "e" * 64, "Name": server, "Labels": labels, **network},
    }


@pytest.fixture
def there() -> dict[str, Json]:
    return engine()


@pytest.fixture
def ask(there: dict[str, Json]) -> Callable[..., Request]:
    def request(method: str, target: str, body: Any = None) -> Request:
        if not isinstance(body, bytes):
            body = b"" if body is None else json.dumps(body).encode()
        return translate(POLICY, there.get, method, target, body)

    return request


def changed(body: Json, *path: str, to: Any) -> Json:
    """A copy in which the field at the path has another value."""
    made: Json = copy.deepcopy(body)
    inner = made
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = to
    return made


def test_a_server_is_built_anew_with_what_holds_it_down(ask: Callable[..., Request]) -> None:
    asked = ask("POST", f"/v1.45/containers/create?name={NAME}", SERVER)
    assert asked.target == f"/containers/create?name={NAME}"
    made = json.loads(asked.body)
    host = made["HostConfig"]
    assert {key: host[key] for key in HELD_DOWN} == HELD_DOWN
    assert set(host) == {*HELD_DOWN, "NetworkMode", "Binds", "Memory"}
    assert (host["NetworkMode"], made["User"]) == (NAME, "1000:100")
    assert host["Binds"] == SERVER["HostConfig"]["Binds"]
    assert made["Labels"] == LABELS
    assert made["NetworkingConfig"] == SERVER["NetworkingConfig"]


def test_what_is_left_out_is_written_all_the_same(ask: Callable[..., Request]) -> None:
    whole = json.loads(ask("POST", f"/containers/create?name={NAME}", SERVER).body)
    bare = json.loads(ask("POST", f"/containers/create?name={NAME}", {"Labels": LABELS}).body)
    free = {"Env", "Cmd", "ExposedPorts", "AttachStdout", "HostConfig"}
    assert {k: v for k, v in bare.items() if k not in free} == {
        k: v for k, v in whole.items() if k not in free
    }
    assert bare["HostConfig"] == {
        **HELD_DOWN,
        "NetworkMode": NAME,
        "Binds": [f"{HOME}:/home/jovyan:rw"],
    }
    network = json.loads(ask("POST", "/networks/create", {"Name": NAME, "Labels": LABELS}).body)
    assert (network["Internal"], network["Options"]) == (True, NO_GATEWAY)


def test_what_the_hub_asks_for_is_sent_on(ask: Callable[..., Request]) -> None:
    for target, body in BODIES.items():
        assert ask("POST", target, body).method == "POST"
    left = ask("POST", f"/networks/{NAME}/disconnect", {"Container": f"{PREFIX}s3-1"})
    assert left.target == f"/networks/{'e' * 64}/disconnect"
    verbs = {"json": "GET", "logs?stdout=1&stderr=1&follow=0&tail=20": "GET"}
    verbs |= {"start": "POST", "stop?t=5": "POST"}
    for verb, method in verbs.items():
        for reference in (NAME, "f" * 64):
            sent = ask(method, f"/v1.45/containers/{reference}/{verb}")
            assert sent.target.startswith(f"/containers/{'f' * 64}/{verb.partition('?')[0]}")
    sent = ask("DELETE", f"/v1.45/containers/{NAME}?v=True&link=False&force=True")
    assert sent.target == f"/containers/{'f' * 64}?v=1&force=1&link=0"
    assert ask("GET", f"/v1.45/networks/{NAME}").target == f"/networks/{'e' * 64}"
    assert ask("GET", "/version").target == "/version"


@pytest.mark.parametrize("user", ["octo_corp", "foo-", "a--b", "-race", "Grace", "é", "x" * 39])
def test_whatever_a_user_is_called_the_server_starts(user: str) -> None:
    """hub/tests has it that DockerSpawner calls them so."""
    there, escaped = engine(user), names.escaped(user)
    labels, server = {**OURS, "dev.habari.user": user}, f"{PREFIX}user-{escaped}"
    asked = translate(
        POLICY,
        there.get,
        "POST",
        f"/containers/create?name={server}",
        json.dumps({"Labels": labels}).encode(),
    )
    assert json.loads(asked.body)["HostConfig"]["NetworkMode"] == server
    body = {"Name": server, "Labels": labels}
    translate(POLICY, there.get, "POST", "/networks/create", json.dumps(body).encode())
    translate(POLICY, there.get, "GET", f"/networks/{server}", b"")


HOSTS = [
    ("Privileged", True),
    ("privileged", True),
    ("privileged", False),
    ("\u017fecurityOpt", []),  # the long s: for Go an S
    ("Networ\u212aMode", "host"),  # the sign of kelvin: for Go a K
    ("capdrop", []),
    ("MaskedPaths", []),
    ("ReadonlyPaths", []),
    ("Binds", ["/:/host:rw"]),
    ("Binds", ["/var/run/docker.sock:/var/run/docker.sock"]),
    ("Binds", [f"{PREFIX}home-linus:/home/jovyan:rw"]),
    ("Binds", [f"{HOME}:/opt/habari:rw"]),
    ("Mounts", [{"Type": "bind", "Source": "/", "Target": "/x"}]),
    ("NetworkMode", "host"),
    ("NetworkMode", ""),
    ("NetworkMode", "habari-1-hub_data"),
    ("NetworkMode", "container:habari-1-hub-db-1"),
    ("PidMode", "host"),
    ("IpcMode", "host"),
    ("CapAdd", ["SYS_ADMIN"]),
    ("CapDrop", []),
    ("SecurityOpt", []),
    ("SecurityOpt", ["no-new-privileges", "apparmor=unconfined"]),
    ("Devices", [{"PathOnHost": "/dev/sda"}]),
    ("PortBindings", {"8888/tcp": [{"HostPort": "1"}]}),
    ("VolumesFrom", ["habari-1-hub-db-1"]),
    ("PidsLimit", 0),
    ("Memory", -1),
    ("Memory", True),
    ("RestartPolicy", {"Name": "always"}),
    ("Sysctls", None),
]
CONTAINERS: list[tuple[str, Any]] = [
    ("Image", "habari-hub:abc"),
    ("User", "0:0"),
    ("User", "root"),
    ("User", "1000:0"),
    ("User", ""),
    ("user", ""),
    ("hostConfig", None),
    ("HOSTCONFIG", {"Privileged": True}),
    ("HostConfig", []),
    ("Entrypoint", ["sh"]),
    ("Healthcheck", {"Test": ["CMD", "x"]}),
    ("Env", ["A"]),
    ("Env", "A=b"),
    ("Cmd", "sh"),
    ("Labels", {}),
    ("Labels", {**LABELS, "com.docker.compose.project": "x"}),
    ("Labels", {**LABELS, "dev.habari.user": "linus"}),
    ("Hostname", "hub"),
    ("Volumes", {"/opt/habari": {}}),
]
NETWORKING: list[tuple[str, Any]] = [
    ("EndpointsConfig", {"habari-1-hub_data": {}}),
    ("EndpointsConfig", {NAME: {"Aliases": ["s3"]}}),
    ("EndpointsConfig", {NAME: {"Aliases": [HOST_NAME]}, "habari-1-hub_data": {}}),
    ("endpointsconfig", {"habari-1-hub_data": {}}),
]


@pytest.mark.parametrize(
    "body",
    [
        *(changed(SERVER, "HostConfig", key, to=value) for key, value in HOSTS),
        *(changed(SERVER, key, to=value) for key, value in CONTAINERS),
        *(changed(SERVER, "NetworkingConfig", key, to=value) for key, value in NETWORKING),
    ],
    ids=[f"{key}={json.dumps(value)}" for key, value in [*HOSTS, *CONTAINERS, *NETWORKING]],
)
def test_a_container_that_reaches_further_is_refused(
    ask: Callable[..., Request], body: Json
) -> None:
    with pytest.raises(Refused):
        ask("POST", f"/containers/create?name={NAME}", body)


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("POST", "/containers/create?name=other", SERVER),
        ("POST", "/containers/create", SERVER),
        ("POST", f"/containers/create?name={NAME}&platform=x", SERVER),
        ("GET", "/containers/json", None),
        ("GET", "/info", None),
        ("GET", f"/containers/{'0' * 64}/json", None),
        ("POST", f"/containers/{'0' * 64}/stop", None),
        ("POST", f"/containers/{NAME}/exec", {"Cmd": ["sh"]}),
        ("POST", f"/containers/{NAME}/start", {"Binds": ["/:/host"]}),
        ("POST", f"/containers/{NAME}/start?checkpoint=x", None),
        ("GET", f"/containers/{NAME}/logs?follow=1", None),
        ("GET", f"/containers/{NAME}/logs?tail=-1", None),
        ("POST", f"/containers/{NAME}/stop?t=all", None),
        ("DELETE", f"/containers/{NAME}?link=1", None),
        ("POST", f"/containers/{NAME}/../habari-1-hub-db-1/stop", None),
        ("POST", f"/containers/{NAME}%2f..%2fhabari-1-hub-db-1/stop", None),
        ("POST", f"//containers/{NAME}/stop", None),
        ("PUT", f"/containers/{NAME}/archive", None),
        ("POST", "/volumes/create", {**VOLUME, "DriverOpts": {"o": "bind"}}),
        ("POST", "/volumes/create", {**VOLUME, "driverOpts": {"o": "bind"}}),
        ("POST", "/volumes/create", {**VOLUME, "Name": "habari-1-hub_db"}),
        ("POST", "/volumes/create", {**VOLUME, "Driver": "nfs"}),
        ("POST", "/volumes/create", {**VOLUME, "Labels": {}}),
        ("POST", "/volumes/create", {**VOLUME, "ClusterVolumeSpec": None}),
        ("DELETE", f"/volumes/{HOME}", None),
        ("POST", "/networks/create", {**NETWORK, "Internal": False}),
        ("POST", "/networks/create", {**NETWORK, "internal": False}),
        ("POST", "/networks/create", {**NETWORK, "Driver": "host"}),
        ("POST", "/networks/create", {**NETWORK, "Options": {}}),
        ("POST", "/networks/create", {**NETWORK, "Labels": {}}),
        ("POST", "/networks/create", {**NETWORK, "IPAM": {"Config": [{"Subnet": "10.0.0.0/8"}]}}),
        ("POST", "/networks/create", {**NETWORK, "ConfigFrom": {"Network": "x"}}),
        ("POST", "/networks/habari-1-hub_data/connect", PARTNER),
        ("POST", f"/networks/{NAME}/connect", {**PARTNER, "Container": "habari-1-hub-db-1"}),
        ("POST", f"/networks/{NAME}/connect", {**PARTNER, "container": "habari-1-hub-db-1"}),
        ("POST", f"/networks/{NAME}/connect", changed(PARTNER, "EndpointConfig", to={"Links": []})),
        ("DELETE", "/networks/habari-1-hub_data", None),
        ("GET", "/networks", None),
        ("POST", "/networks/prune", None),
        ("POST", "/build", None),
        ("POST", "/images/create?fromImage=x", None),
        ("GET", "/version?x=1", None),
    ],
)
def test_a_request_about_anything_else_is_refused(
    ask: Callable[..., Request], method: str, target: str, body: Any
) -> None:
    with pytest.raises(Refused):
        ask(method, target, body)


@pytest.mark.parametrize("target", BODIES)
def test_a_name_that_is_given_twice_is_refused_at_every_depth(
    ask: Callable[..., Request], target: str
) -> None:
    text = json.dumps(BODIES[target])
    for place in (i for i, each in enumerate(text) if text[i : i + 2] == '{"'):
        first = text[place + 1 : text.index(":", place) + 1]
        twice = f"{text[: place + 1]}{first} null, {text[place + 1 :]}"
        with pytest.raises(Malformed):
            ask("POST", target, twice.encode())


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'"x"',
        b"{}{}",
        b'{"a": NaN}',
        b'{"a": 1.5}',
        b'{"a": 99999999999999999999}',
        b'{"a": "\xff"}',
        b'{"a": "\\ud800"}',
        b'\xef\xbb\xbf{"a": 1}',
        b'{"a": ' + b"1" * 5000 + b"}",
        b'{"a":' * 60_000 + b"1" + b"}" * 60_000,
        b"[" * 500_000,
    ],
    ids=lambda body: repr(body[:30]),
)
def test_what_is_not_read_in_one_way_only_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        read_object(body)


@pytest.mark.parametrize("query", ["name=a&name=b", "name=%", "a;b", "&".join("abcdefghijkl")])
def test_parameters_that_can_be_read_otherwise_are_refused(
    ask: Callable[..., Request], query: str
) -> None:
    with pytest.raises(Refusal):
        ask("POST", f"/containers/create?{query}", SERVER)


@pytest.mark.parametrize(
    "other",
    [
        {"Labels": None},
        {"Labels": {**LABELS, "dev.habari.checkout": "2"}},
        {"Labels": {**LABELS, "dev.habari.user": "linus"}},
        {"Labels": OURS},
    ],
)
def test_what_somebody_else_made_under_a_users_name_is_not_used(
    ask: Callable[..., Request], there: dict[str, Json], other: Json
) -> None:
    there[f"/networks/{NAME}"] |= other
    for method, verb in (("POST", "connect"), ("POST", "disconnect"), ("GET", ""), ("DELETE", "")):
        body = {"Container": PARTNER["Container"]} if verb else None
        with pytest.raises(Refused, match="not made by this hub"):
            ask(method, f"/networks/{NAME}/{verb}".rstrip("/"), body)
    with pytest.raises(Refused, match="not made by this hub"):
        ask("POST", f"/containers/create?name={NAME}", SERVER)
    there |= engine()
    there[f"/volumes/{HOME}"] |= other
    with pytest.raises(Refused, match="not made by this hub"):
        ask("POST", f"/containers/create?name={NAME}", SERVER)
    found, request = json.dumps(there[f"/volumes/{HOME}"]).encode(), ask("POST", *VOLUMES)
    with pytest.raises(Refused, match="not made by this hub"):
        checked_answer(POLICY, there.get, request, 201, found)
    there[f"/containers/{NAME}/json"]["Config"] |= other
    with pytest.raises(Refused, match="not made by this hub"):
        ask("POST", f"/containers/{NAME}/start")


def test_a_home_is_known_although_the_engine_leaves_out_its_labels(
    ask: Callable[..., Request], there: dict[str, Json]
) -> None:
    """As Docker does after its restart, in its answer to the making of what is there already."""
    request = ask("POST", *VOLUMES)
    answer = json.dumps(there[f"/volumes/{HOME}"] | {"Labels": None}).encode()
    checked_answer(POLICY, there.get, request, 201, answer)


@pytest.mark.parametrize("other", [{"Internal": False}, {"Options": {}}, {"Driver": "macvlan"}])
def test_a_network_of_another_kind_is_left_but_not_joined(
    ask: Callable[..., Request], there: dict[str, Json], other: Json
) -> None:
    """As an earlier version made it: the spawner removes it and makes another."""
    there[f"/networks/{NAME}"] |= other
    for target, body in (
        (f"/containers/create?name={NAME}", SERVER),
        (f"/networks/{NAME}/connect", PARTNER),
    ):
        with pytest.raises(Refused, match="not as one is made here"):
            ask("POST", target, body)
    ask("GET", f"/networks/{NAME}")
    ask("POST", f"/networks/{NAME}/disconnect", {"Container": PARTNER["Container"]})
    ask("DELETE", f"/networks/{NAME}")


def test_a_home_that_is_a_folder_of_the_host_is_not_used(
    ask: Callable[..., Request], there: dict[str, Json]
) -> None:
    there[f"/volumes/{HOME}"]["Options"] = {"type": "none", "o": "bind", "device": "/"}
    with pytest.raises(Refused):
        ask("POST", f"/containers/create?name={NAME}", SERVER)


def test_what_is_not_there_is_said_to_be_missing(ask: Callable[..., Request]) -> None:
    gone = f"{PREFIX}user-linus"
    for method, target in (
        ("GET", f"/containers/{gone}/json"),
        ("GET", f"/networks/{gone}"),
        ("DELETE", f"/containers/{'a' * 64}"),
    ):
        with pytest.raises(Missing):
            ask(method, target)


@pytest.mark.parametrize("user", ["0:100", "1000:0", "1000:998", "1000", "root", "", "1000:100:1"])
def test_no_account_with_power_over_the_machine_is_that_of_servers(user: str) -> None:
    with pytest.raises(ValueError, match="HABARI_SOCKET_USER"):
        policy_from({**ENVIRON, "HABARI_SOCKET_USER": user})


ENVIRON = {
    "HABARI_SOCKET_PREFIX": PREFIX,
    "HABARI_SOCKET_IMAGE": "habari-notebook:abc",
    "HABARI_SOCKET_USER": "1000:100",
    "HABARI_SOCKET_DOCKER_GROUP": "998",
    "HABARI_SOCKET_FOLDER": "/p",
    "HABARI_SOCKET_PARTNERS": json.dumps(POLICY.partners),
    "HABARI_SOCKET_LABELS": json.dumps(OURS),
    "HABARI_SOCKET_INTERNET": "0",
    "HABARI_SOCKET_NETWORK_OPTIONS": json.dumps(NO_GATEWAY),
}


def test_the_policy_is_the_one_of_the_environment() -> None:
    assert policy_from(ENVIRON) == POLICY
