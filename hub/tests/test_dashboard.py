"""The dashboard: who gets in, what it shows, and what it does for whom."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest
import requests
from browser import Browser, signed_in
from habari_dashboard.live import PENDING_SECONDS, USERS_SECONDS, pause
from rig import Rig, free_ports, wait_until

PAGE = "/services/dashboard/"
HOSTILE = "<img src=x onerror=alert(1)>"


def settings(rig: Rig, port: int) -> dict[str, str]:
    """What has the hub start a dashboard; one of its parts is there, the other is not."""
    nobody = f"http://127.0.0.1:{free_ports(1)[0]}/"
    health = {"hub": f"http://127.0.0.1:{rig.api_port}/hub/health", "s3": nobody}
    return {
        "HABARI_DASHBOARD_BIND": f"127.0.0.1:{port}",
        "HABARI_DASHBOARD_URL": f"http://127.0.0.1:{port}",
        "HABARI_DASHBOARD_HEALTH": json.dumps(health),
    }


def begin(rig: Rig, start: Callable[..., None], **changes: str) -> None:
    """Start a hub; return when its dashboard listens and the proxy has the way to it."""
    own = settings(rig, free_ports(1)[0])
    start(**own, **changes)
    headers = {"Authorization": f"token {rig.environment['CONFIGPROXY_AUTH_TOKEN']}"}

    def reachable() -> bool:
        url = f"http://127.0.0.1:{rig.proxy_api}/api/routes"
        routes = requests.get(url, headers=headers, timeout=5).json()
        target = routes.get(PAGE.rstrip("/"), {}).get("target")
        listens = any(each.net_connections("tcp") for each in dashboards(rig))
        return bool(listens and target == own["HABARI_DASHBOARD_URL"])

    wait_until(reachable, 60)


@pytest.fixture(scope="module")
def rig(idle_rig: Rig) -> Rig:
    """A hub with a dashboard that nobody has opened yet."""
    begin(idle_rig, idle_rig.start_hub)
    return idle_rig


@pytest.fixture
def ada(rig: Rig) -> Browser:
    return signed_in(rig, "ada")


@pytest.fixture
def stopped(rig: Rig) -> Iterator[None]:
    yield
    rig.api("DELETE", "/users/grace/server")


def dashboards(rig: Rig) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            environ = process.environ()
        except psutil.Error:
            continue
        if environ.get("HABARI_LABEL") == rig.label and "HABARI_DASHBOARD_BIND" in environ:
            found += [process] if "habari_dashboard" in process.cmdline() else []
    return found


def publish(rig: Rig, told: object, token: str = "") -> int:
    headers = {"Authorization": f"token {token or rig.token}"}
    answer = Browser(rig).post(f"{PAGE}api/facts", json=told, headers=headers)
    return answer.status_code


def xsrf(browser: Browser) -> dict[str, str]:
    """The header that the page's own script sends."""
    page = browser.get(PAGE)
    assert page.status_code == 200, page.text
    token = re.search(r'<meta name="xsrf" content="([^"]+)">', page.text)
    assert token
    return {"X-XSRFToken": token[1]}


def events(browser: Browser) -> Iterator[dict[str, Any]]:
    """The events that a browser is sent, as they come."""
    with browser.get(f"{PAGE}api/events", headers=xsrf(browser), stream=True) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        for line in answer.iter_lines(decode_unicode=True):
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))


def test_until_somebody_opens_it_it_is_python_and_a_socket(rig: Rig) -> None:
    (process,) = dashboards(rig)
    loaded = [each.path for each in process.memory_maps()]
    assert not [path for path in loaded if "tornado" in path or "sqlalchemy" in path]


def test_an_admin_gets_in_by_the_hubs_sign_in(rig: Rig, ada: Browser) -> None:
    page = ada.get(PAGE)
    assert page.status_code == 200
    assert page.url == f"{rig.url}{PAGE}"
    assert "ada" in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["Cache-Control"] == "no-store"


def test_who_is_no_admin_does_not_get_in(rig: Rig) -> None:
    grace = signed_in(rig, "grace")
    assert grace.get(PAGE).status_code == 403
    assert grace.get(f"{PAGE}api/events").status_code == 403
    made = rig.api("POST", "/users/grace/tokens", json={"note": "hers"}).json()["token"]
    hers = {"Authorization": f"token {made}"}
    for path in ("", "api/events", "api/log?name=hub", "api/objects?bucket=b"):
        assert Browser(rig).get(f"{PAGE}{path}", headers=hers).status_code == 403
    assert publish(rig, {"services": []}, made) == 403
    post = Browser(rig).post(f"{PAGE}api/servers/grace/start", headers=hers)
    assert post.status_code == 403


def test_a_stranger_is_sent_to_the_sign_in(rig: Rig) -> None:
    stranger = Browser(rig)
    assert "/hub/login" in stranger.get(PAGE).url
    assert stranger.get(f"{PAGE}api/events").status_code == 403
    assert stranger.post(f"{PAGE}api/servers/grace/start").status_code == 403
    assert publish(rig, {"services": []}, "guessed") == 403


def test_a_request_that_another_site_made_changes_nothing(rig: Rig, ada: Browser) -> None:
    ada.get(PAGE)
    forged = ada.post(f"{PAGE}api/servers/grace/start")
    assert forged.status_code == 403
    assert not rig.api("GET", "/users/grace").json().get("servers")


@pytest.mark.usefixtures("stopped")
def test_it_shows_and_does_what_an_admin_may(rig: Rig, ada: Browser) -> None:
    signed_in(rig, "grace")
    header = xsrf(ada)
    shown = events(ada)

    def state_of(name: str, *wanted: str) -> dict[str, Any]:
        for event in shown:
            users = {each["name"]: each for each in event["users"] or ()}
            if users.get(name, {}).get("state") in wanted:
                return event
        raise AssertionError("the stream ended")

    event = state_of("grace", "stopped")
    assert set(event["users"][0]) == {"name", "state", "since", "activity"}
    while len(event["parts"]) < 2:
        event = next(shown)
    assert event["parts"] == {"hub": True, "s3": False}
    assert ada.post(f"{PAGE}api/servers/grace/start", headers=header).status_code == 204
    event = state_of("grace", "running")
    text = json.dumps(event)
    assert rig.token not in text
    assert not any(secret in text for secret in rig.environment.values() if len(secret) > 30)
    again = ada.post(f"{PAGE}api/servers/grace/start", headers=header)
    assert again.status_code == 400
    assert "already running" in again.json()["message"]
    assert ada.post(f"{PAGE}api/servers/grace/stop", headers=header).status_code == 204
    state_of("grace", "stopped")
    assert ada.post(f"{PAGE}api/servers/nobody/start", headers=header).status_code == 404


def test_the_hub_knows_who_asked_for_a_start(rig: Rig, ada: Browser) -> None:
    """Not the dashboard: its own token may look, and nothing else."""
    (process,) = dashboards(rig)
    own = process.environ()["JUPYTERHUB_API_TOKEN"]
    assert rig.api("GET", "/users", token=own).ok
    assert rig.api("POST", "/users/grace/server", token=own).status_code == 403
    assert rig.api("POST", "/users/someone", token=own).status_code == 403
    assert rig.api("POST", "/users/ada/tokens", token=own).status_code == 403


def test_what_the_tool_tells_is_shown(rig: Rig, ada: Browser) -> None:
    told = {
        "services": [{"name": HOSTILE, "state": "running"}],
        "logs": {"hub": ["one", HOSTILE]},
        "buckets": [
            {
                "name": "lake",
                "title": "lake",
                "objects": [["a/b/c.csv", 5, 1.5], ["a/d.csv", 7, 2.5], ["e", 1, 3.5]],
            }
        ],
    }
    assert publish(rig, told) == 204
    event = next(e for e in events(ada) if e.get("services"))
    assert event["services"] == told["services"]
    assert event["logs"] == ["hub"]
    assert "objects" not in event["buckets"][0]
    header = xsrf(ada)
    log = ada.get(f"{PAGE}api/log", params={"name": "hub"}, headers=header)
    assert log.json() == {"lines": ["one", HOSTILE]}
    assert log.headers["Content-Type"].startswith("application/json")
    root = ada.get(f"{PAGE}api/objects", params={"bucket": "lake"}, headers=header).json()
    assert root == {
        "folders": [{"name": "a/", "objects": 2, "size": 12}],
        "objects": [{"name": "e", "size": 1, "modified": 3.5}],
    }
    below = {"bucket": "lake", "prefix": "a/"}
    found = ada.get(f"{PAGE}api/objects", params=below, headers=header).json()
    assert [each["name"] for each in found["folders"] + found["objects"]] == ["b/", "d.csv"]
    nowhere = ada.get(f"{PAGE}api/objects", params={"bucket": "other"}, headers=header)
    assert nowhere.status_code == 404


@pytest.mark.parametrize(
    "told",
    [
        [],
        {},
        {"unknown": 1},
        {"services": {}},
        {"logs": {"hub": 5}},
        {"buckets": [{"name": "lake"}]},
        {"buckets": [{"name": "lake", "objects": [["key", "many", 1]]}]},
    ],
)
def test_what_it_can_not_be_told_changes_nothing(rig: Rig, ada: Browser, told: object) -> None:
    assert publish(rig, {"services": [{"name": "kept"}]}) == 204
    assert publish(rig, told) == 400
    event = next(e for e in events(ada) if e.get("services"))
    assert event["services"] == [{"name": "kept"}]


def test_an_admin_can_not_publish(rig: Rig, ada: Browser) -> None:
    answer = ada.post(f"{PAGE}api/facts", json={"services": []}, headers=xsrf(ada))
    assert answer.status_code == 403


def test_who_is_no_admin_any_more_is_out(rig: Rig) -> None:
    """The hub takes the role away at its start; the dashboard that it starts asks anew."""
    linus = signed_in(rig, "linus")
    begin(rig, rig.restart_hub, HABARI_ADMIN_USERS="ada,linus")
    assert linus.get(PAGE).status_code == 200
    begin(rig, rig.restart_hub)
    assert linus.get(PAGE).status_code == 403


def test_a_hub_comes_up_without_it(rig: Rig) -> None:
    """Its port is taken: the hub goes on, and the page says that nobody is there."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        taken.listen(0)
        rig.restart_hub(**settings(rig, taken.getsockname()[1]))
        wait_until(lambda: "Address already in use" in rig.log("hub"), 30)
        assert signed_in(rig, "grace").get("/hub/home").status_code == 200


@pytest.mark.parametrize(
    ("took", "users", "soon", "seconds"),
    [
        (0.1, 3, True, PENDING_SECONDS),
        (3.0, 3, True, PENDING_SECONDS),  # a busy machine, and few users: they are shown at once
        (0.05, 500, True, PENDING_SECONDS),
        (0.5, 500, True, 4.5),
        (0.5, 500, False, USERS_SECONDS),
        (2.0, 500, False, 18.0),
    ],
)
def test_looking_at_many_users_is_a_tenth_of_the_hubs_work(
    took: float, users: int, soon: bool, seconds: float
) -> None:
    assert pause(took, users, soon=soon) == seconds
