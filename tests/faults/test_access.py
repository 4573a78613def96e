"""Who may come in, and how many at once: lists that change, starts that are slow or too many."""

from __future__ import annotations

import pytest
import requests

from tests.e2e.hub_client import Person, sign_in
from tests.faults.parts import Platform
from tests.scratch import Scratch

SLOW = """
import asyncio
async def dawdle(spawner):
    await asyncio.sleep(3)
c.Spawner.pre_spawn_hook = dawdle
c.JupyterHub.concurrent_spawn_limit = 1
c.JupyterHub.tornado_settings["slow_spawn_timeout"] = 0
"""


def start_of(person: Person) -> requests.Response:
    answer: requests.Response = person.api("POST", f"users/{person.name}/server")
    return answer


@pytest.mark.row(19)
def test_who_is_taken_off_a_list_is_out_and_no_admin_any_more(platform: Platform) -> None:
    where = platform.endpoints
    server = platform.server_of("linus")
    server.save_text("mine.txt", "still mine later")
    linus = server.person
    ada = sign_in(where, "ada")
    known = ada.known_to_hub()
    assert known is not None
    assert known["admin"]
    lists = ("--set", "HABARI_ADMIN_USERS=grace", "--set", "HABARI_ALLOWED_USERS=ada,marie")
    platform.recover(*lists)
    assert linus.known_to_hub() is None
    assert "linus" not in platform.users_running(), "a server without access is stopped"
    known = ada.known_to_hub()
    assert known is not None
    assert not known["admin"]
    assert ada.api("GET", "users").status_code == 403
    platform.recover()
    assert platform.server_of("linus").read("mine.txt")["content"] == "still mine later"


@pytest.mark.row(20)
def test_more_slow_starts_than_are_allowed_are_told_when_to_come_back(scratch: Scratch) -> None:
    config = scratch.root / "hub" / "jupyterhub_config.py"
    config.write_text(config.read_text() + SLOW)
    scratch.good("up")
    where = Platform(scratch, "process").endpoints
    grace, linus = sign_in(where, "grace"), sign_in(where, "linus")
    assert start_of(grace).status_code == 202
    second = start_of(linus)
    assert second.status_code == 429
    assert int(second.headers["Retry-After"]) > 0
    assert grace.start_server()
    assert start_of(linus).status_code == 202
    assert linus.start_server()
