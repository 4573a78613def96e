"""The fake GitHub's API and its faults, over real HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.fake_github import StandIn, launch, wait_until_up


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("standin")


@pytest.fixture(scope="module")
def github(folder: Path) -> Iterator[StandIn]:
    process, standin = launch(folder)
    wait_until_up(process, standin.url)
    yield standin
    process.terminate()
    process.wait(10)


def test_the_user_is_who_signed_in_in_their_own_spelling(github: StandIn) -> None:
    token = github.token("ada")
    for kind in ("Bearer", "token"):
        answer = github.api("/user", token, kind)
        assert answer.json() == {"login": "Ada", "id": 1, "name": "Ada Lovelace", "email": None}


def test_somebody_nobody_named_can_sign_in_too(github: StandIn) -> None:
    user = github.api("/user", github.token("mallory")).json()
    assert user["login"] == "mallory"
    assert user == github.api("/user", github.token("mallory")).json()


def test_a_token_nobody_gave_out_is_refused(github: StandIn) -> None:
    for token in ("", "gho_00.00", github.token("grace") + "0"):
        assert github.api("/user", token).status_code == 401


def test_emails_need_their_scope(github: StandIn) -> None:
    assert github.api("/user/emails", github.token("ada")).status_code == 404
    emails = github.api("/user/emails", github.token("ada", "user:email")).json()
    assert emails == [{"email": "ada@example.org", "primary": True, "verified": True}]


def test_organizations_need_their_scope(github: StandIn) -> None:
    assert github.api("/user/orgs", github.token("ada")).json() == []
    assert github.api("/user/orgs", github.token("ada", "read:org")).json() == [{"login": "habari"}]


@pytest.mark.parametrize(
    ("who", "scope", "path", "status"),
    [
        ("ada", "read:org", "/orgs/habari/members/grace", 204),
        ("ada", "read:org", "/orgs/habari/members/linus", 404),
        ("ada", "", "/orgs/habari/members/ada", 404),
        ("linus", "read:org", "/orgs/habari/members/ada", 404),
        ("ada", "read:org", "/orgs/habari/teams/core/members/ada", 204),
        ("ada", "read:org", "/orgs/habari/teams/core/members/grace", 404),
        ("ada", "", "/orgs/habari/teams/core/members/ada", 404),
        ("ada", "read:org", "/nowhere", 404),
    ],
)
def test_membership(github: StandIn, who: str, scope: str, path: str, status: int) -> None:
    assert github.api(path, github.token(who, scope)).status_code == status


def test_one_who_may_not_see_members_is_sent_to_the_public_ones(github: StandIn) -> None:
    answer = github.api("/orgs/habari/members/ada", github.token("linus", "read:org"))
    assert [each.status_code for each in answer.history] == [302]
    assert answer.url.endswith("/orgs/habari/public_members/ada")


def test_faults_end_by_themselves(github: StandIn) -> None:
    assert github.fault(kind="http-500", where="token", times=2).status_code == 200
    code = github.code("grace")
    assert [github.exchange(code).status_code for _ in range(3)] == [500, 500, 200]


def test_a_code_can_be_told_to_have_expired(github: StandIn) -> None:
    github.fault(kind="expired-code", where="token")
    assert github.exchange(github.code("grace")).json()["error"] == "bad_verification_code"


def test_bad_json_is_bad(github: StandIn) -> None:
    token = github.token("grace")
    github.fault(kind="bad-json", where="user")
    with pytest.raises(requests.JSONDecodeError):
        github.api("/user", token).json()


def test_a_slow_answer_still_comes_and_others_do_not_wait(github: StandIn) -> None:
    token = github.token("grace")
    github.fault(kind="slow", where="user", seconds=0.3)
    start = time.monotonic()
    assert github.api("/user", token).status_code == 200
    assert time.monotonic() - start >= 0.3


def test_a_fault_can_be_taken_back(github: StandIn) -> None:
    github.fault(kind="http-500", where="user", times=100)
    github.fault(kind="none", where="user")
    assert github.api("/user", github.token("grace")).status_code == 200


@pytest.mark.parametrize(
    "fault", [{}, {"kind": "x", "where": "user"}, {"kind": "slow", "where": "user", "times": "x"}]
)
def test_an_unknown_fault_is_refused(github: StandIn, fault: dict[str, object]) -> None:
    answer = github.fault("control", **fault)
    assert answer.status_code == 400
    assert "http-500" in answer.json()["message"]


def test_faults_need_the_control_token(github: StandIn) -> None:
    assert github.fault("wrong", kind="http-500", where="user").status_code == 401
