"""Users' servers as processes: apart from one another, and alive when the hub is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from browser import Browser, signed_in
from rig import CONFIG, Rig, wait_until


def start(browser: Browser, user: str) -> psutil.Process:
    """Start a user's server; return its process."""
    before = set(browser.rig.servers())
    browser.start_server(user)
    (server,) = set(browser.rig.servers()) - before
    return server


@pytest.fixture
def grace(rig: Rig) -> Iterator[Browser]:
    """Grace's browser; no server of hers is left."""
    yield signed_in(rig, "grace")
    rig.api("DELETE", "/users/grace/server")


@pytest.fixture
def linus(rig: Rig) -> Iterator[Browser]:
    yield signed_in(rig, "linus")
    rig.api("DELETE", "/users/linus/server")


def test_two_users_have_a_home_a_port_and_an_environment_each(
    rig: Rig, grace: Browser, linus: Browser
) -> None:
    hers, his = start(grace, "grace"), start(linus, "linus")
    assert (hers.cwd(), his.cwd()) == (f"{rig.folder}/homes/grace", f"{rig.folder}/homes/linus")
    assert Path(hers.cwd()).stat().st_mode & 0o777 == 0o700
    tokens = {each.environ()["JUPYTERHUB_API_TOKEN"] for each in (hers, his)}
    assert len(tokens) == 2
    places = [each.net_connections("tcp") for each in (hers, his)]
    listening = [{c.laddr for c in place if c.status == psutil.CONN_LISTEN} for place in places]
    assert all(address.ip == "127.0.0.1" for each in listening for address in each)
    assert not listening[0] & listening[1]
    assert grace.open_server("grace").status_code == 200
    assert linus.open_server("grace").status_code == 403


def test_a_server_sees_what_is_meant_for_it_and_none_of_the_hubs_secrets(
    rig: Rig, grace: Browser
) -> None:
    rig.env_file.write_text("FROM_FILE='a $PATH b'\nJUPYTERHUB_USER=somebody-else\n")
    environment = start(grace, "grace").environ()
    assert environment["FROM_FILE"] == "a $PATH b"
    assert environment["HABARI_LABEL"] == rig.label
    assert environment["HOME"] == f"{rig.folder}/homes/grace"
    assert environment["JUPYTERHUB_USER"] == "grace"
    assert environment["PATH"].startswith(str(Path(sys.executable).parent))
    secret = ("CONFIGPROXY_AUTH_TOKEN", "JPY_COOKIE_SECRET", "JUPYTERHUB_CRYPT_KEY")
    assert not {*secret, "HABARI_HUB_API_TOKEN", "HABARI_GITHUB_CLIENT_SECRET"} & set(environment)


def test_the_environment_file_is_read_at_each_spawn(rig: Rig, grace: Browser) -> None:
    rig.env_file.write_text("FROM_FILE=first\n")
    assert start(grace, "grace").environ()["FROM_FILE"] == "first"
    assert grace.api("DELETE", "/users/grace/server").status_code == 204
    rig.env_file.write_text("FROM_FILE=second\n")
    assert start(grace, "grace").environ()["FROM_FILE"] == "second"


def test_stopping_ends_the_process_and_does_not_dawdle(rig: Rig, grace: Browser) -> None:
    server = start(grace, "grace")
    assert grace.api("DELETE", "/users/grace/server").status_code == 204
    assert not server.is_running()
    assert rig.servers() == []


def test_a_server_that_dies_while_it_starts_is_reported_at_once(rig: Rig, grace: Browser) -> None:
    config = rig.folder / "server_config.py"
    config.write_text("raise SystemExit('broken on purpose')\n")
    try:
        begin = time.monotonic()
        answer = grace.api("POST", "/users/grace/server")
        assert answer.status_code == 500
        assert "ended while it started" in answer.json()["message"]
        assert time.monotonic() - begin < 15
    finally:
        config.write_text("")
    assert rig.api("GET", "").status_code == 200
    start(grace, "grace")


SLOW = """
import asyncio
load_subconfig({config!r})
from habari_hub.process_spawner import ProcessSpawner

class Slow(ProcessSpawner):
    looks = 0

    async def poll(self):
        status = await super().poll()
        if status is not None and self.server:
            Slow.looks += 1
            open({seen!r}, "w").close()
            await asyncio.sleep(2 if Slow.looks <= 2 else 0)
        return status

async def dawdle(spawner):
    await asyncio.sleep(4)

c.JupyterHub.spawner_class = Slow
c.Slow.poll_interval = 1
c.Spawner.post_stop_hook = dawdle
"""


def test_who_asks_for_a_server_whose_end_is_just_being_noticed_gets_a_new_one(
    rig: Rig, grace: Browser
) -> None:
    """It was an error 500: the hub's own look had begun to clear the old one away."""
    config = rig.folder / "slow_config.py"
    seen = rig.folder / "seen"
    config.write_text(SLOW.format(config=str(CONFIG), seen=str(seen)))
    rig.restart_hub(config)
    server = start(grace, "grace")
    server.kill()
    wait_until(seen.exists, 10)  # the hub's own look has begun, and takes two seconds
    rig.await_server("grace", grace.api("POST", "/users/grace/server"))
    assert rig.servers() != [server]
    rig.api("DELETE", "/users/grace/server")
    rig.restart_hub()


def test_a_server_outlives_its_hub_and_is_taken_back(rig: Rig, grace: Browser) -> None:
    server = start(grace, "grace")
    assert grace.open_server("grace").status_code == 200
    rig.end("hub", kill=True)
    assert grace.get("/user/grace/api/contents").status_code == 200, "no hub needed to work on"
    rig.start_hub()
    assert rig.servers() == [server]
    assert rig.api("GET", "/users/grace").json()["server"] == "/user/grace/"
    assert grace.get("/user/grace/api/contents").status_code == 200
    assert grace.api("DELETE", "/users/grace/server").status_code == 204
    assert not server.is_running()


def test_routes_come_back_after_the_proxy_died(rig: Rig, grace: Browser) -> None:
    start(grace, "grace")
    assert grace.open_server("grace").status_code == 200
    rig.end("proxy", kill=True)
    rig.start_proxy()
    wait_until(rig.proxy_answers, 10)
    hub = rig.environment["HABARI_HUB_BIND_URL"]
    assert rig.api("POST", "/proxy", base=hub).status_code == 200
    assert grace.get("/user/grace/api/contents").status_code == 200


def test_an_innocent_process_with_the_servers_pid_is_left_alone(rig: Rig, grace: Browser) -> None:
    """The server dies while no hub looks, and its pid goes to somebody else."""
    server = start(grace, "grace")
    rig.end("hub", kill=True)
    server.kill()
    server.wait(5)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as innocent:
        ((kept,),) = rig.query("select state from spawners where server_id is not null")
        reused = json.dumps({**json.loads(kept), "pid": innocent.pid})
        rig.query("update spawners set state = ? where server_id is not null", reused)
        rig.start_hub()
        assert innocent.poll() is None
        assert rig.api("GET", "/users/grace").json()["server"] is None
        assert start(grace, "grace").is_running()
        assert innocent.poll() is None
        innocent.communicate(b"\n", timeout=5)


def test_a_server_of_another_checkout_is_left_alone(rig: Rig, grace: Browser) -> None:
    """The database of a copied checkout names servers that are the other one's, and run."""
    start(grace, "grace")
    rig.end("hub", kill=True)
    theirs = {**os.environ, "HABARI_LABEL": "another/process"}
    wait = [sys.executable, "-c", "input()"]
    with subprocess.Popen(wait, stdin=subprocess.PIPE, env=theirs) as other:
        began = psutil.Process(other.pid).create_time() - psutil.boot_time()
        ((kept,),) = rig.query("select state from spawners where server_id is not null")
        state = json.dumps({**json.loads(kept), "pid": other.pid, "started": began})
        rig.query("update spawners set state = ? where server_id is not null", state)
        rig.start_hub()
        assert rig.api("GET", "/users/grace").json()["server"] is None
        assert other.poll() is None
        other.communicate(b"\n", timeout=5)


def test_idle_servers_are_stopped_where_that_is_asked_for(rig: Rig, grace: Browser) -> None:
    rig.restart_hub(HABARI_CULL_AFTER="2")
    server = start(grace, "grace")
    psutil.wait_procs([server], 15)
    assert not server.is_running()


def test_a_hub_with_too_many_starts_asks_for_a_few_seconds_and_knows_all_its_options(
    rig: Rig, tmp_path: Path
) -> None:
    full = tmp_path / "full.py"
    full.write_text(
        f"exec(compile(open({str(CONFIG)!r}).read(), {str(CONFIG)!r}, 'exec'),"
        f" {{**globals(), '__file__': {str(CONFIG)!r}}})\n"
        "c.JupyterHub.concurrent_spawn_limit = -1\n"  # any start is one too many
    )
    rig.restart_hub(full)
    rig.api("POST", "/users/linus")
    turned_away = [rig.api("POST", "/users/linus/server") for _ in range(5)]
    assert {each.status_code for each in turned_away} == {429}
    assert all(5 <= int(each.headers["Retry-After"]) <= 15 for each in turned_away)
    assert "not recognized" not in rig.log("hub").lower()
