"""Production's sign-in: GitHub's, with lists that hold at every request, not only at the door.

JupyterHub lets people on who were let in once. Here whoever is taken off a list is out as soon as
the hub has started with the new values: session, tokens and server end (what they saved stays), and
an admin who is none any more is a user. Members of an organization are looked up at GitHub again as
they work; where no enable_auth_state lets the hub keep their tokens, they sign in again instead.
An account whose GitHub login has changed signs in again too: the old login may be somebody else's.
When GitHub fails, people are told so, instead of a bare "500 : Internal Server Error". No code and
no state of a sign-in is in the hub's log.

The end-to-end suite works as habari-e2e-* accounts, which it makes through the hub. GitHub
signs nobody in as one, and the hub keeps those alone that it put into its group as they were made.

The chart's hub runs this text as hub.extraConfig.signIn of config.dist.yaml, where `nox -s dist`
writes it: it can import nothing else of ours.
"""

from __future__ import annotations

import logging
import math
import re
import time
from typing import Any

from jupyterhub.orm import Group, new_token
from jupyterhub.utils import utcnow
from oauthenticator.github import GitHubOAuthenticator
from oauthenticator.oauth2 import OAuthCallbackHandler, OAuthLoginHandler
from sqlalchemy.orm import object_session
from tornado.httpclient import HTTPClientError
from tornado.log import app_log, gen_log
from tornado.web import HTTPError

SECRET_PARAMETERS = re.compile(r"([?&](?:code|state|token|_xsrf)=)[^&\s'\"]+")


def hide_parameters(record: logging.LogRecord) -> bool:
    """Take codes and states out of the addresses that tornado logs with an error.

    JupyterHub does so in its own line for each request, tornado doesn't.
    """
    record.msg, record.args = SECRET_PARAMETERS.sub(r"\1[secret]", record.getMessage()), ()
    return True


for each in (app_log, gen_log):
    each.addFilter(hide_parameters)


class LoginHandler(OAuthLoginHandler):
    """The way to GitHub."""

    def authorize_redirect(self, *args: Any, extra_params: dict[str, Any], **kwargs: Any) -> None:
        """Have GitHub ask who it is: "Sign in as somebody else" of hub/templates/error.html."""
        if self.get_argument("prompt", "") == "select_account":
            extra_params = {**extra_params, "prompt": "select_account"}
        super().authorize_redirect(*args, extra_params=extra_params, **kwargs)


class CallbackHandler(OAuthCallbackHandler):
    """The way back from GitHub."""

    async def get(self) -> None:
        """Sign in; who is signed in already (by another tab, then the back button) goes on."""
        try:
            self.check_arguments()
        except HTTPError:
            if self.current_user is None:
                raise
            self.redirect(self.get_next_url(self.current_user))
        else:
            await super().get()


class HabariAuthenticator(GitHubOAuthenticator):
    """GitHub sign-in in which nobody stays who was taken off the lists."""

    login_handler = LoginHandler
    callback_handler = CallbackHandler
    failures = (HTTPClientError, OSError, ValueError, TypeError, KeyError)
    unanswered = "GitHub: no usable answer came back. Sign in again in a minute."

    suite, suite_group = "habari-e2e-", "habari-e2e"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.started = utcnow(with_tz=False)
        self.allowed_at: dict[str, float] = {}  # name → when GitHub and the lists let them in

    def check_allow_config(self) -> None:
        """Warn of members whom the hub can't look up again."""
        super().check_allow_config()
        if self.members() and not self.enable_auth_state:
            self.log.warning(
                "enable_auth_state is off: members sign in again every %s s", self.auth_refresh_age
            )

    def listed(self, user: Any) -> bool:
        """Whether a list names them, or the hub made them for the suite."""
        return user.name in self.allowed_users | self.admin_users or self.of_suite(user)

    def of_suite(self, user: Any) -> bool:
        """Whether it is an account of the suite, made through a hub with this code."""
        marks = {group.name for group in user.groups}
        return user.name.startswith(self.suite) and self.suite_group in marks

    def mark(self, user: Any) -> None:
        """Put an account of the suite that was just made into the suite's group."""
        made = getattr(user, "orm_user", user)
        if user.name.startswith(self.suite) and made.created >= self.started:
            database: Any = object_session(made)
            group = Group.find(database, self.suite_group) or Group(name=self.suite_group)
            made.groups.append(group)
            database.commit()

    def members(self) -> Any:
        """Return the organizations and groups whose members are let in."""
        return self.allowed_organizations or self.allowed_groups

    def add_user(self, user: Any) -> None:
        """Take from somebody in the database what the lists no longer give."""
        super().add_user(user)
        self.mark(user)
        if user.name not in self.admin_users and not self.admin_groups:
            user.admin = False
            user.roles = [role for role in user.roles if role.name != "admin"]
        if not self.listed(user) and not self.members():
            self.log.warning("%s is on no list any more: blocked, sessions ended", user.name)
            self.blocked_users.add(user.name)
            user.cookie_id = new_token()
            user.api_tokens.clear()

    async def authenticate(self, handler: Any, data: Any = None, **kwargs: Any) -> Any:
        """Sign somebody in; raises HTTPError 502 where GitHub fails."""
        try:
            return await super().authenticate(handler, data, **kwargs)
        except self.failures as error:
            self.log.warning("GitHub gave no usable answer: %s", type(error).__name__)
            raise HTTPError(502, self.unanswered) from error

    async def check_allowed(self, username: str, auth_model: Any) -> Any:
        """Whether somebody whom GitHub knows is let in."""
        allowed = not username.startswith(self.suite) and await super().check_allowed(
            username, auth_model
        )
        if allowed:
            self.allowed_at[username] = time.monotonic()
        return allowed

    async def refresh_user(self, user: Any, handler: Any = None, **kwargs: Any) -> Any:
        """Whether `user` is still let in; for members, ask GitHub again.

        Raises HTTPError 502 where GitHub fails and no membership can be seen.
        """
        if self.listed(user) or not self.members():
            return self.listed(user)
        if not self.enable_auth_state:
            since = time.monotonic() - self.allowed_at.get(user.name, -math.inf)
            return since < self.auth_refresh_age
        try:
            found = await super().refresh_user(user, handler, **kwargs)
        except self.failures as error:
            raise HTTPError(502, self.unanswered) from error
        if not isinstance(found, dict) or found["name"] != user.name:
            return False
        return found if await self.check_allowed(user.name, found) else False
