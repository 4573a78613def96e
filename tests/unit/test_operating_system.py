"""What systems do differently: each variant is tried by showing the tool that system's ways."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import psutil
import pytest
import yaml

from habari_local.core.errors import HabariError
from habari_local.drivers import operating_system, processes
from habari_local.drivers.docker import endpoint
from habari_local.drivers.operating_system import LINUX, MACOS, SELINUX, WSL2, recognized
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.mark.parametrize(
    ("seen", "system"),
    [
        (("linux", "6.1.0-28-amd64", ""), LINUX),
        (("linux", "6.12.5-200.fc41.x86_64", "1\n"), SELINUX),
        (("linux", "6.12.5-200.fc41.x86_64", "0\n"), LINUX),  # permissive
        (("linux", "5.15.167.4-microsoft-standard-WSL2", ""), WSL2),
        (("darwin", "", ""), MACOS),
    ],
)
def test_a_system_is_recognized(
    seen: tuple[str, str, str], system: operating_system.System
) -> None:
    assert recognized(*seen) == system


def denied(*_: object, **__: object) -> NoReturn:
    raise psutil.AccessDenied


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield int(listening.getsockname()[1])


def test_the_owner_of_a_port_is_found_where_only_root_sees_all_sockets(
    listener: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "net_connections", denied)
    assert f"pid {os.getpid()}" in str(processes.port_owner(listener))
    assert processes.port_owner(listener, spare=[os.getpid()]) is None


def test_a_port_of_an_account_whose_sockets_are_hidden_is_not_free(
    listener: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "net_connections", denied)
    monkeypatch.setattr(psutil.Process, "net_connections", denied)
    assert processes.port_owner(listener) == "another user's process"


def test_a_free_port_has_no_owner_where_sockets_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = int(listening.getsockname()[1])
    monkeypatch.setattr(psutil, "net_connections", denied)
    assert processes.port_owner(port) is None


@pytest.mark.parametrize("hide", [denied, lambda _: {}], ids=["denied", "empty"])
def test_our_processes_are_found_among_those_whose_environment_is_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hide: Callable[..., Any]
) -> None:
    """macOS shows the environment of the account's own programs, and of no others."""
    label = processes.label(f"hidden{os.getpid()}", "process")
    own = processes.start(
        *(SLEEP,),
        label=label,
        service="hub",
        digest="d1",
        env={},
        cwd=tmp_path,
        log=tmp_path / "log",
    )
    shown = psutil.Process.environ
    wait_for(own.environ)  # of a program that was just begun the kernel shows none yet
    try:
        monkeypatch.setattr(
            psutil.Process, "environ", lambda each: shown(each) if each == own else hide(each)
        )
        assert [each.pid for each in processes.find(f"hidden{os.getpid()}")] == [own.pid]
    finally:
        processes.kill([own])


def test_memory_is_the_resident_size_where_the_share_is_not_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(psutil.Process, "memory_full_info", denied)
    assert operating_system.memory(psutil.Process()) > 1_000_000


@pytest.mark.parametrize(
    ("system", "path", "given"),
    [
        (LINUX, "/run/user/1001/docker.sock", "/run/user/1001/docker.sock"),
        (LINUX, "/home/ada/.docker/desktop/docker.sock", "/var/run/docker.sock"),
        (WSL2, "/var/run/docker.sock", "/var/run/docker.sock"),
        (MACOS, "/Users/ada/.docker/run/docker.sock", "/var/run/docker.sock"),
        (MACOS, "/Users/ada/.colima/default/docker.sock", "/var/run/docker.sock"),
    ],
)
def test_a_container_has_the_engines_socket_where_the_engine_has_it(
    system: operating_system.System, path: str, given: str
) -> None:
    assert system.engine_socket(path) == given


def test_the_sockets_group_is_the_virtual_machines_where_the_engine_is_in_one(
    tmp_path: Path,
) -> None:
    here = tmp_path / "docker.sock"
    here.touch()
    os.chown(here, -1, os.getgid())
    assert LINUX.engine_group(str(here)) == os.getgid()
    desktop = tmp_path / ".docker" / "run" / "docker.sock"
    desktop.parent.mkdir(parents=True)
    desktop.touch()
    assert LINUX.engine_group(str(desktop)) == 0
    assert MACOS.engine_group(str(here)) == 0, "whatever group the file has outside"
    assert LINUX.engine_group(str(tmp_path / "gone")) == 0


@pytest.mark.parametrize("system", [LINUX, SELINUX, WSL2, MACOS], ids=lambda each: each.name)
def test_an_engine_that_does_not_answer_is_started_as_the_system_starts_it(
    system: operating_system.System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operating_system, "current", lambda: system)
    silent: HabariError = endpoint.engine_unreachable("refused", "unix:///var/run/docker.sock")
    assert silent.hint == system.start_engine
    refused = endpoint.engine_unreachable("Permission denied", "unix:///var/run/docker.sock")
    assert refused.hint == system.allow_account


def test_selinux_alone_labels_what_containers_open() -> None:
    assert {each.name: each.bind_label for each in (LINUX, SELINUX, WSL2, MACOS)} == {
        "Linux": "",
        "Linux with SELinux": ",z",
        "WSL2": "",
        "macOS": "",
    }


class Compose(yaml.SafeLoader):
    """Reads Compose's own tags too."""


Compose.add_constructor("!reset", lambda *_: None)


def binds() -> Iterator[tuple[str, str, str]]:
    """Each bind mount of the Compose files: service, what is mounted, its options."""
    for file in sorted((ROOT / "compose").glob("*.yml")):
        for name, service in yaml.load(file.read_text(), Compose).get("services", {}).items():
            for volume in service.get("volumes", ()):
                if isinstance(volume, str) and volume.startswith(("/", ".", "$")):
                    source, target, *options = volume.split(":")
                    yield f"{name}: {target}", source, "".join(options)


def test_every_bind_is_labelled_but_the_sockets_which_no_label_opens() -> None:
    found = list(binds())
    assert len(found) >= 5
    for name, source, options in found:
        if source == "${UP_DOCKER_SOCKET}":
            continue
        assert options.endswith("${UP_BIND_LABEL}"), name
    hub = yaml.safe_load((ROOT / "compose" / "hub.yml").read_text())["services"]
    assert "label=disable" in hub["socket"]["security_opt"]
    assert [name for name, each in hub.items() if "label=disable" in str(each)] == ["socket"]


def test_what_is_written_while_containers_run_is_never_bound_as_a_file() -> None:
    """A file that is replaced is another one: a container has the old one until it restarts.

    Docker Desktop may not even show a change within one.
    """
    written = [source for _, source, _ in binds() if "UP_FOLDER" in source]
    assert written == ["${UP_FOLDER}/server"], "a folder"
