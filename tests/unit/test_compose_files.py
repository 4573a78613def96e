"""The Compose files give no container more than it needs, and publish nothing beyond here."""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from habari_local.core.errors import CommandFailed
from habari_local.core.subprocesses import run
from habari_local.drivers.docker.compose import Project

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


@pytest.mark.parametrize("name", SERVICES)
def test_a_health_check_is_the_same_one_in_podman(name: str) -> None:
    """Podman takes the words of a CMD apart at their spaces: `bash -c exec` is always healthy."""
    how, *words = SERVICES[name]["healthcheck"]["test"]
    assert how == "CMD-SHELL" or not any(" " in word for word in words)


@pytest.mark.skipif(shutil.which("docker") is None, reason="no Docker Compose here")
@pytest.mark.parametrize("mode", ["hub", "nohub"])
def test_podman_is_asked_for_nothing_that_it_does_not_know(tmp_path: Path, mode: str) -> None:
    for name in SERVICES:
        (tmp_path / f"{name}.env").touch()
    text = "".join((ROOT / "compose" / f"{each}.yml").read_text() for each in ("base", mode))
    left_open = set(re.findall(r"\$\{(UP_\w+)\}", text))
    environ = {"PATH": os.environ["PATH"], "COMPOSE_PROFILES": "s3,github"}
    folders = {each for each in left_open if each.endswith(("FOLDER", "PATH", "DOCKER_SOCKET"))}
    environ |= {each: str(tmp_path) if each in folders else "1" for each in left_open}
    argv = ["docker", "compose"]
    for each in ("base", mode, f"{mode}-podman"):
        argv += ["--file", str(ROOT / "compose" / f"{each}.yml")]
    shown = run([*argv, "config", "--format", "json"], env=environ).output
    services = json.loads(shown)["services"]
    for name, service in services.items():
        assert service["logging"]["driver"] == "k8s-file", name
        assert set(service["logging"]["options"]) == {"max-size"}, name
        assert "start_interval" not in service["healthcheck"], name
        assert not any("uid=" in each for each in service.get("tmpfs", ())), name


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


@pytest.mark.skipif(shutil.which("docker") is None, reason="no Docker Compose here")
@pytest.mark.parametrize(
    ("broken", "named"),
    [
        ("services:\n  a:\n    image: x\n   b: [\n", "{file}: yaml: "),
        ("services:\n  a:\n    image: x\n    imagine: y\n", "{file}: services.a"),
    ],
)
def test_the_file_that_compose_cannot_use_is_named(tmp_path: Path, broken: str, named: str) -> None:
    """Of one that is no YAML, Compose gives the line alone."""
    good, bad = tmp_path / "good.yml", tmp_path / "bad one.yml"
    good.write_text("services:\n  a:\n    image: x\n")
    bad.write_text(broken)
    env_file = tmp_path / ".env"
    env_file.touch()
    with pytest.raises(CommandFailed) as told:
        Project("x", (good, bad), env_file, "0123456789/hub").up((), cancel=threading.Event())
    said = "\n".join([str(told.value), *told.value.details])
    assert named.format(file=bad) in said
