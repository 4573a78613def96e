"""A scratch checkout: the tracked files in a folder of their own, driven by the command line."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from habari_local.core.paths import Checkout
from habari_local.drivers import kind, processes
from habari_local.drivers.docker import client as docker_client
from tests.runnable_modes import CHART, IMAGES, missing

ROOT = Path(__file__).resolve().parents[1]
NEEDED = (
    "habari_local",
    "hub",
    "images",
    "jupyter",
    "compose",
    "kind",
    "tenants",
    "config.dist.yaml",
    "pyproject.toml",
    "README.md",
)

NAME = "Ada's chéckout"  # of its folder: people's have spaces, quotes and letters like these
CALL_SECONDS = 380  # longer than the tool waits before it gives up and says why
PORTS = (8000, 8001, 8081, 8008, 4566, 8888, 5001)
RESERVED = Path(tempfile.gettempdir()) / f"habari-test-ports-{os.getuid()}"
_FOR_GOOD = ExitStack()  # reservations that this process has until it ends


def must_be_able_to_run(mode: str) -> None:
    """Skip where this machine lacks what the mode needs, and say what that is."""
    reason = missing(mode)
    if reason:
        pytest.skip(reason)


@dataclass
class Scratch:
    """A checkout of its own, with ports of its own; environments are shared with the real one."""

    root: Path
    offset: int
    settings: dict[str, str] = field(default_factory=dict)
    made: float = field(default_factory=time.time)  # seconds since the epoch

    @property
    def state(self) -> Path:
        return self.root / ".habari"

    @property
    def id(self) -> str:
        return Checkout(self.root).id

    @property
    def temporary(self) -> Path:
        """Where all that it starts puts its temporary files."""
        return self.root.parent / "temporary"

    @property
    def hub_url(self) -> str:
        return f"http://127.0.0.1:{8000 + self.offset}"

    @property
    def s3_url(self) -> str:
        return f"http://127.0.0.1:{4566 + self.offset}"

    def environment(self, **more: str) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("HABARI_") and name != "PROJECT_PATH"
        }
        own = {"HABARI_PORT_OFFSET": str(self.offset), "PYTHONPATH": str(self.root)}
        own["TMPDIR"] = str(self.temporary)
        own["HABARI_IMAGES"] = IMAGES  # where the machine's images come from is not the test's
        own |= {"HABARI_CHART": CHART} if CHART else {}
        return {**kept, **own, **self.settings, **more}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "habari_local", *arguments]

    def call(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run habari-local to its end; the caller looks at code and output."""
        try:
            return subprocess.run(
                self.command(*arguments),
                cwd=self.root,
                env=self.environment(**more),
                capture_output=True,
                text=True,
                timeout=CALL_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            said = b"".join(each for each in (late.stdout, late.stderr) if isinstance(each, bytes))
            raise AssertionError(f"{arguments}: no end, {said.decode(errors='replace')}") from late

    def good(self, *arguments: str, **more: str) -> str:
        """Run habari-local, expect success, return its standard output."""
        done = self.call(*arguments, **more)
        assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """Start habari-local and return at once."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.root,
            env=self.environment(**more),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def endpoints(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self.good("endpoints"))
        return loaded

    def found(self) -> list[processes.ManagedProcess]:
        """Every process that belongs to this checkout."""
        return processes.find(self.id)

    def service(self, name: str) -> psutil.Process:
        """The process of one service."""
        return next(found.process for found in self.found() if found.service == name)

    def containers(self, mode: str) -> list[docker_client.Container]:
        """Every container that belongs to this checkout."""
        if not docker_client.reachable():
            return []
        return docker_client.containers(docker_client.ResourceLabels(self.id, mode))

    def running(self, mode: str) -> set[tuple[object, float | None]]:
        """All that runs, and since when: what a call that does nothing must leave alone."""
        processes_here = {(found.process.pid, found.since) for found in self.found()}
        nodes = kind.find_nodes(f"habari-{self.id}") if docker_client.reachable() else []
        return {
            *processes_here,
            *((each.id, each.since) for each in self.containers(mode)),
            *((each.id, None) for each in nodes if each.running),
        }

    @property
    def ports(self) -> set[int]:
        """Those of this checkout's range, in use or not."""
        return ports_at(self.offset)

    def listening(self) -> set[int]:
        """Ports of this checkout's range on which somebody listens."""
        return {port for port in self.ports if processes.port_owner(port)}


def ports_at(offset: int) -> set[int]:
    """Return all ports of a checkout with that offset."""
    return {port + offset for port in PORTS}


@contextmanager
def reserved_offset() -> Iterator[int]:
    """Give an offset whose ports are free, and which no other test, of any run here, has now."""
    RESERVED.mkdir(exist_ok=True)
    for offset in range(1000 + os.getpid() % 500, 9999, 7):
        with ExitStack() as held:
            if all(held.enter_context(_reserved(port)) for port in sorted(ports_at(offset))):
                yield offset
                return
    raise AssertionError("no free ports")


def free_offset() -> int:
    """Return an offset whose ports this process has to itself until it ends."""
    return _FOR_GOOD.enter_context(reserved_offset())


@contextmanager
def _reserved(port: int) -> Iterator[bool]:
    """Say whether the port is free, and keep it from others until the block is left."""
    with (RESERVED / str(port)).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield not _taken(port)


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


@contextmanager
def scratch_checkout(folder: Path) -> Iterator[Scratch]:
    """Make a scratch checkout in `folder`; nothing of it runs when the block is left."""
    root = folder / NAME
    root.mkdir()
    (folder / "temporary").mkdir()
    for name in NEEDED:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "tests", "node_modules")
            shutil.copytree(source, root / name, ignore=ignored)
        elif source.is_file():
            shutil.copyfile(source, root / name)
    (root / ".habari").mkdir(mode=0o700)
    shared = Checkout(ROOT).environments
    shared.mkdir(mode=0o700, exist_ok=True)
    (root / ".habari" / "envs").symlink_to(shared)
    with reserved_offset() as offset:
        scratch = Scratch(root, offset)
        try:
            yield scratch
        finally:
            _clean_up(scratch)


def _clean_up(scratch: Scratch) -> None:
    processes.stop(found.process for found in scratch.found())
    for mode in ("hub", "nohub", "kind") if docker_client.reachable() else ():
        for each in kind.find_nodes(f"habari-{scratch.id}"):
            docker_client.deletion_api().remove_container(each.id, force=True, v=True)
        ours = docker_client.ResourceLabels(scratch.id, mode)
        docker_client.remove(docker_client.containers(ours))
        docker_client.remove_networks(ours)
        docker_client.remove_volumes(docker_client.volumes(ours))
