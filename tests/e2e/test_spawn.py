"""Servers start, stop, start again, and belong to their user."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from .collector import Collector
from .endpoints import Endpoints
from .hub_client import START_SECONDS, Hub, HubError, Person
from .not_applicable import not_applicable
from .server_client import Server, notebook_of
from .waiting import PATIENCE


@pytest.fixture
def idle_person(
    endpoints: Endpoints, hub: Hub, person_of: Callable[[str], Person], servers: list[Server]
) -> Iterator[Person]:
    """A user without a server, whose server this suite may start and must stop."""
    in_use = {server.person.name for server in servers}
    for login in (*endpoints.users.admin, *endpoints.users.allowed):
        if login not in in_use and not hub.has_server(login):
            person = person_of(login)
            yield person
            person.stop_server()
            return
    not_applicable("server-in-use")


def test_start_stop_and_start_again(
    idle_person: Person, hub: Hub, collector: Collector, run_id: str
) -> None:
    """A server starts, stops and starts again; the files in its home are still there."""
    with collector.timed("Server start"):
        server = Server(idle_person, idle_person.start_server())
    assert server.enter().ok
    server.make_folder(run_id)
    server.save_text(f"{run_id}/kept.txt", "over a restart\n")

    with collector.timed("Server stop"):
        idle_person.stop_server()
    assert not hub.has_server(idle_person.name)
    assert not server.status().ok

    with collector.timed("Server start"):
        again = Server(idle_person, idle_person.start_server())
    assert again.enter().ok
    assert again.read(f"{run_id}/kept.txt")["content"] == "over a restart\n"
    again.delete_all(run_id)


def test_start_in_the_browser(
    idle_person: Person,
    page_of: Callable[[str], Page],
    endpoints: Endpoints,
    collector: Collector,
) -> None:
    """A user who signs in and opens the hub ends in JupyterLab, the server started on the way."""
    page = page_of(idle_person.name)
    lab = f"{endpoints.hub}/user/{idle_person.name}/lab**"
    with collector.timed("Server start, in the browser"):
        page.goto(endpoints.hub + "/hub/spawn", wait_until="commit")
        page.wait_for_url(
            lab, timeout=START_SECONDS * PATIENCE * 1000, wait_until="domcontentloaded"
        )
    expect(page).to_have_title("JupyterLab")
    page.goto("about:blank")  # what Lab does from here on, the checks of notebooks look at


def test_two_users_at_once(servers: list[Server], run_id: str) -> None:
    """Two users' servers run at the same time, each with a home of its own."""
    urls = {server.url for server in servers}
    assert len(urls) == len(servers) == 2
    for server in servers:
        server.make_folder(run_id)
        server.save_text(f"{run_id}/{server.person.name}.txt", server.person.name)
    for server in servers:
        assert server.names(run_id) == [f"{server.person.name}.txt"]


def test_another_users_server_is_forbidden(server: Server, other_server: Server) -> None:
    """Nobody gets into another user's server: no page, no files, no kernels, no change."""
    intruder = Server(other_server.person, server.url)
    for path in ("lab", "api/contents", "api/kernels", "files/", "api/terminals"):
        assert intruder.ask("GET", path).status_code in {403, 404}, path
    assert intruder.ask("PUT", "api/contents/x.txt", json={}).status_code == 403
    stop = f"users/{server.person.name}/server"
    assert other_server.person.api("DELETE", stop).status_code in {403, 404}
    assert server.status().ok


def test_a_running_server_is_not_started_twice(server: Server, hub: Hub) -> None:
    """Starting a server that runs leaves the one that runs."""
    before = hub.user(server.person.name)
    assert server.person.start_server()
    after = hub.user(server.person.name)
    assert before
    assert after
    assert before["servers"][""]["started"] == after["servers"][""]["started"]


def test_nobody_starts_anothers_server(other_server: Server, endpoints: Endpoints) -> None:
    """A user can't start a server in another one's name."""
    impostor = Person(endpoints, endpoints.users.admin[0], other_server.web)
    with pytest.raises(HubError):
        impostor.start_server()


def test_servers_survive_broken_notebooks(server: Server, run_id: str) -> None:
    """A notebook that isn't one is refused in words, and the server lives on."""
    server.make_folder(run_id)
    answer = server.ask(
        "PUT",
        f"api/contents/{run_id}/broken.ipynb",
        json={"type": "notebook", "format": "json", "content": {"cells": 1}},
    )
    assert 400 <= answer.status_code < 600
    assert server.save_notebook(f"{run_id}/good.ipynb", notebook_of("1"))["size"]
