"""Mode hub with a hub that was taken over: what it gets from the Docker engine, and who reaches us.

The requests are sent from inside the real hub's container, through the real socket proxy, to the
real engine.
"""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import docker
import psutil
import pytest

from habari_local.drivers.docker import archive
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.docker.client import Container
from tests.faults.parts import Platform, server_of
from tests.faults.test_compose_work import container, reached
from tests.scratch import Scratch

MODE = "hub"
pytestmark = pytest.mark.mode(MODE)
USER = "-race"  # the escaped name of whom begins with a dash, as those of some old accounts
ESCAPED = "-2drace"
SEND = """
import http.client, json, sys
answers = []
for method, target, headers, body in json.loads(sys.argv[1]):
    to = http.client.HTTPConnection("socket", 2375, timeout=60)
    to.putrequest(method, target)
    for name, value in headers.items() or {"Content-Length": str(len(body.encode()))}.items():
        to.putheader(name, value)
    to.endheaders(body.encode())
    answer = to.getresponse()
    answers.append([answer.status, answer.read().decode()])
    to.close()
print(json.dumps(answers))
"""
Ask = tuple[str, str, dict[str, str], str]


@pytest.fixture(scope="module")
def platform(platform_of: Callable[[str], Platform]) -> Scratch:
    scratch = platform_of(MODE).scratch
    scratch.good("up")
    return scratch


def from_the_hub(platform: Scratch, *asked: Ask) -> list[tuple[int, str]]:
    """What the engine answers to a request that the hub's container sends, one after the other."""
    command = ["python", "-c", SEND, json.dumps(asked)]
    said = io.BytesIO()
    archive.output(container(platform, "hub").id, command, said)
    answers = json.loads(said.getvalue())
    return [(status, text) for status, text in answers]


class Mallory:
    """A user whom only the hub that was taken over knows, and what is made for that one."""

    def __init__(self, platform: Scratch) -> None:
        self.platform = platform
        hub = docker_client.api().inspect_container(container(platform, "hub").id)
        env = dict(each.split("=", 1) for each in hub["Config"]["Env"])
        self.prefix = f"{env['HABARI_DOCKER_PREFIX']}-"
        self.image = env["HABARI_SERVER_IMAGE"]
        self.labels = {**json.loads(env["HABARI_SERVER_LABELS"]), "dev.habari.user": USER}
        self.name = f"{self.prefix}user-{ESCAPED}"
        self.home = f"{self.prefix}home-{ESCAPED}"

    def post(self, target: str, body: object) -> Ask:
        return "POST", target, {}, body if isinstance(body, str) else json.dumps(body)

    def create(self, body: object) -> Ask:
        return self.post(f"/containers/create?name={self.name}", body)

    @property
    def server(self) -> dict[str, Any]:
        host = {"NetworkMode": self.name, "CapDrop": ["ALL"], "Binds": self.binds}
        return {"Image": self.image, "Labels": self.labels, "Cmd": ["true"], "HostConfig": host}

    @property
    def binds(self) -> list[str]:
        return [f"{self.home}:/home/jovyan:rw"]

    def with_host(self, text: str) -> str:
        """The body of the server, with more text in its HostConfig."""
        return json.dumps(self.server).replace('"HostConfig": {', f'"HostConfig": {{{text}, ')

    def with_more(self, text: str) -> str:
        """The body of the server, with more text at its end."""
        return f"{json.dumps(self.server)[:-1]}, {text}}}"

    def attacks(self) -> Iterator[Ask]:
        """Each got something from the engine once."""
        data = f'"{self.prefix[:-1]}_data"'
        for text in (
            '"\u017fecurityOpt": []',
            '"Networ\u212aMode": "host"',
            '"capdrop": []',
            '"CAPADD": ["SYS_ADMIN"]',
            '"privileged": true',
            '"MaskedPaths": []',
            '"CapDrop": []',
            f'"NetworkMode": {data}',
            '"binds": ["/:/host"]',
        ):
            yield self.create(self.with_host(text))
        for text in (
            '"hostConfig": null',
            '"user": ""',
            '"User": "1000:0"',
            '"HostConfig": {}',
            f'"networkingconfig": {{"EndpointsConfig": {{{data}: {{}}}}}}',
            f'"NetworkingConfig": {{"endpointsconfig": {{{data}: {{}}}}}}',
            '"labels": {}',
            '"Entrypoint": ["sh"]',
        ):
            yield self.create(self.with_more(text))
        yield self.create("[" * 20_000)
        yield self.create({**self.server, "Labels": None})
        yield "POST", f"/containers/create?name={self.name}", {"Content-Length": "-1"}, "{}"
        yield "POST", f"/containers/create?name={self.name}", {"Content-Length": "x"}, "{}"
        network = {"Name": self.name, "Labels": self.labels, "Internal": True}
        more: dict[str, Any]
        for more in ({"internal": False}, {"Internal": False}, {"options": {}}, {"labels": {}}):
            yield self.post("/networks/create", {**network, **more})
        volume = {"Name": self.home, "Labels": self.labels}
        device = {"type": "none", "o": "bind", "device": "/"}
        other: dict[str, Any]
        for other in ({"driveropts": device}, {"DriverOpts": device}, {"Labels": {}}):
            yield self.post("/volumes/create", {**volume, **other})

    def made(self) -> list[str]:
        """What of this user is in the engine."""
        api = docker_client.api()
        found = [each["Names"][0] for each in api.containers(all=True)]
        found += [each["Name"] for each in api.networks()]
        found += [each["Name"] for each in api.volumes()["Volumes"] or ()]
        return [name for name in found if ESCAPED in name and self.prefix in name]

    def remove(self) -> None:
        """Remove all of it."""
        api = docker_client.api()
        for kind, name in (
            (lambda name: api.remove_container(name, force=True), self.name),
            (api.remove_network, self.name),
            (api.remove_volume, self.home),
        ):
            try:
                kind(name)
            except docker.errors.NotFound:
                continue


@pytest.fixture
def mallory(platform: Scratch) -> Iterator[Mallory]:
    made = Mallory(platform)
    yield made
    made.remove()
    assert not made.made()


def test_no_body_gets_the_hub_more_than_users_servers(platform: Scratch, mallory: Mallory) -> None:
    attacks = list(mallory.attacks())
    for asked, (status, text) in zip(attacks, from_the_hub(platform, *attacks), strict=True):
        assert status in (400, 403), (asked, status, text)
    assert mallory.made() == []


def test_what_the_hub_may_make_is_held_down_whatever_it_left_out(
    platform: Scratch, mallory: Mallory
) -> None:
    whose = {"Labels": mallory.labels}
    answers = from_the_hub(
        platform,
        mallory.post("/volumes/create", {"Name": mallory.home, **whose}),
        mallory.post("/networks/create", {"Name": mallory.name, **whose}),
        mallory.create(whose),
        ("POST", f"/containers/{mallory.name}/start", {}, ""),
    )
    assert [status for status, _ in answers] == [201, 201, 201, 204], answers
    api = docker_client.api()
    found, network = api.inspect_container(mallory.name), api.inspect_network(mallory.name)
    host = found["HostConfig"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert (host["CapAdd"], host["Privileged"], host["PidsLimit"]) == ([], False, 2048)
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert host["MaskedPaths"], "those of the engine"
    assert (host["NetworkMode"], host["Binds"]) == (mallory.name, mallory.binds)
    assert found["Config"]["User"].partition(":")[0] not in {"", "0"}
    assert set(found["NetworkSettings"]["Networks"]) == {mallory.name}
    assert network["Internal"]
    for each in (found["Config"], network, api.inspect_volume(mallory.home)):
        assert mallory.labels.items() <= each["Labels"].items(), "`down --wipe` finds it by them"


@pytest.mark.parametrize("internal", [False, True])
def test_a_network_that_somebody_else_made_for_a_user_is_not_used(
    platform: Scratch, mallory: Mallory, internal: bool
) -> None:
    docker_client.api().create_network(mallory.name, internal=internal)
    partner = {"Container": f"{mallory.prefix}s3-1"}
    volume = {"Name": mallory.home, "Labels": mallory.labels}
    answers = from_the_hub(
        platform,
        mallory.post("/volumes/create", volume),
        mallory.create(mallory.server),
        mallory.post(f"/networks/{mallory.name}/connect", partner),
        ("GET", f"/networks/{mallory.name}", {}, ""),
        ("DELETE", f"/networks/{mallory.name}", {}, ""),
    )
    assert [status for status, _ in answers] == [201, 403, 403, 403, 403], answers
    assert all("not made by this hub" in text for _, text in answers[1:])


def test_a_user_whose_name_begins_with_a_dash_has_a_server(
    platform: Scratch, mallory: Mallory
) -> None:
    """In the engine the escaped name then begins with a dash: one rule for hub and policy."""
    endpoints = Platform(platform, MODE).endpoints
    admin = server_of(endpoints, endpoints.users.admin[0]).person
    assert admin.api("POST", f"users/{USER}").status_code in (201, 409)
    try:
        started = admin.api("POST", f"users/{USER}/server")
        assert started.ok, started.text
        with admin.api("GET", f"users/{USER}/server/progress", stream=True) as progress:
            lines = [line for line in progress.iter_lines(decode_unicode=True) if line]
        assert '"ready": true' in lines[-1], lines
        assert container(platform, USER).title == f"server of {USER}"
    finally:
        assert admin.api("DELETE", f"users/{USER}").ok, "its server is stopped for it"


def test_what_listens_on_the_host_is_out_of_reach_for_users_and_inner_services(
    platform: Scratch,
) -> None:
    """Whatever address of the host, and of each network's gateway, it is asked for at."""
    server_of(Platform(platform, MODE).endpoints, "grace")
    with closing(socket.create_server(("0.0.0.0", 0), backlog=128)) as listener:
        port = listener.getsockname()[1]
        targets = [(address, port) for address in sorted(addresses_of_the_host())]
        found = {name: reached(container(platform, name), targets) for name in ("grace", "hub")}
        gateways = [(gateway, port) for gateway in gateways_of(container(platform, "grace"))]
        assert gateways
        assert reached(container(platform, "grace"), gateways) == []
    assert found["grace"] == []
    assert found["hub"], "the listener is there, for a container with a way out of its network"


def addresses_of_the_host() -> set[str]:
    """Each address of this machine, and the gateways that networks of the engine have."""
    mine = {
        each.address
        for addresses in psutil.net_if_addrs().values()
        for each in addresses
        if each.family == socket.AF_INET and not each.address.startswith("127.")
    }
    for network in docker_client.api().networks():
        for config in (network["IPAM"] or {}).get("Config") or ():
            mine |= {config["Gateway"]} if "Gateway" in config else set()
    return mine


def gateways_of(each: Container) -> set[str]:
    """Where the host would be on the networks of a container: the first address of each."""
    networks = docker_client.api().inspect_container(each.id)["NetworkSettings"]["Networks"]
    return {f"{network['IPAddress'].rpartition('.')[0]}.1" for network in networks.values()}


@pytest.mark.parametrize("network", ["control", "data", "engine"])
def test_the_host_has_no_address_on_inner_networks(platform: Scratch, network: str) -> None:
    found = docker_client.api().inspect_network(f"habari-{platform.id}-{MODE}_{network}")
    bridge = f"br-{found['Id'][:12]}"
    addresses = psutil.net_if_addrs().get(bridge, ())
    assert bridge in psutil.net_if_stats()
    assert [each.address for each in addresses if each.family == socket.AF_INET] == []
