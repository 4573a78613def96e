"""Debian as it is just installed, a plain user without sudo: the README's first hour works."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from habari_local.drivers import package_manager
from tests.e2e import endpoints, hub_client, s3_client
from tests.e2e.server_client import Server
from tests.fresh.machine import ROOT, Machine, fresh_machine
from tests.scratch import reserved_offset

# Python 3.11, 3.13, and the newest that Debian has.
SUITES = ("bookworm", "trixie", "testing")
HABARI = ".tools/bin/uv run habari-local"
UVS_LOCK = r"/tmp/uv-[0-9a-f]+\.lock"  # of a project, empty: uv leaves it to the next `uv run`
NOTE = "from a fresh machine\n"

pytestmark = pytest.mark.timeout(3600)  # it downloads all that there is to download


def readme_line(number: int) -> str:
    """Return a command of the README, the first or the second that a newcomer pastes."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    commands: list[str] = re.findall(r"```sh\n(.*?)\n```", text, re.DOTALL)
    return commands[number - 1]


@pytest.fixture(params=SUITES)
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machine]:
    if os.getuid() != 0:
        pytest.skip("only root can start a machine of this kind: sudo .venv/bin/nox -s fresh")
    if shutil.which("mmdebstrap") is None:
        install = package_manager.install(package_manager.MMDEBSTRAP, os.environ)
        pytest.skip(f"mmdebstrap makes its file system. Try: {install}")
    with reserved_offset() as offset:
        environ = {"HABARI_PORT_OFFSET": str(offset)}
        with fresh_machine(tmp_path, request.param, environ) as started:
            yield started


def test_the_readme_on_a_fresh_machine(machine: Machine) -> None:
    before = machine.files()
    assert machine.call("command -v sudo git node docker uv").stdout == ""

    began = time.monotonic()
    machine.good(readme_line(1))
    seconds = time.monotonic() - began
    packages = machine.good(".tools/bin/uv pip list --quiet --format=freeze").split()
    sys.stdout.write(f"first up: {seconds:.1f} s, {len(packages)} packages of the tool's own\n")

    sign_in_and_save(machine)
    done = machine.good(f"{readme_line(2)} -s e2e -- --mode process")
    sys.stdout.write(done[-2000:])
    assert re.search(r"\d+ passed", done), done

    machine.good(f"{HABARI} down")
    assert machine.running() == []
    left = machine.files() - before
    assert {each for each in left if not re.fullmatch(UVS_LOCK, each)} == set()


def sign_in_and_save(machine: Machine) -> None:
    """As a person in a browser: the hub's page, the fake GitHub's form, a server, a file."""
    where = endpoints.parse(machine.good(f"{HABARI} endpoints"), "the fresh machine")
    ada = hub_client.sign_in(where, "ada")
    server = Server(ada, ada.start_server())
    server.enter()
    server.save_text("notebooks/fresh.txt", NOTE)
    bucket = s3_client.Bucket(s3_client.connect(where), where.s3.notebooks_bucket)
    found = [bucket.get(key) for key in bucket.keys("") if key.endswith("fresh.txt")]
    assert found == [NOTE.encode()]
    ada.stop_server()
    ada.sign_out()
    ada.web.close()
