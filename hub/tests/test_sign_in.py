"""Signing in, being refused, and signing out again, at a real hub."""

from __future__ import annotations

import pytest
import requests
from browser import Browser, signed_in
from rig import Rig


def test_an_allowed_user_comes_in(rig: Rig) -> None:
    browser = signed_in(rig, "grace")
    user = browser.api("GET", "/user").json()
    assert (user["name"], user["admin"]) == ("grace", False)


def test_an_admin_is_one(rig: Rig) -> None:
    assert signed_in(rig, "ADA").api("GET", "/user").json()["admin"] is True


def test_the_sign_in_page_names_github_and_says_what_process_mode_is(rig: Rig) -> None:
    page = Browser(rig).get("/hub/login").text
    assert "GitHub" in page
    assert "/hub/oauth_login" in page
    assert "not protected from one another" in page


def test_a_denied_user_is_told_so_and_leaves_no_row(rig: Rig) -> None:
    page = Browser(rig).sign_in("mallory")
    assert page.status_code == 403
    assert "not among those that may use Habari" in page.text
    assert rig.users() == {"ada", "grace", "linus"}


def test_a_forged_state_is_refused(rig: Rig) -> None:
    browser = Browser(rig)
    address = browser.callback("grace", state="forged")
    assert browser.get(address).status_code == 400
    assert not browser.signed_in()


def test_a_stolen_callback_is_of_no_use_in_another_browser(rig: Rig) -> None:
    address = Browser(rig).callback("grace")
    thief = Browser(rig)
    assert thief.get(address).status_code == 400
    assert not thief.signed_in()


def test_a_code_works_once(rig: Rig) -> None:
    browser = Browser(rig)
    address = browser.callback("grace")
    cookies = browser.cookies.copy()
    assert browser.get(address).status_code == 200
    again = Browser(rig)
    again.cookies = cookies
    page = again.get(address)
    assert page.status_code == 403
    assert "incorrect or expired" in page.text
    assert not again.signed_in()


def test_a_code_for_another_verifier_is_refused(rig: Rig) -> None:
    browser = Browser(rig)
    address = browser.callback("grace", code_challenge="x" * 43)
    assert browser.get(address).status_code == 403
    assert not browser.signed_in()


@pytest.mark.parametrize(
    ("kind", "where", "status", "says"),
    [
        ("http-500", "token", 502, "GitHub: no usable answer"),
        ("http-500", "user", 502, "GitHub: no usable answer"),
        ("bad-json", "token", 502, "GitHub: no usable answer"),
        ("bad-json", "user", 502, "GitHub: no usable answer"),
        ("slow", "token", 502, "GitHub: no usable answer"),
        ("expired-code", "token", 403, "incorrect or expired"),
    ],
)
def test_when_github_fails_people_read_why_and_can_try_again(
    rig: Rig, kind: str, where: str, status: int, says: str
) -> None:
    rig.fault(kind, where, seconds=2)
    browser = Browser(rig)
    page = browser.sign_in("grace")
    assert page.status_code == status
    assert says in page.text
    assert not browser.signed_in()
    assert browser.sign_in("grace").status_code == 200


def test_signing_out_ends_signed_out_at_hub_and_server(rig: Rig) -> None:
    browser = signed_in(rig, "linus")
    browser.start_server("linus")
    assert browser.open_server("linus").status_code == 200
    page = browser.get("/hub/logout")
    assert page.url == f"{rig.url}/hub/login"
    assert "oauth_login" in page.text
    assert not browser.signed_in()
    assert browser.get("/user/linus/api/contents").status_code == 403
    assert "oauth_login" in browser.get("/user/linus/files/").text
    assert rig.api("DELETE", "/users/linus/server").status_code == 204


def test_cookies_are_out_of_scripts_and_other_sites_reach(rig: Rig) -> None:
    browser = Browser(rig)
    address = browser.callback("grace")
    answer = browser.get(address, allow_redirects=False)
    cookie = next(
        value
        for value in answer.raw.headers.getlist("Set-Cookie")
        if value.startswith("jupyterhub-hub-login")
    )
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/hub/" in cookie


def test_pages_can_not_be_framed(rig: Rig) -> None:
    policy = Browser(rig).get("/hub/login").headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy


def test_a_cookie_alone_changes_nothing(rig: Rig) -> None:
    browser = signed_in(rig, "grace")
    assert browser.post("/hub/api/users/grace/server").status_code == 403


def test_a_token_in_an_address_is_no_token(rig: Rig) -> None:
    answer = requests.get(f"{rig.url}/hub/api/users?token={rig.token}", timeout=10)
    assert answer.status_code == 403
    assert rig.api("GET", "/users").status_code == 200
