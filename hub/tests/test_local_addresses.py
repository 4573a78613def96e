"""Signing in at each local address: the state, the way back and the session are of that address."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
import requests
from browser import Browser, signed_in
from rig import Rig, wait_until

from tests.e2e import forwarding


@pytest.fixture(scope="module")
def forwarded(rig: Rig) -> Iterator[int]:
    """Another port that leads to the hub's, as ssh and editors forward one."""
    with forwarding.forwarded(rig.public) as port:
        yield port


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]", "forwarded"])
def test_a_sign_in_ends_where_it_began(rig: Rig, name: str, request: pytest.FixtureRequest) -> None:
    if name == "[::1]" and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    port = request.getfixturevalue("forwarded") if name == "forwarded" else rig.public
    browser = Browser(rig)
    browser.url = f"http://{'localhost' if name == 'forwarded' else name}:{port}"
    page = browser.sign_in("grace")
    assert page.url == f"{browser.url}/hub/home"
    assert browser.api("POST", "/users/grace/server").status_code in {201, 202, 400}
    wait_until(lambda: browser.open_server("grace").status_code == 200, 60)
    assert browser.signed_in()


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:8000", "10.0.0.1"])
def test_another_host_signs_nobody_in(rig: Rig, host: str) -> None:
    page = requests.get(
        f"{rig.url}/hub/oauth_login",
        headers={"Host": host},
        timeout=10,
        allow_redirects=False,
    )
    assert page.status_code == 400
    assert "Location" not in page.headers


def test_a_callback_of_another_host_is_no_way_back(rig: Rig) -> None:
    """Neither at the hub nor at the fake GitHub."""
    browser = Browser(rig)
    address = browser.get("/hub/oauth_login").url.partition("?")[0]
    for back in ("http://evil.example/hub/oauth_callback", "http://localhost:1/hub/oauth_callback"):
        query = {"client_id": "an-id", "redirect_uri": back}
        answer = browser.post(address, params=query, data={"login": "ada"}, allow_redirects=False)
        assert "code=" not in answer.headers.get("Location", "")


def test_with_the_real_github_people_first_go_to_the_address_of_the_callback(rig: Rig) -> None:
    """Its callback is one: a state in the cookie of another address would be missed there."""
    real = {"HABARI_GITHUB_PATH": "", "HABARI_PUBLIC_URL": f"http://localhost:{rig.public}"}
    rig.restart_hub(**real)
    answer = requests.get(
        f"{rig.url}/hub/oauth_login?next=/hub/home", timeout=10, allow_redirects=False
    )
    there = f"http://localhost:{rig.public}/hub/oauth_login?next=/hub/home"
    assert answer.headers["Location"] == there
    again = requests.get(there, timeout=10, allow_redirects=False)
    assert again.headers["Location"].startswith(rig.github)
    rig.restart_hub()


def test_who_is_signed_in_goes_on_from_a_sign_in_that_is_over(rig: Rig) -> None:
    """Another tab was first, then the back button: the state is gone, the person is there."""
    browser = Browser(rig)
    address = browser.callback("grace")
    assert browser.get(address).url == f"{rig.url}/hub/home"
    again = browser.get(address, allow_redirects=False)
    assert again.status_code == 302
    assert again.headers["Location"].startswith(("/hub/spawn", "/user/grace/"))
    assert browser.signed_in()


def test_a_sign_in_that_is_over_says_so_and_can_begin_again(rig: Rig) -> None:
    first, second = Browser(rig), Browser(rig)
    address = first.callback("grace")
    for page in (second.get(address), first.get(address.replace("state=", "state=e30"))):
        assert page.status_code == 400
        assert "This sign-in is over" in page.text
        assert 'href="/hub/login">Sign in again' in page.text
        assert "<svg" in page.text


def test_somebody_refused_can_sign_in_as_somebody_else(rig: Rig) -> None:
    browser = Browser(rig)
    page = browser.sign_in("mallory")
    assert page.status_code == 403
    link = "/hub/oauth_login?prompt=select_account"
    assert f'href="{link}">Sign in as somebody else' in page.text
    asked = browser.get(link)
    assert "prompt=select_account" in asked.url
    browser.post(asked.url, data={"login": "grace"})
    assert browser.api("GET", "/user").json()["name"] == "grace"
    refused = browser.get("/hub/admin")
    assert refused.status_code == 403
    assert link in refused.text


def test_names_as_github_gives_them_get_in_and_have_a_server(idle_rig: Rig) -> None:
    logins = ("octo_corp", "foo-", "a--b", "x" * 39)
    idle_rig.restart_hub(HABARI_ALLOWED_USERS=",".join(logins))
    found = {login: signed_in(idle_rig, login) for login in logins}
    for login in ("octo_corp", "foo-"):
        found[login].start_server(login)
    for login in ("octo_corp", "foo-"):
        wait_until(lambda: found[login].open_server(login).status_code == 200, 90)  # noqa: B023
    homes = {each.name for each in (idle_rig.folder / "homes").iterdir()}
    assert {"octo_corp", "foo-"} <= homes
