"""The lists hold: each rule alone, and what happens to people who are taken off one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from browser import Browser, signed_in
from rig import BIN, LISTS, ROOT, Rig

NOBODY = dict.fromkeys(LISTS, "")


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
    idle_rig: Rig, rule: dict[str, str], comes_in: set[str], stays_out: set[str]
) -> None:
    """A fresh database each time: whom an earlier rule let in must not matter."""
    (idle_rig.folder / "hub.sqlite").unlink(missing_ok=True)
    idle_rig.start_hub(**{**NOBODY, **rule})
    try:
        for login in sorted(comes_in):
            signed_in(idle_rig, login)
        for login in sorted(stays_out):
            assert Browser(idle_rig).sign_in(login).status_code == 403
        assert idle_rig.users() == comes_in
    finally:
        idle_rig.end("hub")


def test_who_is_taken_off_the_lists_is_out(idle_rig: Rig) -> None:
    """Session, token and server end at the restart; so does an admin's power; others go on."""
    (idle_rig.folder / "hub.sqlite").unlink(missing_ok=True)
    idle_rig.start_hub()
    linus, ada, grace = (signed_in(idle_rig, login) for login in ("linus", "ada", "grace"))
    token = linus.api("POST", "/users/linus/tokens", json={}).json()["token"]
    for browser, login in ((linus, "linus"), (grace, "grace")):
        assert browser.api("POST", f"/users/{login}/server").status_code == 201
        assert browser.open_server(login).status_code == 200
    idle_rig.restart_hub(HABARI_ADMIN_USERS="", HABARI_ALLOWED_USERS="grace,ada")

    assert not linus.signed_in()
    assert idle_rig.api("GET", "/user", token).status_code == 403
    assert linus.get("/user/linus/api/contents").status_code != 200
    assert len(idle_rig.servers()) == 1, "linus's was stopped, grace's was not"
    assert Browser(idle_rig).sign_in("linus").status_code == 403

    assert ada.api("GET", "/user").json()["admin"] is False
    assert ada.api("GET", "/users").status_code == 403
    assert grace.get("/user/grace/api/contents").status_code == 200

    idle_rig.restart_hub()
    assert not linus.signed_in(), "put back on the list, an old session stays dead"
    assert idle_rig.api("GET", "/user", token).status_code == 403
    assert signed_in(idle_rig, "linus").api("POST", "/users/linus/server").status_code == 201
    assert ada.api("GET", "/users").status_code == 200
    idle_rig.end("hub")


def test_who_leaves_the_organization_is_out_at_the_next_look(idle_rig: Rig) -> None:
    """Membership is GitHub's to tell: the hub asks again after a restart, then every 5 minutes."""
    (idle_rig.folder / "hub.sqlite").unlink(missing_ok=True)
    rule = {**NOBODY, "HABARI_ALLOWED_ORGANIZATIONS": "habari", "HABARI_ADMIN_USERS": "linus"}
    idle_rig.start_hub(**rule)
    grace, linus = signed_in(idle_rig, "grace"), signed_in(idle_rig, "linus")
    idle_rig.restart_hub(**rule)
    idle_rig.fault("http-500", "user")
    assert not grace.signed_in(), "nobody is let in unseen"
    assert grace.signed_in(), "and nobody has to sign in again when GitHub is back"
    idle_rig.restart_hub(**{**rule, "HABARI_ALLOWED_ORGANIZATIONS": "another"})
    assert not grace.signed_in()
    assert linus.signed_in()
    idle_rig.end("hub")


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
    said = refused(idle_rig, ROOT / "hub" / "jupyterhub_config.py", **NOBODY)
    assert "a rule that lets somebody in was expected" in said


@pytest.mark.parametrize("line", ["allow_all", "allow_existing_users"])
def test_a_hub_open_to_all_does_not_start(idle_rig: Rig, line: str) -> None:
    config = idle_rig.folder / f"{line}.py"
    config.write_text(
        f"load_subconfig({str(ROOT / 'hub' / 'jupyterhub_config.py')!r})\n"
        f"c.HabariAuthenticator.{line} = True\n"
    )
    assert "names were expected" in refused(idle_rig, config)
