"""Signing in at the fake GitHub, over real HTTP: what GitHub documents and must refuse."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from habari_local.config.settings import FAKE_GITHUB_PATH, GITHUB_NAME
from habari_local.identity import github as github_module
from tests.fake_github import CALLBACK, StandIn, launch, wait_until_up


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


def test_the_page_has_a_button_for_each_known_user_and_a_field_for_the_rest(
    github: StandIn,
) -> None:
    page = requests.get(f"{github.url}/login/oauth/authorize?client_id=an-id", timeout=10)
    assert page.status_code == 200
    assert "<h1>The fake GitHub" in page.text
    assert "value='Ada'" in page.text
    assert "&lt;admin&gt;" in page.text
    assert "<input id=login name=login" in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self' http://127.0.0.1:18999" in policy


def test_signing_in_goes_back_with_a_code_and_the_state_unchanged(github: StandIn) -> None:
    answer = github.authorize("grace")
    assert answer.status_code == 302
    back = urlsplit(answer.headers["Location"])
    assert f"{back.scheme}://{back.netloc}{back.path}" == CALLBACK
    assert parse_qs(back.query)["state"] == ["s p&c"]


def test_a_code_gives_a_token_once(github: StandIn) -> None:
    code = github.code("grace", scope="read:org user:email")
    first = github.exchange(code)
    assert first.status_code == 200
    assert first.json()["scope"] == "read:org,user:email"
    assert first.json()["token_type"] == "bearer"
    second = github.exchange(code)
    assert second.status_code == 200
    assert second.json()["error"] == "bad_verification_code"


def test_the_token_comes_as_a_form_unless_json_is_asked_for(github: StandIn) -> None:
    answer = github.exchange(github.code("grace"), accept="*/*")
    assert answer.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert parse_qs(answer.text)["access_token"][0].startswith("gho_")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"client_secret": "wrong"}, "incorrect_client_credentials"),
        ({"client_id": "wrong"}, "incorrect_client_credentials"),
        ({"code": "wrong"}, "bad_verification_code"),
        ({"redirect_uri": "http://127.0.0.1:1/other"}, "redirect_uri_mismatch"),
    ],
)
def test_a_wrong_exchange_names_the_error(
    github: StandIn, changes: dict[str, str], error: str
) -> None:
    answer = github.exchange(**{"code": github.code("grace"), **changes})
    assert answer.status_code == 200
    assert answer.json()["error"] == error
    assert answer.json()["error_description"]


@pytest.mark.parametrize(
    ("method", "right", "good"),
    [("S256", True, True), ("S256", False, False), ("plain", True, False)],
)
def test_pkce_takes_s256_alone(github: StandIn, method: str, right: bool, good: bool) -> None:
    verifier = secrets.token_urlsafe(32)
    digest = hashlib.sha256(verifier.encode()).digest()
    hashed = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    challenge = hashed if method == "S256" else verifier
    code = github.code("grace", code_challenge=challenge, code_challenge_method=method)
    answer = github.exchange(code, code_verifier=verifier if right else "another").json()
    assert ("access_token" in answer) is good
    assert good or answer["error"] == "bad_verification_code"


def test_a_code_with_a_challenge_needs_the_verifier(github: StandIn) -> None:
    code = github.code("grace", code_challenge="x" * 43, code_challenge_method="S256")
    assert github.exchange(code).json()["error"] == "bad_verification_code"


def test_another_redirect_uri_never_gets_a_code(github: StandIn) -> None:
    answer = github.authorize("grace", redirect_uri="http://127.0.0.1:18999/elsewhere")
    assert answer.headers["Location"].startswith(f"{CALLBACK}?error=redirect_uri_mismatch")
    assert "code=" not in answer.headers["Location"]


def test_an_unknown_application_stays_on_the_page(github: StandIn) -> None:
    assert github.authorize("grace", client_id="another").status_code == 404


@pytest.mark.parametrize("login", ["", "-x", "_x", "x" * 40, "a b", "a.b", "<script>"])
def test_a_login_that_github_would_not_have_is_asked_for_again(github: StandIn, login: str) -> None:
    answer = github.authorize(login)
    assert answer.status_code == 422
    assert "<script>" not in answer.text


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:18000", "[::1]:8000"])
def test_who_comes_by_the_proxy_goes_back_to_the_same_address(github: StandIn, host: str) -> None:
    """The proxy shows it at a path of Habari's own address, which a forwarded port changes."""
    back = f"http://{host}/hub/oauth_callback"
    query = {"client_id": "an-id", "redirect_uri": back}
    address = f"{github.url}/fake-github/login/oauth/authorize"
    here = {"Host": host}
    assert requests.get(address, params=query, headers=here, timeout=10).status_code == 200
    answer = requests.post(
        address,
        params=query,
        data={"login": "grace"},
        headers=here,
        allow_redirects=False,
        timeout=10,
    )
    assert answer.headers["Location"].startswith(f"{back}?code=")


@pytest.mark.parametrize(
    "back",
    [
        "http://localhost:9/hub/oauth_callback",
        "http://localhost:8000/elsewhere",
        "http://evil.example/hub/oauth_callback",
        "ftp://localhost:8000/hub/oauth_callback",
    ],
)
def test_to_another_address_than_the_one_asked_at_nobody_goes_back(
    github: StandIn, back: str
) -> None:
    query = {"client_id": "an-id", "redirect_uri": back}
    address = f"{github.url}/fake-github/login/oauth/authorize"
    answer = requests.post(
        address,
        params=query,
        data={"login": "grace"},
        headers={"Host": "localhost:8000"},
        allow_redirects=False,
        timeout=10,
    )
    assert answer.headers["Location"].startswith(f"{CALLBACK}?error=redirect_uri_mismatch")


def test_names_are_by_one_rule_in_settings_and_here() -> None:
    assert github_module.LOGIN.pattern == GITHUB_NAME.pattern
    assert github_module.PATH == FAKE_GITHUB_PATH


def test_another_host_name_is_refused(github: StandIn) -> None:
    answer = requests.get(github.url, headers={"Host": "evil.example"}, timeout=10)
    assert answer.status_code == 421


def test_tokens_outlive_a_restart(folder: Path, github: StandIn) -> None:
    process, second = launch(folder)
    wait_until_up(process, second.url)
    assert second.api("/user", github.token("grace")).json()["login"] == "grace"
    process.terminate()
    process.wait(10)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"HABARI_GITHUB_REDIRECT_URI": "https://hub.example/cb"}, "HABARI_GITHUB_REDIRECT_URI"),
        ({"HABARI_GITHUB_USERS": "[{}]"}, "login"),
        ({"HABARI_GITHUB_USERS": "nonsense"}, "environment"),
    ],
)
def test_an_environment_it_cannot_serve_is_refused_in_a_sentence(
    tmp_path: Path, changes: dict[str, str], says: str
) -> None:
    process, _ = launch(tmp_path, **changes)
    assert process.wait(10) == 1
    text = (tmp_path / "standin.log").read_text()
    assert says in text
    assert "Try:" in text
    assert "Traceback" not in text


def test_it_binds_no_other_than_a_local_address(tmp_path: Path) -> None:
    process, _ = launch(tmp_path, "--host", "0.0.0.0")
    assert process.wait(10) == 2


def test_the_log_has_no_codes_and_no_tokens(folder: Path, github: StandIn) -> None:
    code = github.code("grace")
    token = github.exchange(code).json()["access_token"]
    github.api("/user", token)
    log = (folder / "standin.log").read_text()
    assert "/login/oauth/access_token 200" in log
    assert code not in log
    assert token not in log
