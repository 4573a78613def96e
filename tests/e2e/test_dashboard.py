"""The dashboard shows admins how the platform is, and nobody else."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from .collector import Collector
from .endpoints import Endpoints
from .hub_client import Hub, Person
from .not_applicable import not_applicable
from .server_client import Server

PATH = "/services/dashboard/"
HOSTILE = "<img src=x onerror=document.title='taken'>"


@pytest.fixture(autouse=True)
def _there(endpoints: Endpoints, hub: Hub) -> None:
    """A deployment of somebody's own need not have it."""
    if hub.web.get(f"{endpoints.hub}{PATH}api/log?name=").status_code == 404:
        not_applicable("no-dashboard")


@pytest.fixture
def publish(endpoints: Endpoints, hub: Hub) -> Callable[[dict[str, Any]], None]:
    """Tells the dashboard, as `habari-local` does."""

    def told(facts: dict[str, Any]) -> None:
        answer = hub.web.post(f"{endpoints.hub}{PATH}api/facts", json=facts)
        assert answer.status_code == 204, answer.text

    return told


@pytest.fixture
def page(page_of: Callable[[str], Page], endpoints: Endpoints) -> Iterator[Page]:
    """The dashboard in an admin's browser, whose script fails nowhere and breaks no policy."""
    page = page_of(endpoints.users.admin[0])
    said: list[str] = []
    # Not every error: Chromium drops connections when a network of Docker comes or goes.
    page.on("console", lambda each: said.append(each.text) if "Policy" in each.text else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"{endpoints.hub}{PATH}")
    expect(page.locator("#connection")).to_have_text("live")
    yield page
    assert not said


def test_others_are_refused(person_of: Callable[[str], Person], endpoints: Endpoints) -> None:
    """Who is no admin is refused, at the page and at each address below it."""
    web = person_of(endpoints.users.allowed[0]).web
    for path in ("", "api/events", "api/log?name=hub", "api/objects?bucket=lake"):
        assert web.get(f"{endpoints.hub}{PATH}{path}").status_code == 403


def test_services_answer(page: Page) -> None:
    """Each part that the dashboard can see answers."""
    expect(page.locator("#services tr[data-name=hub]")).to_contain_text("yes")
    expect(page.locator("#services td.bad")).to_have_count(0)


def test_a_server_is_stopped_and_started_by_keyboard(page: Page, other_server: Server) -> None:
    """An admin stops a user's server and starts it again, by keyboard alone."""
    name = other_server.person.name
    row = page.locator(f"#users tr[data-name='{name}']")
    expect(row).to_contain_text("running")
    page.get_by_label(f"Stop the server of {name}").focus()
    page.keyboard.press("Enter")
    expect(row).to_contain_text("stopped")
    expect(page.get_by_label(f"Stop the server of {name}")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_label(f"Start the server of {name}")).to_be_focused()
    page.keyboard.press("Enter")
    expect(row).to_contain_text("running", timeout=110_000)
    other_server.enter()


def test_what_is_told_is_text(page: Page, publish: Callable[[dict[str, Any]], None]) -> None:
    """Names, lines of logs and keys of objects are shown as they are, never run."""
    bucket = {
        "name": HOSTILE,
        "title": HOSTILE,
        "count": 1,
        "bytes": 1,
        "newest": [{"key": HOSTILE, "size": 1, "modified": 1}],
        "objects": [[f"{HOSTILE}/{HOSTILE}", 1, 1]],
    }
    publish({"services": [{"name": HOSTILE, "state": HOSTILE}], "logs": {HOSTILE: [HOSTILE]}})
    publish({"buckets": [bucket], "errors": {HOSTILE: [HOSTILE]}})
    expect(page.locator("#services").get_by_text(HOSTILE)).to_have_count(2)
    page.get_by_label(f"Log of {HOSTILE}").click()
    expect(page.locator("#window pre")).to_have_text(HOSTILE)
    page.keyboard.press("Escape")
    expect(page.locator("#window")).to_be_hidden()
    page.get_by_label(f"Browse {HOSTILE}").click()
    page.locator("#window").get_by_role("button", name=f"{HOSTILE}/").click()
    expect(page.locator("#window-title")).to_contain_text(HOSTILE)
    page.keyboard.press("Escape")
    assert page.title() == "Habari dashboard"
    publish({"services": [], "logs": {}, "errors": {}, "buckets": []})


def test_light_and_dark(
    page: Page,
    endpoints: Endpoints,
    publish: Callable[[dict[str, Any]], None],
    collector: Collector,
) -> None:
    """The page follows the browser's choice of light or dark."""
    colours = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
        colours.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    collector.show(page, "The dashboard, dark")
    page.emulate_media(color_scheme=None)
    assert colours[0] != colours[1]
