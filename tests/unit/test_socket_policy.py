"""What the hub may ask of the Docker engine, and what a hub that was taken over may not."""

from __future__ import annotations

import copy
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "images" / "socket" / "policy.py"
NAME = "habari-1-hub-user-grace"
SERVER: dict[str, Any] = {
    "Image": "habari-notebook:abc",
    "User": "1000:100",
    "Env": ["A=b"],
    "Cmd": ["jupyterhub-singleuser"],
    "Labels": {"dev.habari.user": "grace"},
    "HostConfig": {
        "NetworkMode": NAME,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "Binds": ["habari-1-hub-home-grace:/home/jovyan:rw", "/p:/home/jovyan/project:rw"],
        "Memory": 1000,
        "Privileged": False,
    },
    "NetworkingConfig": {"EndpointsConfig": {NAME: {"Aliases": ["u-1"]}}},
}


@pytest.fixture(scope="module")
def policy() -> ModuleType:
    spec = importlib.util.spec_from_file_location("policy", SOURCE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["policy"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def ask(policy: ModuleType) -> Any:
    held = policy.Policy(
        prefix="habari-1-hub-",
        image="habari-notebook:abc",
        binds=frozenset({"/p:/home/jovyan/project:rw"}),
        partners=frozenset({"habari-1-hub-hub-1"}),
        internet=False,
    )

    def request(method: str, path: str, body: Any = None, query: Any = ()) -> None:
        names = {"f" * 64: NAME, "0" * 64: "somebody-elses"}
        policy.decide(held, method, path, list(query), body or {}, lambda i: names.get(i, ""))

    return request


@pytest.mark.parametrize("escaped", ["octo-5fcorp", "foo-2d", "a-2d-2db", "x" * 39])
def test_names_as_github_gives_them_are_users_names(ask: Any, escaped: str) -> None:
    """As DockerSpawner writes octo_corp, foo-, a--b and the longest: hub/tests has that half."""
    name, home = f"habari-1-hub-user-{escaped}", f"habari-1-hub-home-{escaped}"
    body = changed("HostConfig", "NetworkMode", to=name)
    body["HostConfig"]["Binds"] = [f"{home}:/home/jovyan:rw"]
    body["NetworkingConfig"] = {"EndpointsConfig": {name: {}}}
    ask("POST", "/containers/create", body, [("name", name)])
    ask("POST", "/volumes/create", {"Name": home, "Driver": "local"})
    ask("POST", "/networks/create", {"Name": name, "Driver": "bridge", "Internal": True})


def changed(*path: str, to: Any) -> dict[str, Any]:
    body = copy.deepcopy(SERVER)
    inner = body
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = to
    return body


def test_a_users_server_is_allowed(ask: Any) -> None:
    ask("POST", "/containers/create", SERVER, [("name", NAME)])
    for verb, method in (("json", "GET"), ("logs", "GET"), ("start", "POST"), ("stop", "POST")):
        ask(method, f"/containers/{NAME}/{verb}")
        ask(method, f"/containers/{'f' * 64}/{verb}")
    ask("DELETE", f"/containers/{NAME}")
    ask("POST", "/volumes/create", {"Name": "habari-1-hub-home-grace", "Driver": "local"})
    ask("POST", "/networks/create", {"Name": NAME, "Driver": "bridge", "Internal": True})
    ask("POST", f"/networks/{NAME}/connect", {"Container": "habari-1-hub-hub-1"})
    ask("GET", "/version")


@pytest.mark.parametrize(
    "body",
    [
        changed("HostConfig", "Privileged", to=True),
        changed("HostConfig", "privileged", to=True),
        changed("HostConfig", "Binds", to=["/:/host:rw"]),
        changed("HostConfig", "Binds", to=["/var/run/docker.sock:/var/run/docker.sock"]),
        changed("HostConfig", "Binds", to=["habari-1-hub-home-linus:/home/jovyan:rw"]),
        changed("HostConfig", "Mounts", to=[{"Type": "bind", "Source": "/", "Target": "/x"}]),
        changed("HostConfig", "NetworkMode", to="host"),
        changed("HostConfig", "NetworkMode", to="habari-1-hub_data"),
        changed("HostConfig", "NetworkMode", to="container:habari-1-hub-db-1"),
        changed("HostConfig", "PidMode", to="host"),
        changed("HostConfig", "CapAdd", to=["SYS_ADMIN"]),
        changed("HostConfig", "CapDrop", to=[]),
        changed("HostConfig", "SecurityOpt", to=["no-new-privileges", "apparmor=unconfined"]),
        changed("HostConfig", "Devices", to=[{"PathOnHost": "/dev/sda"}]),
        changed("HostConfig", "PortBindings", to={"8888/tcp": [{"HostPort": "1"}]}),
        changed("HostConfig", "VolumesFrom", to=["habari-1-hub-db-1"]),
        changed("Image", to="habari-hub:abc"),
        changed("User", to="0:0"),
        changed("User", to="root"),
        changed("Entrypoint", to=["sh"]),
        changed("NetworkingConfig", "EndpointsConfig", to={"habari-1-hub_data": {}}),
    ],
    ids=lambda body: str(sorted(set(body["HostConfig"])))[-40:],
)
def test_a_container_that_reaches_further_is_refused(
    ask: Any, policy: ModuleType, body: dict[str, Any]
) -> None:
    with pytest.raises(policy.Refused):
        ask("POST", "/containers/create", body, [("name", NAME)])


@pytest.mark.parametrize(
    ("method", "path", "body", "query"),
    [
        ("POST", "/containers/create", SERVER, [("name", "other")]),
        ("POST", "/containers/create", SERVER, [("name", "other"), ("name", NAME)]),
        ("POST", "/containers/create", SERVER, []),
        ("GET", "/containers/json", None, []),
        ("GET", "/info", None, []),
        ("GET", "/containers/habari-1-hub-db-1/json", None, []),
        ("POST", f"/containers/{'0' * 64}/stop", None, []),
        ("POST", f"/containers/{NAME}/exec", {"Cmd": ["sh"]}, []),
        ("POST", f"/containers/{NAME}/start", {"Binds": ["/:/host"]}, []),
        ("POST", f"/containers/{NAME}/../habari-1-hub-db-1/stop", None, []),
        ("PUT", f"/containers/{NAME}/archive", None, []),
        (
            "POST",
            "/volumes/create",
            {"Name": "habari-1-hub-home-x", "DriverOpts": {"o": "bind"}},
            [],
        ),
        ("POST", "/volumes/create", {"Name": "habari-1-hub_db"}, []),
        ("DELETE", "/volumes/habari-1-hub-home-grace", None, []),
        ("POST", "/networks/create", {"Name": NAME, "Internal": False}, []),
        ("POST", "/networks/create", {"Name": NAME, "Driver": "host", "Internal": True}, []),
        ("POST", "/networks/habari-1-hub_data/connect", {"Container": NAME}, []),
        ("POST", f"/networks/{NAME}/connect", {"Container": "habari-1-hub-db-1"}, []),
        ("POST", "/build", None, []),
        ("POST", "/images/create", None, [("fromImage", "x")]),
        ("GET", "/images/json", None, []),
    ],
)
def test_a_request_about_anything_else_is_refused(
    ask: Any, policy: ModuleType, method: str, path: str, body: Any, query: Any
) -> None:
    with pytest.raises(policy.Refused):
        ask(method, path, body, query)
