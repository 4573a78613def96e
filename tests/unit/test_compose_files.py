"""The Compose files give no container more than it needs, and publish nothing beyond here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
# Whose own files can be written to, and why.
WRITABLE = {
    "s3": "LocalStack writes in many places; what is kept is in its volume",
    "notebook": "it is a person's: /tmp for large files, caches, packages",
}
POWERS = {"cap_add", "privileged", "pid", "ipc", "network_mode", "userns_mode", "devices", "uts"}


READ = [
    YAML(typ="safe").load(ROOT / "compose" / f"{file}.yml") for file in ("base", "hub", "nohub")
]
IPV6 = {
    mode: YAML(typ="safe").load(ROOT / "compose" / f"{mode}-ipv6.yml")["services"]
    for mode in ("hub", "nohub")
}
SERVICES: dict[str, dict[str, Any]] = {k: v for each in READ for k, v in each["services"].items()}


@pytest.mark.parametrize("name", SERVICES)
def test_no_container_has_powers_that_it_does_not_need(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    # SELinux has no label that opens the engine's socket. All have the engine's seccomp profile.
    unlabelled = ["label=disable"] if name == "socket" else []
    assert service["security_opt"] == ["no-new-privileges", *unlabelled]
    assert not POWERS & set(service)
    assert service.get("read_only", False) is not (name in WRITABLE), WRITABLE.get(name, "why?")


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_published_is_published_here_alone(name: str) -> None:
    service = SERVICES[name]
    assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", ()))
    secret = ("PASSWORD", "SECRET", "TOKEN", "KEY")
    assert not any(word in key for key in service.get("environment", {}) for word in secret)


@pytest.mark.parametrize(("mode", "service"), [("hub", "proxy"), ("nohub", "notebook")])
def test_with_ipv6_what_people_open_is_published_at_its_loopback_too(
    mode: str, service: str
) -> None:
    (published,) = IPV6[mode][service].pop("ports")
    assert [f"127.0.0.1:{published.removeprefix('[::1]:')}"] == SERVICES[service]["ports"]
    assert IPV6[mode] == {service: {}}, "and nothing else is changed"


def test_the_engines_socket_is_one_containers_alone() -> None:
    holders = [
        name
        for name, service in SERVICES.items()
        if any("docker.sock" in str(volume) for volume in service.get("volumes", ()))
    ]
    assert holders == ["socket"]


def test_the_registry_is_one_account_whichever_image_it_is() -> None:
    """Its volume outlives HABARI_IMAGES, and upstream's image would be root."""
    from habari_local.modes.kind.node_images import REGISTRY_OWNER

    service = YAML(typ="safe").load(ROOT / "compose" / "kind.yml")["services"]["registry"]
    assert service["user"] == f"{REGISTRY_OWNER.user}:{REGISTRY_OWNER.group}"
    assert service["volumes"][0]["volume"] == {"nocopy": True}
