"""Who may come in: GitHub's sign-in, with lists that hold at every request, not only at the door.

oauthenticator asks GitHub who somebody is. JupyterHub asks this class whether they are let in: at
the sign-in (`check_allowed`), at its start for everybody in the database (`add_user`), and again
while they work (`refresh_user`, every `auth_refresh_age` seconds and before a spawn). Production's
class (production_sign_in.py) is another: its admins are `admin_users`, here they are a role's, and
it has accounts of the end-to-end suite.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from jupyterhub.orm import new_token  # type: ignore[import-untyped]
from oauthenticator.github import GitHubOAuthenticator  # type: ignore[import-untyped]
from tornado.httpclient import HTTPClientError
from tornado.web import HTTPError

from habari_hub import production_sign_in
from habari_hub.local_addresses import is_local

TRY = "habari-local config set HABARI_ALLOWED_USERS grace,linus"
UNANSWERED = (
    "GitHub: no usable answer came back, so nobody can be signed in just now. Try: sign in again"
    " in a minute; `habari-local status` and the hub's log say more."
)


class LoginHandler(production_sign_in.LoginHandler):
    """Production's way to GitHub, from each address of this machine."""

    def get(self) -> None:
        """Go to GitHub; on one machine first to the address that GitHub sends people back to."""
        back = urlsplit(self.authenticator.get_callback_url(self))
        if back.netloc != self.request.host and is_local(back.netloc):
            self.redirect(f"{back.scheme}://{back.netloc}{self.request.uri}")
        else:
            super().get()


class HabariAuthenticator(GitHubOAuthenticator):  # type: ignore[misc]
    """GitHub sign-in in which nobody stays who was taken off the lists."""

    login_handler = LoginHandler
    callback_handler = production_sign_in.CallbackHandler

    def check_allow_config(self) -> None:
        """Refuse to start open to all, or closed to all: raises SystemExit."""
        if self.allow_all or self.allow_existing_users:
            wrong = "allow_all and allow_existing_users are refused; name who may sign in"
        elif not self.allowed_users | self.admin_users | self.allowed_organizations:
            wrong = "no rule lets anybody in"
        else:
            return
        raise SystemExit(f"Sign-in: {wrong}.\nTry: {TRY}")

    def add_user(self, user: Any) -> None:
        """Retire somebody in the database whom no rule lets in any more.

        JupyterHub itself then takes the roles of the blocked away and stops their servers. A
        membership is seen only with the user's own token, hence in `refresh_user`.
        """
        super().add_user(user)
        if user.name not in self.allowed_users and not self.allowed_organizations:
            self.log.warning("%s is on no list any more: blocked, sessions ended", user.name)
            self.blocked_users.add(user.name)
            user.cookie_id = new_token()
            user.api_tokens.clear()

    async def authenticate(self, handler: Any, data: Any = None, **kwargs: Any) -> Any:
        """Sign somebody in. Raises HTTPError 502 where GitHub fails, not a bare 500."""
        try:
            return await super().authenticate(handler, data, **kwargs)
        except (HTTPClientError, OSError, ValueError, TypeError, KeyError) as error:
            self.log.warning("GitHub gave no usable answer: %s", type(error).__name__)
            raise HTTPError(502, UNANSWERED) from error

    async def refresh_user(self, user: Any, handler: Any = None, **kwargs: Any) -> Any:
        """Whether `user` is still let in; for members, ask GitHub again.

        Raises HTTPError 502 where GitHub fails and no membership can be seen: a spawn tells so, and
        elsewhere JupyterHub takes people for not signed in until GitHub answers again.
        """
        if user.name in self.allowed_users:
            return True
        if not self.allowed_organizations:
            return False
        try:
            auth_model = await super().refresh_user(user, handler, **kwargs)
        except (HTTPClientError, OSError, ValueError, TypeError, KeyError) as error:
            raise HTTPError(502, UNANSWERED) from error
        if not isinstance(auth_model, dict) or auth_model["name"] != user.name:
            return False  # renamed at GitHub: the old login may be somebody else's
        return auth_model if await self.check_allowed(user.name, auth_model) else False
