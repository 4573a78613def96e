"""The hub's settings, and the pure parts of its spawner."""

from __future__ import annotations

from pathlib import Path

import pytest
from habari_hub.process_spawner import folder_for, make_home
from habari_hub.settings import NEEDED, NEEDED_BY, SettingsError, read_settings

GOOD = {
    **dict.fromkeys((*NEEDED, *NEEDED_BY["process"]), "x"),
    "HABARI_ALLOWED_USERS": "Grace, linus,",
}


def test_github_com_is_the_default_with_its_api_and_no_scope() -> None:
    settings = read_settings(GOOD)
    assert settings.github_url == settings.github_internal_url == "https://github.com"
    assert settings.github_api_url == "https://api.github.com"
    assert settings.scopes == []
    assert settings.users == {"grace", "linus"}


def test_organizations_need_to_be_seen() -> None:
    assert read_settings({**GOOD, "HABARI_ALLOWED_ORGANIZATIONS": "habari"}).scopes == ["read:org"]


def test_the_hub_may_reach_github_by_another_way_than_browsers() -> None:
    changes = {
        "HABARI_GITHUB_URL": "http://127.0.0.1:8008/",
        "HABARI_GITHUB_INTERNAL_URL": "http://github:8008",
    }
    settings = read_settings({**GOOD, **changes})
    assert settings.github_url == "http://127.0.0.1:8008"
    assert settings.github_internal_url == "http://github:8008"


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({"HABARI_SPAWNER": "rocket", "HABARI_CULL_AFTER": "soon"})
    said = str(caught.value)
    expected = [*NEEDED, "rocket", "soon", "nobody could sign in", "Try:"]
    assert [each for each in expected if each not in said] == []


@pytest.mark.parametrize("name", ["HABARI_ALLOWED_USERS", "HABARI_ALLOWED_ORGANIZATIONS"])
def test_everybody_is_no_name(name: str) -> None:
    with pytest.raises(SettingsError, match="name who may sign in"):
        read_settings({**GOOD, name: "*"})


def test_secrets_are_not_in_what_is_printed() -> None:
    env = {**GOOD, "HABARI_GITHUB_CLIENT_SECRET": "secret-1", "HABARI_HUB_API_TOKEN": "secret-2"}
    assert "secret-" not in repr(read_settings(env))


NAMES = ["a", "a.b", "a%2eb", "a-b", "a_b", ".", "..", "a/b", "a b", "é", "~", "%"]


def test_no_two_users_share_a_home_even_where_case_does_not_count() -> None:
    folders = [folder_for(name) for name in NAMES]
    assert len({folder.lower() for folder in folders}) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_no_home_is_outside_the_folder_of_homes(name: str) -> None:
    folder = folder_for(name)
    assert folder
    assert not folder.startswith(".")
    assert "/" not in folder


def test_a_home_shows_the_project(tmp_path: Path) -> None:
    home, first, second = (tmp_path / name for name in ("home", "first", "second"))
    first.mkdir()
    second.mkdir()
    make_home(home, str(first))
    assert (home / "project").resolve() == first
    make_home(home, str(second))
    assert (home / "project").resolve() == second
    make_home(home, "")
    assert (home / "project").resolve() == second


def test_what_the_user_calls_project_stays(tmp_path: Path) -> None:
    (tmp_path / "home" / "project").mkdir(parents=True)
    (tmp_path / "home" / "project" / "work.txt").write_text("mine")
    make_home(tmp_path / "home", str(tmp_path))
    assert (tmp_path / "home" / "project" / "work.txt").read_text() == "mine"
