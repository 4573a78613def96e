"""The lists hold: each rule alone, and what happens to people who are taken off one."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from browser import Browser, signed_in
from rig import BIN, CONFIG, LISTS, PEOPLE, ROOT, Rig, wait_until

NOBODY = dict.fromkeys(LISTS, "")
# The local hub with production's sign-in, whose admins are admin_users as on the chart.
PRODUCTION = """\
load_subconfig({ours!r})
from habari_hub.settings import read_settings
from os import environ
lists = read_settings(environ)
c.JupyterHub.authenticator_class = "github"
exec(open({code!r}).read(), {{"c": c}})
c.HabariAuthenticator.admin_users = set(lists.admins)
c.HabariAuthenticator.allowed_users = set(lists.users)
c.JupyterHub.load_roles = [r for r in c.JupyterHub.load_roles if r["name"] != "admin"]
"""


@pytest.fixture(params=["ours", "production"])
def config(request: pytest.FixtureRequest) -> Path:
    """The configuration of a hub: what holds for ours holds for production's sign-in."""
    found: Path = CONFIG if request.param == "ours" else request.getfixturevalue("production")
    return found


@pytest.fixture
def production(idle_rig: Rig) -> Path:
    values = yaml.safe_load((ROOT / "config.dist.yaml").read_text())
    code, config = idle_rig.folder / "sign_in.py", idle_rig.folder / "production.py"
    code.write_text(values["hub"]["extraConfig"]["signIn"])
    config.write_text(PRODUCTION.format(ours=str(CONFIG), code=str(code)))
    return config


@pytest.mark.parametrize(
    ("rule", "comes_in", "stays_out"),
    [
        ({"HABARI_ALLOWED_USERS": "grace"}, {"grace"}, {"ada", "linus"}),
        ({"HABARI_ADMIN_USERS": "ada"}, {"ada"}, {"grace", "mallory"}),
        ({"HABARI_ALLOWED_ORGANIZATIONS": "habari"}, {"ada", "grace"}, {"linus", "mallory"}),
        ({"HABARI_ALLOWED_ORGANIZATIONS": "habari:core"}, {"ada"}, {"grace", "linus"}),
    ],
    ids=["users", "admins", "organization", "team"],
)
def test_each_rule_alone(
    idle_rig: Rig, config: Path, rule: dict[str, str], comes_in: set[str], stays_out: set[str]
) -> None:
    """A fresh database each time: whom an earlier rule let in must not matter."""
    (idle_rig.folder / "hub.sqlite").unlink(missing_ok=True)
    idle_rig.start_hub(config, **{**NOBODY, **rule})
    try:
        for login in sorted(comes_in):
            signed_in(idle_rig, login)
        for login in sorted(stays_out):
            assert Browser(idle_rig).sign_in(login).status_code == 403
        assert idle_rig.users() == comes_in
        logged = re.findall(r"[?&](?:code|state)=([^&\s]*)", idle_rig.log("hub"))
        assert set(logged) == {"[secret]"}
    finally:
        idle_rig.end("hub")


def test_who_is_taken_off_the_lists_is_out(idle_rig: Rig, config: Path) -> None:
    """Session, token and server end at the restart; so does an admin's power; others go on."""
    (idle_rig.folder / "hub.sqlite").unlink(missing_ok=True)
    idle_rig.start_hub(config)
    linus, ada, grace = (signed_in(idle_rig, login) for login in ("linus", "ada", "grace"))
    token = linus.api("POST", "/users/linus/tokens", json={}).json()["token"]
    for browser, login in ((linus, "linus"), (grace, "grace")):
        browser.start_server(login)
        assert browser.open_server(login).status_code == 200
    before = len(idle_rig.servers())
    idle_rig.restart_hub(config, HABARI_ADMIN_USERS="", HABARI_ALLOWED_USERS="grace,ada")

    assert not linus.signed_in()
    assert idle_rig.api("GET", "/user", token).status_code == 403
    assert linus.get("/user/linus/api/contents").status_code != 200
    wait_until(lambda: len(idle_rig.servers()) == before - 1, 60)  # linus's; a busy machine
    assert Browser(idle_rig).sign_in("linus").status_code == 403

    assert ada.api("GET", "/user").json()["admin"] is False
    assert ada.api("GET", "/users").status_code == 403
    assert grace.get("/user/grace/api/contents").status_code == 200

    idle_rig.restart_hub(config)
    assert not linus.signed_in(), "put back on the list, an old session stays dead"
    assert idle_rig.api("GET", "/user", token).status_code == 403
    signed_in(idle_rig, "linus").start_server("linus")
    assert ada.api("GET", "/users").status_code == 200
    idle_rig.end("hub")


def test_accounts_that_the_suite_makes_in_production_work(idle_rig: Rig, production: Path) -> None:
    """They are on no list; nobody who signs in gets in as one, member of an organization or not."""
    (idle_rig.folder / "hub.sqlite").unlink(missing_ok=True)
    rule = {**NOBODY, "HABARI_ALLOWED_ORGANIZATIONS": "habari"}
    people = [*PEOPLE, {"login": "habari-e2e-1", "id": 7, "orgs": ["habari"]}]
    restart_github(idle_rig, people)
    idle_rig.start_hub(production)
    assert idle_rig.api("POST", "/users/habari-e2e-1").status_code == 201
    token = idle_rig.api("POST", "/users/habari-e2e-1/tokens", json={}).json()["token"]
    path = "/users/habari-e2e-1/server"
    idle_rig.await_server("habari-e2e-1", idle_rig.api("POST", path, token))
    assert idle_rig.api("DELETE", path, token).status_code == 204
    idle_rig.restart_hub(production, **rule)
    assert idle_rig.api("GET", "/user", token).status_code == 200
    assert Browser(idle_rig).sign_in("habari-e2e-1").status_code == 403
    idle_rig.end("hub")
    restart_github(idle_rig, PEOPLE)


@pytest.mark.parametrize("rule", ["", "habari"], ids=["lists", "organization"])
def test_an_account_of_that_name_that_the_hub_did_not_make_is_out(
    idle_rig: Rig, production: Path, rule: str
) -> None:
    """Anybody may take such a login at GitHub; a hub of before let it in, and let it stay."""
    (idle_rig.folder / "hub.sqlite").unlink(missing_ok=True)
    idle_rig.start_hub(production)
    token = idle_rig.api("POST", "/users/grace/tokens", json={}).json()["token"]
    assert idle_rig.api("GET", "/user", token).status_code == 200
    idle_rig.end("hub")
    idle_rig.query("UPDATE users SET name = 'habari-e2e-7' WHERE name = 'grace'")
    idle_rig.start_hub(production, HABARI_ALLOWED_ORGANIZATIONS=rule)
    assert idle_rig.api("GET", "/user", token).status_code == 403
    idle_rig.end("hub")


def test_members_sign_in_again_in_production_where_the_hub_cannot_look(
    idle_rig: Rig, production: Path
) -> None:
    """Without their tokens kept, only a sign-in asks GitHub; one that fails gives no more time."""
    (idle_rig.folder / "hub.sqlite").unlink(missing_ok=True)
    with production.open("a") as config:
        config.write("c.HabariAuthenticator.enable_auth_state = False\n")
    rule = {**NOBODY, "HABARI_ALLOWED_ORGANIZATIONS": "habari"}
    idle_rig.start_hub(production, **rule)
    grace = signed_in(idle_rig, "grace")
    grace.start_server("grace")
    idle_rig.restart_hub(production, **rule)
    assert not grace.signed_in()
    assert signed_in(idle_rig, "grace").signed_in()
    assert grace.signed_in(), "GitHub has just told that they are a member"
    idle_rig.restart_hub(production, **{**rule, "HABARI_ALLOWED_ORGANIZATIONS": "another"})
    assert Browser(idle_rig).sign_in("grace").status_code == 403
    assert not grace.signed_in()
    idle_rig.end("hub")


def test_a_login_that_has_changed_hands_is_out(idle_rig: Rig, config: Path) -> None:
    """grace left the team and renames; who takes the login then is in the team."""
    (idle_rig.folder / "hub.sqlite").unlink(missing_ok=True)
    rule = {**NOBODY, "HABARI_ALLOWED_ORGANIZATIONS": "habari:core"}
    member = {"orgs": ["habari"], "teams": ["habari/core"]}
    restart_github(idle_rig, [{"login": "grace", "id": 2, **member}])
    idle_rig.start_hub(config, **rule)
    grace = signed_in(idle_rig, "grace")
    left = {"login": "hopper", "id": 2, "was": "grace", "orgs": ["habari"]}
    restart_github(idle_rig, [left, {"login": "grace", "id": 8, **member}])
    idle_rig.restart_hub(config, **rule)
    assert not grace.signed_in()
    assert Browser(idle_rig).sign_in("hopper").status_code == 403
    idle_rig.end("hub")
    restart_github(idle_rig, PEOPLE)


def test_who_leaves_the_organization_is_out_at_the_next_look(idle_rig: Rig, config: Path) -> None:
    """Membership is GitHub's to tell: the hub asks again after a restart, then every 5 minutes."""
    (idle_rig.folder / "hub.sqlite").unlink(missing_ok=True)
    rule = {**NOBODY, "HABARI_ALLOWED_ORGANIZATIONS": "habari", "HABARI_ADMIN_USERS": "linus"}
    idle_rig.start_hub(config, **rule)
    grace, linus = signed_in(idle_rig, "grace"), signed_in(idle_rig, "linus")
    idle_rig.restart_hub(config, **rule)
    idle_rig.fault("http-500", "user")
    assert not grace.signed_in(), "nobody is let in unseen"
    assert grace.signed_in(), "and nobody has to sign in again when GitHub is back"
    idle_rig.restart_hub(config, **{**rule, "HABARI_ALLOWED_ORGANIZATIONS": "another"})
    assert not grace.signed_in()
    assert linus.signed_in()
    idle_rig.end("hub")


def restart_github(rig: Rig, people: list[dict[str, object]]) -> None:
    rig.end("github")
    rig.start_github(HABARI_GITHUB_USERS=json.dumps(people))


def refused(rig: Rig, config: Path, **changes: str) -> str:
    argv = [str(BIN / "jupyterhub"), "-f", str(config)]
    environment = {**rig.environment, **changes}
    ended = subprocess.run(
        argv,
        env=environment,
        cwd=rig.folder,
        timeout=30,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert "Try:" in ended.stderr
    return ended.stderr


def test_a_hub_without_a_rule_does_not_start(idle_rig: Rig) -> None:
    said = refused(idle_rig, CONFIG, **NOBODY)
    assert "all empty, so nobody could sign in" in said


@pytest.mark.parametrize("line", ["allow_all", "allow_existing_users"])
def test_a_hub_open_to_all_does_not_start(idle_rig: Rig, line: str) -> None:
    config = idle_rig.folder / f"{line}.py"
    config.write_text(f"load_subconfig({str(CONFIG)!r})\nc.HabariAuthenticator.{line} = True\n")
    assert "name who may sign in" in refused(idle_rig, config)
