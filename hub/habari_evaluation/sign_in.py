"""Who is let in: made-up people sign in, as GitHub would tell of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

from jupyterhub import orm
from jupyterhub.roles import roles_to_expanded_scopes
from tornado.httpclient import HTTPClientError, HTTPRequest

STRANGER, FORMER, MEMBER = "habari-stranger", "habari-former", "habari-member"


class GitHub:
    """Answers what the authenticator asks: who it is, and of what they are a member."""

    def __init__(self, authenticator: Any) -> None:
        self.authenticator = authenticator
        self.login, self.member = STRANGER, False

    async def httpfetch(
        self, url: str, _label: str = "", parse_json: bool = True, **kwargs: Any
    ) -> Any:
        """Answer one request as GitHub does (docs.github.com/rest); nothing is sent."""
        HTTPRequest(url, **(self.authenticator.http_request_kwargs or {}))
        found = self._answer(url)
        code = 404 if found is None else 204 if found == "" else 200
        if code == 404 and (parse_json or kwargs.get("raise_error", True)):
            raise HTTPClientError(404, response=None)
        if parse_json:
            return found
        body = b"" if found in (None, "") else json.dumps(found).encode()
        return SimpleNamespace(code=code, body=body, headers={}, request=HTTPRequest(url))

    def _answer(self, url: str) -> Any:
        it = self.authenticator
        if url.startswith(it.token_url or "!"):
            scopes = " ".join(it.scope)
            return {"access_token": "made-up", "token_type": "bearer", "scope": scopes}
        if url == it.userdata_url:
            return self.person()
        if url.endswith("/user/emails"):
            return [{"email": self.person()["email"], "primary": True, "verified": True}]
        if "/user/teams" in url or "/user/orgs" in url:
            return []
        if "/members/" in url or "/memberships/" in url:
            return "" if self.member else None
        return None

    def person(self) -> dict[str, Any]:
        """Return what GitHub and others tell of somebody."""
        mail = f"{self.login}@users.noreply.example.org"
        return {
            "login": self.login,
            "id": 583231,
            "name": f"The {self.login}",
            "email": mail,
            "sub": "583231",
            "preferred_username": self.login,
            "username": self.login,
            "upn": mail,
            "groups": [],
        }


def earlier_users(db: Any, listed: str) -> None:
    """Put people into the database: one who is on no list, and an admin who is none any more."""
    for name in {FORMER, MEMBER, listed}:
        user = orm.User.find(db, name)
        if user is None:
            user = orm.User(name=name)
            db.add(user)
        user.cookie_id = f"cookie of {name}"
        user.admin = name != MEMBER
        role = orm.Role.find(db, "admin")
        if role is not None and user.admin and role not in user.roles:
            user.roles.append(role)
    db.commit()


async def told(app: Any, listed: str) -> dict[str, Any]:
    """Return who gets in, who is an admin, and whose session goes on."""
    it = app.authenticator
    github = GitHub(it)
    if hasattr(it, "httpfetch"):
        it.httpfetch = github.httpfetch
        it.build_access_tokens_request_params = lambda *_, **__: {}
    names = sorted({*map(str, it.allowed_users), *map(str, it.admin_users)})
    former = orm.User.find(app.db, FORMER)
    admin = orm.User.find(app.db, listed) if listed else None
    found: dict[str, Any] = {
        "stranger": await _comes_in(it, github, STRANGER),
        "former": await _comes_in(it, github, FORMER),
        "former_stays": await _stays(app, github, former),
        "former_admin": bool(admin and admin.admin) if listed else False,
        "listed": {name: await _comes_in(it, github, name) for name in names[:200]},
        "made_admin": await _made_admin(it, github, listed or STRANGER),
    }
    if getattr(it, "allowed_organizations", None):
        found["member"] = await _comes_in(it, github, MEMBER, member=True)
        found["ex_member"] = await _comes_in(it, github, MEMBER)
        found["ex_member_stays"] = await _stays(app, github, orm.User.find(app.db, MEMBER))
    return found


async def _comes_in(it: Any, github: GitHub, name: str, member: bool = False) -> Any:
    """Return whether somebody is let in; an error as text, where the authenticator has one."""
    github.login, github.member = _login(it, name), member
    form = {"username": name, "password": "made up for this check"}
    handler = MagicMock()
    try:
        if not hasattr(it, "httpfetch"):
            return bool(await it.get_authenticated_user(handler, form))
        if type(it).token_to_user is _base(it).token_to_user:
            found = await it.get_authenticated_user(handler, None)
            return bool(found) and (name == STRANGER or found["name"] == name)
        return await _by_model(it, github, name)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


async def _made_admin(it: Any, github: GitHub, name: str) -> bool:
    """Return whether somebody who is on no list of admins is one once they sign in."""
    if not hasattr(it, "httpfetch") or type(it).token_to_user is not _base(it).token_to_user:
        return False
    github.login, github.member = _login(it, name), False
    try:
        found = await it.get_authenticated_user(MagicMock(), None)
    except Exception:
        return False
    return bool(found and found.get("admin"))


def scopes_of_users(app: Any) -> list[str]:
    """Return what a user may do who is in no group: scopes, as JupyterHub resolves them."""
    user = orm.User.find(app.db, FORMER) or orm.User(name=FORMER)
    plain = [role for role in app.db.query(orm.Role) if role.name == "user"]
    found = set().union(*(roles_to_expanded_scopes([role], user) for role in plain))
    return sorted(map(str, found))


def _login(it: Any, name: str) -> str:
    """Return the name that the provider has for whom the hub calls so."""
    return next((theirs for theirs, ours in it.username_map.items() if ours == name), name)


def _base(it: Any) -> Any:
    return next(each for each in type(it).__mro__ if each.__name__ == "OAuthenticator")


async def _by_model(it: Any, github: GitHub, name: str) -> bool:
    """Ask an authenticator whose provider signs its answers: with the answer as it was read."""
    state = {
        "access_token": "made-up",
        "scope": [],
        "token_response": {"access_token": "made-up", "token_type": "bearer"},
        it.user_auth_state_key: github.person(),
    }
    model: dict[str, Any] = {
        "name": name,
        "admin": True if name in it.admin_users else None,
        "auth_state": state,
        "groups": [],
    }
    if name in it.blocked_users:
        return False
    return bool(it.allow_all or await it.check_allowed(name, model))


async def _stays(app: Any, github: GitHub, user: Any) -> bool:
    """Whether a session of somebody goes on, as every request of theirs asks."""
    if user is None or user.cookie_id != f"cookie of {user.name}":
        return False
    it = app.authenticator
    github.login, github.member = user.name, False
    if it.auth_refresh_age <= 0:
        return True
    whole = app.users[user]
    if it.enable_auth_state:
        token = {"access_token": "made-up", "token_type": "bearer"}
        await whole.save_auth_state({"access_token": "made-up", "token_response": token})
    try:
        return bool(await it.refresh_user(whole, MagicMock()))
    except Exception:
        return False  # told the person, who has to sign in again


def listed_user(names: Iterable[Any], admins: Iterable[Any]) -> str:
    """Return somebody who is on the list of users and not on that of admins; "" if nobody is."""
    plain = {str(each).lower() for each in names} - {str(each).lower() for each in admins}
    return min(plain, default="")
