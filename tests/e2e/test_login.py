"""Only who is meant to get in gets in, and is told why if not."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import requests

from .collector import Collector
from .endpoints import Endpoints
from .hub_client import Hub, Person, sign_in
from .not_applicable import not_applicable
from .sign_in import SignIn, query_of, with_query
from .web import Web, visible_text


@pytest.fixture(autouse=True)
def stand_in(endpoints: Endpoints) -> None:
    """All of this goes through GitHub's form."""
    if endpoints.github is None:
        not_applicable("real-github")


def _signed_out(web: Web, endpoints: Endpoints) -> bool:
    return Person(endpoints, "", web).known_to_hub() is None


def _refused_in_words(page: requests.Response) -> str:
    assert 400 <= page.status_code < 600
    text = visible_text(page.text)
    assert len(text) > 20
    assert "Traceback" not in page.text
    return text


def test_allowed_user_gets_in(endpoints: Endpoints, collector: Collector) -> None:
    """A user on the list gets in, without admin rights."""
    with collector.timed("Sign in"):
        person = sign_in(endpoints, endpoints.users.allowed[0])
    known = person.known_to_hub()
    assert known is not None
    assert known["name"] == endpoints.users.allowed[0]
    assert not known["admin"]
    assert person.web.get(f"{endpoints.hub}/hub/admin").status_code == 403
    person.web.close()


def test_admin_gets_in(endpoints: Endpoints) -> None:
    """An admin gets in and may administer."""
    person = sign_in(endpoints, endpoints.users.admin[0])
    known = person.known_to_hub()
    assert known is not None
    assert known["admin"]
    assert person.web.get(f"{endpoints.hub}/hub/admin").status_code == 200
    person.web.close()


def test_denied_user_stays_out(endpoints: Endpoints, hub: Hub) -> None:
    """A GitHub user who is on no list is told so, and leaves no row in the hub."""
    if not endpoints.users.denied:
        not_applicable("nobody-denied")
    login = endpoints.users.denied[0]
    steps = SignIn(endpoints)
    page = steps.finish(steps.grant(login))
    assert page.status_code == 403
    assert re.search(r"\bnot\b.*\badmin", _refused_in_words(page))
    assert _signed_out(steps.web, endpoints)
    assert hub.user(login) is None
    steps.web.close()


def test_unknown_user_stays_out(endpoints: Endpoints, hub: Hub, run_id: str) -> None:
    """Neither does somebody get in whom nobody ever heard of."""
    steps = SignIn(endpoints)
    page = steps.finish(steps.grant(run_id))
    assert page.status_code == 403
    assert hub.user(run_id) is None
    steps.web.close()


@pytest.mark.parametrize(
    "forged", ["", "eyJzdGF0ZV9pZCI6ICJndWVzc2VkIn0=", "%%%"], ids=["none", "guessed", "garbage"]
)
def test_forged_state(endpoints: Endpoints, forged: str) -> None:
    """A way back with a state that the hub didn't give is refused"""
    steps = SignIn(endpoints)
    way_back = steps.grant(endpoints.users.allowed[0])
    page = steps.finish(with_query(way_back, state=forged))
    assert page.status_code in {400, 403}
    _refused_in_words(page)
    assert _signed_out(steps.web, endpoints)
    steps.web.close()


def test_way_back_of_another_browser(endpoints: Endpoints) -> None:
    """A way back made for another browser signs nobody in (login CSRF)."""
    attacker, victim = SignIn(endpoints), SignIn(endpoints)
    way_back = attacker.grant(endpoints.users.allowed[1])
    victim.begin()
    page = victim.finish(way_back)
    assert page.status_code in {400, 403}
    assert _signed_out(victim.web, endpoints)
    attacker.web.close()
    victim.web.close()


def test_replayed_code(endpoints: Endpoints) -> None:
    """A code that was used is worth nothing, in a fresh sign-in either."""
    first, second = SignIn(endpoints), SignIn(endpoints)
    used = first.grant(endpoints.users.allowed[0])
    assert first.finish(used).ok
    fresh = second.grant(endpoints.users.allowed[0])
    page = second.finish(with_query(fresh, code=query_of(used)["code"]))
    _refused_in_words(page)
    assert _signed_out(second.web, endpoints)
    first.web.close()
    second.web.close()


def test_code_needs_its_verifier(endpoints: Endpoints) -> None:
    """A stolen code is worth nothing without its browser's secret (PKCE)."""
    steps, thief = SignIn(endpoints), SignIn(endpoints)
    assert query_of(steps.begin().url).get("code_challenge_method") == "S256"
    stolen = steps.grant(endpoints.users.allowed[0])
    own = thief.grant(endpoints.users.allowed[1])
    page = thief.finish(with_query(own, code=query_of(stolen)["code"]))
    _refused_in_words(page)
    assert _signed_out(thief.web, endpoints)
    steps.web.close()
    thief.web.close()


def test_sign_out(endpoints: Endpoints) -> None:
    """Who signs out is out: the hub asks for a sign-in again."""
    person = sign_in(endpoints, endpoints.users.allowed[0])
    person.sign_out()
    assert person.known_to_hub() is None
    page = person.web.get(f"{endpoints.hub}/hub/home")
    assert "/hub/home" not in page.url.partition("?")[0]
    person.web.close()


def test_page_after_sign_in_stays_here(endpoints: Endpoints) -> None:
    """A sign-in never leads to another site, whatever the link to it says."""
    steps = SignIn(endpoints)
    steps.begin("https://example.org/hub/home")
    way_back = steps.grant(endpoints.users.allowed[0])
    answer = steps.web.get(way_back, allow_redirects=False)
    assert not answer.headers["Location"].startswith(("http", "//"))
    steps.web.close()


@contextmanager
def _fault(endpoints: Endpoints, where: str, kind: str, **fault: object) -> Iterator[None]:
    assert endpoints.github is not None
    assert endpoints.github.control_token is not None
    token = endpoints.github.control_token.get_secret_value()
    with Web(endpoints.github.url) as control:
        control.headers["Authorization"] = f"Bearer {token}"
        wanted = {"where": where, "kind": kind, **fault}
        control.post("/_habari/faults", json=wanted).raise_for_status()
        try:
            yield
        finally:
            over = {"where": where, "kind": "none"}
            control.post("/_habari/faults", json=over).raise_for_status()


@pytest.mark.parametrize(
    ("kind", "where"),
    [
        ("http-500", "token"),
        ("http-500", "user"),
        ("bad-json", "token"),
        ("bad-json", "user"),
        ("expired-code", "token"),
    ],
)
def test_github_fails(endpoints: Endpoints, kind: str, where: str) -> None:
    """When GitHub fails, the page says so, nobody is signed in, and the next try works"""
    login = endpoints.users.allowed[0]
    steps = SignIn(endpoints)
    way_back = steps.grant(login)
    with _fault(endpoints, kind=kind, where=where, times=10):
        page = steps.finish(way_back)
    assert re.search("GitHub|expired", _refused_in_words(page))
    assert _signed_out(steps.web, endpoints)
    steps.web.close()
    again = sign_in(endpoints, login)
    assert again.known_to_hub() is not None
    again.web.close()


def test_github_is_slow(endpoints: Endpoints) -> None:
    """While GitHub is slow, the hub serves everybody else, and the sign-in still works."""
    steps = SignIn(endpoints)
    way_back = steps.grant(endpoints.users.allowed[0])
    with (
        _fault(endpoints, kind="slow", where="token", times=1, seconds=1.5),
        ThreadPoolExecutor(1) as waiting,
        Web(endpoints.hub) as other,
    ):
        finished = waiting.submit(steps.finish, way_back)
        assert other.get(f"{endpoints.hub}/hub/login").ok
        assert not finished.done()
        assert finished.result(20).ok
    steps.web.close()


def test_sessions_are_apart(person_of: Callable[[str], Person], endpoints: Endpoints) -> None:
    """Two users who are signed in at the same time are told apart."""
    people = [person_of(login) for login in endpoints.users.allowed[:2]]
    names = [(person.known_to_hub() or {}).get("name") for person in people]
    assert names == list(endpoints.users.allowed[:2])
