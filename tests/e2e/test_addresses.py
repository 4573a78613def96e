"""Habari opens at every address of this machine, and nowhere else."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from . import browser
from .collector import Collector
from .endpoints import Endpoints
from .forwarding import forwarded
from .not_applicable import not_applicable
from .server_client import Server
from .sign_in import SignIn
from .web import Web

LOCAL = {"localhost", "127.0.0.1"}


@pytest.fixture
def page(chromium: Browser, endpoints: Endpoints, collector: Collector) -> Iterator[Page]:
    """A tab of a profile that nobody has signed in with."""
    if endpoints.github is None and endpoints.has_hub:
        not_applicable("real-github")
    if urlsplit(endpoints.hub).hostname not in LOCAL:
        not_applicable("elsewhere")
    profile = browser.new_profile(chromium)
    tab = browser.Tab(profile, profile.new_page())
    with tab.recorded() as shown:
        collector.evidence.pages.append(shown)
        yield shown
        collector.evidence.pages.remove(shown)
    profile.close()


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]", "a forwarded port"])
def test_sign_in_works_at(name: str, page: Page, endpoints: Endpoints, server: Server) -> None:
    """Who opens it there signs in there, stays signed in, and reaches the own server"""
    if name == "[::1]" and not _has_ipv6():
        not_applicable("no-ipv6")
    if name == "[::1]" and endpoints.mode == "kind":
        not_applicable("no-ipv6-in-kind")
    port = urlsplit(endpoints.hub).port
    assert port is not None
    with ExitStack() as until_the_end:
        address = f"http://{name}:{port}"
        if name == "a forwarded port":
            address = f"http://localhost:{until_the_end.enter_context(forwarded(port))}"
        browser.sign_in(page, endpoints, server.person.name, address=address)
        path = urlsplit(server.url).path.rstrip("/")
        page.goto(f"{address}{path}/files/")  # a page: it has the server ask the hub who it is
        answer = page.goto(f"{address}{path}/api/contents")
        assert answer is not None
        assert answer.status == 200, page.content()
        assert page.url.startswith(f"{address}/")
        if endpoints.has_hub:
            page.goto(f"{address}/")
            page.goto(f"{address}/hub/home")
            expect(page.locator("#login_widget")).to_contain_text(server.person.name)
            expect(page.locator("#habari-logo")).to_be_visible()
        page.close()


def test_another_host_signs_nobody_in(endpoints: Endpoints) -> None:
    """A name that is not this machine's own gets no sign-in: it may be another site's."""
    if endpoints.github is None:
        not_applicable("real-github")
    with Web(endpoints.hub) as web:
        for host in ("evil.example", "localhost.evil.example"):
            answer = web.get(
                f"{endpoints.hub}/hub/oauth_login", headers={"Host": host}, allow_redirects=False
            )
            assert answer.status_code in {400, 403, 404, 421}
            assert "Location" not in answer.headers


def test_a_sign_in_that_is_over_can_begin_again(page: Page, endpoints: Endpoints) -> None:
    """Overtaken by another tab, it says so and has Sign in again; who is in already goes on."""
    login = endpoints.users.allowed[0]
    page.goto(f"{endpoints.hub}/hub/oauth_login?next=/hub/home")
    with page.expect_popup() as opened:
        page.evaluate("window.open('/hub/oauth_login?next=/hub/token')")
    other = opened.value
    other.wait_for_load_state()
    _grant(page, login)
    expect(page.get_by_role("heading", level=1)).to_have_text("This sign-in is over")
    page.get_by_role("button", name="Sign in again").click()
    browser.sign_in(page, endpoints, login)
    expect(page.locator("#login_widget")).to_contain_text(login)
    _grant(other, login)
    other.wait_for_url(lambda url: "oauth" not in url)
    expect(other.get_by_role("heading", name="This sign-in is over")).to_have_count(0)
    other.close()


def test_somebody_refused_can_be_somebody_else(page: Page, endpoints: Endpoints) -> None:
    """Who is refused reads why, and can sign in with another account at once."""
    if not endpoints.users.denied:
        not_applicable("nobody-denied")
    browser.sign_in(page, endpoints, endpoints.users.denied[0])
    page.get_by_role("button", name="Sign in as somebody else").click()
    _grant(page, endpoints.users.allowed[0])
    page.wait_for_url(lambda url: "oauth" not in url)
    page.goto(f"{endpoints.hub}/hub/home")
    expect(page.locator("#login_widget")).to_contain_text(endpoints.users.allowed[0])


def _grant(page: Page, login: str) -> None:
    field = page.locator("input[name=login]:not([type=hidden])")
    field.fill(login)
    field.press("Enter")


def test_the_state_is_of_the_address_where_the_sign_in_began(endpoints: Endpoints) -> None:
    """GitHub's page comes from the address that was opened: one port is enough to forward."""
    if endpoints.github is None or urlsplit(endpoints.hub).hostname not in LOCAL:
        not_applicable("real-github")
    steps = SignIn(endpoints)
    assert urlsplit(steps.begin().url).netloc == urlsplit(endpoints.hub).netloc
    way_back = steps.grant(endpoints.users.allowed[0])
    assert urlsplit(way_back).netloc == urlsplit(endpoints.hub).netloc
    steps.web.close()
