"""A JupyterHub by its REST API 5: users, their servers and tokens.

https://jupyterhub.readthedocs.io/en/stable/reference/rest-api.html
"""

from __future__ import annotations

import json
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from habari_local.core.errors import HabariError

if TYPE_CHECKING:
    import requests

SECONDS = 30.0  # for one answer
START_SECONDS = 90.0
PAGE = 200  # users in one answer: what a hub gives at most unless it is configured


def session(token: str = "") -> requests.Session:
    """Return an HTTP session that carries a token and asks no proxy of the environment."""
    import requests

    web = requests.Session()
    web.trust_env = False
    if token:
        web.headers["Authorization"] = f"token {token}"
    return web


class HubClient:
    """The hub at an address, asked with a service's or a user's token; closed after a block."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self.web = session(token)

    def __enter__(self) -> HubClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.web.close()

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """Return what the API answers; raises requests' errors, of a bad answer too."""
        url = f"{self.url}/hub/api/{path}"
        answer = self.web.request(method, url, timeout=SECONDS, **more)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def runs(self, name: str) -> bool:
        """Whether a user's server runs."""
        return bool(self.ask("GET", f"users/{quote(name)}").get("servers"))

    def user(self, name: str) -> dict[str, Any] | None:
        """Return what the hub knows of a user; None where it knows none of that name."""
        answer = self.web.get(f"{self.url}/hub/api/users/{quote(name)}", timeout=SECONDS)
        if answer.status_code == 404:
            return None
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def users(self) -> list[str]:
        """Return everybody whom the hub knows."""
        found: list[str] = []
        while page := self.ask("GET", "users", params={"offset": len(found), "limit": PAGE}):
            found += [each["name"] for each in page]
        return found

    def delete(self, name: str) -> None:
        """Have the hub forget a user, whose server does not run."""
        self.ask("DELETE", f"users/{quote(name)}")

    def ensure(self, name: str) -> None:
        """Have the hub know a user, as it does from a first sign-in on."""
        known = self.web.get(f"{self.url}/hub/api/users/{quote(name)}", timeout=SECONDS)
        if known.status_code == 404:
            self.ask("POST", f"users/{quote(name)}")

    def start(self, name: str) -> None:
        """Start a user's server if it does not run, and follow its progress until it is ready.

        Raises:
            HabariError: it did not start.
        """
        server = f"{self.url}/hub/api/users/{quote(name)}/server"
        answer = self.web.post(server, timeout=SECONDS)
        if answer.status_code == 400:  # runs already
            return
        said = f"answered {answer.status_code}"
        with self.web.get(f"{server}/progress", timeout=START_SECONDS, stream=True) as events:
            for line in events.iter_lines():
                if line.startswith(b"data:"):
                    event = json.loads(line.removeprefix(b"data:"))
                    said = event.get("message", said)
                    if event.get("ready"):
                        return
        raise HabariError(f"Server of {name}: it did not start, {said}.", "habari-local why")

    def stop(self, name: str) -> None:
        """Stop a user's server; a hub that does not answer keeps it."""
        import requests

        with suppress(requests.RequestException):
            self.ask("DELETE", f"users/{quote(name)}/server")

    def create_token(self, name: str, note: str) -> tuple[str, str]:
        """Return a new token of a user's, and the id that `delete_token` takes."""
        made = self.ask("POST", f"users/{quote(name)}/tokens", json={"note": note})
        return made["token"], made["id"]

    def delete_token(self, name: str, token_id: str) -> None:
        """Make a token worthless; a hub that does not answer keeps it."""
        import requests

        with suppress(requests.RequestException):
            self.ask("DELETE", f"users/{quote(name)}/tokens/{token_id}")

    def check_routes(self) -> None:
        """Have the hub give its proxy the missing routes: by itself it looks only now and then."""
        self.ask("POST", "proxy")
