"""`up --watch` of a real platform: what an edit does to the hub, to a server, and to Ctrl-C."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from habari_local.drivers.jupyterhub import HubClient
from tests.e2e.endpoints import parse
from tests.e2e.hub_client import sign_in
from tests.scratch import Scratch, scratch_checkout
from tests.waiting import wait_for

NOTE = "Your server runs an older image"


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[tuple[Scratch, subprocess.Popen[str], Iterator[str]]]:
    """A platform in process mode under `up --watch`, and what that says from then on."""
    with scratch_checkout(tmp_path) as scratch:
        watch = scratch.start("up", "--watch")
        said = iter(watch.stdout or ())
        try:
            while not (line := next(said)).startswith("Watching"):
                assert "Try:" not in line
            yield scratch, watch, said
        finally:
            watch.kill()
            watch.communicate()


def test_edits_take_effect_and_servers_stay(
    watched: tuple[Scratch, subprocess.Popen[str], Iterator[str]],
) -> None:
    scratch, watch, said = watched
    where = scratch.endpoints()
    hub = HubClient(where["hub_url"], where["hub_api_token"])
    grace = sign_in(parse(json.dumps(where), "endpoints"), "grace")
    hub.start("grace")
    wait_for(lambda: hub.runs("grace"), 90)
    assert NOTE not in grace.web.get(f"{where['hub_url']}hub/home").text
    server = next(each for each in scratch.found() if each.user == "grace")

    page = scratch.root / "hub" / "templates" / "page.html"
    page.write_text(page.read_text().replace("title %}Habari", "title %}Edited"))
    assert next(said).startswith("hub/templates/page.html: JupyterHub: restarted, in effect")
    assert "<title>Edited<" in requests.get(f"{where['hub_url']}hub/login", timeout=30).text

    before = scratch.service("hub")
    config = scratch.root / "hub" / "jupyterhub_config.py"
    whole = config.read_text()
    line = whole.count("\n") + 1
    config.write_text(f"{whole}x = = 1\n")
    assert next(said).startswith(f"hub/jupyterhub_config.py, line {line}: invalid syntax.")
    config.write_text(f"{whole}nothing_of_this_name\n")
    place = f"hub/jupyterhub_config.py, line {line}: NameError"
    assert f"{place}: name 'nothing_of_this_name' is not defined" in next(said)
    assert scratch.service("hub") == before
    config.write_text(whole)
    assert next(said).startswith("hub/jupyterhub_config.py: nothing that runs is made from it")

    edited = scratch.root / "jupyter" / "jupyter_server_config.py"
    edited.write_text(edited.read_text() + "# edited\n")
    assert next(said).startswith("jupyter/jupyter_server_config.py: users' servers: start from")
    assert "server of grace" in next(said)
    status = scratch.good("status")
    assert "running, old image" in next(
        line for line in status.splitlines() if line.startswith("server of grace")
    )
    assert NOTE in grace.web.get(f"{where['hub_url']}hub/home").text
    assert server.process.is_running()

    second = scratch.call("up", "--watch")
    assert second.returncode == 1
    assert f"(pid {watch.pid})" in second.stderr

    watch.send_signal(signal.SIGINT)
    assert watch.wait(30) == 0
    scratch.good("status")
