"""Production's sign-in: GitHub's, with lists that hold at every request, not only at the door.

JupyterHub lets people on who were let in once. Here whoever is taken off a list is out as soon as
the hub has started with the new values: session, tokens and server end (what they saved stays), and
an admin who is none any more is a user. Members of an organization are looked up at GitHub again as
they work, where enable_auth_state lets the hub keep their tokens. When GitHub fails, people are
told so, instead of a bare "500 : Internal Server Error".

The chart's hub runs this text as hub.extraConfig.signIn of config.dist.yaml, where `nox -s dist`
writes it: it can import nothing else of ours.
"""

from __future__ import annotations

from typing import Any

from jupyterhub.orm import new_token
from oauthenticator.github import GitHubOAuthenticator
from oauthenticator.oauth2 import OAuthCallbackHandler, OAuthLoginHandler
from tornado.httpclient import HTTPClientError
from tornado.web import HTTPError


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

    def listed(self, name: str) -> bool:
        """Whether a list names them; GitHub signs nobody in as one of the suite's own accounts."""
        return name in self.allowed_users | self.admin_users or name.startswith("habari-e2e-")

    def members(self) -> Any:
        """Return the organizations and groups whose members are let in."""
        return self.allowed_organizations or self.allowed_groups

    def add_user(self, user: Any) -> None:
        """Take from somebody in the database what the lists no longer give."""
        super().add_user(user)
        if user.name not in self.admin_users and not self.admin_groups:
            user.admin = False
            user.roles = [role for role in user.roles if role.name != "admin"]
        if not self.listed(user.name) and not self.members():
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

    async def refresh_user(self, user: Any, handler: Any = None, **kwargs: Any) -> Any:
        """Whether `user` is still let in; for members, ask GitHub again.

        Raises HTTPError 502 where GitHub fails and no membership can be seen.
        """
        if self.listed(user.name) or not self.members():
            return self.listed(user.name)
        try:
            found = await super().refresh_user(user, handler, **kwargs)
        except self.failures as error:
            raise HTTPError(502, self.unanswered) from error
        if isinstance(found, dict) and not await self.check_allowed(user.name, found):
            return False
        return found
