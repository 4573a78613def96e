"""A person in a drill: signed in by a token of their own, saving through the hub as Lab does.

Protocols: JupyterHub's REST API 5 and Jupyter Server's contents API.
"""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from habari_local.core.errors import HabariError
from habari_local.drills.save_ledger import Outcome, notebook_of
from habari_local.platform.mode import Endpoints

SAVE_SECONDS = 40  # more than any deadline behind the hub, so that what is heard is what is known
START_SECONDS = 90
NOT_RUNNING = 424  # the hub's answer in the place of a server that does not run
DOUBT = "not confirmed"  # how the contents manager tells a save that may have landed


class HubClient:
    """The platform's hub, asked with the tool's own token; without a hub, the one server."""

    def __init__(self, where: Endpoints) -> None:
        self.where = where
        self.url = where.hub_url.rstrip("/")
        self.web = session(where.hub_api_token)

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """Return what the API answers; raises requests' errors, of a bad answer too."""
        answer = self.web.request(method, f"{self.url}/hub/api/{path}", timeout=30, **more)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def runs(self, name: str) -> bool:
        """Whether a user's server runs."""
        return bool(self.ask("GET", f"users/{quote(name)}").get("servers"))

    def ensure(self, name: str) -> None:
        """Have the hub know a user, as it does from a first sign-in on."""
        known = self.web.get(f"{self.url}/hub/api/users/{quote(name)}", timeout=30)
        if known.status_code == 404:
            self.ask("POST", f"users/{quote(name)}")

    def start(self, name: str) -> None:
        """Start a user's server if it does not run, and follow its progress until it is ready.

        Raises:
            HabariError: it did not start.
        """
        user = f"users/{quote(name)}"
        answer = self.web.post(f"{self.url}/hub/api/{user}/server", timeout=30)
        if answer.status_code == 400:  # runs already
            return
        said = f"answered {answer.status_code}"
        with self.web.get(
            f"{self.url}/hub/api/{user}/server/progress", timeout=START_SECONDS, stream=True
        ) as events:
            for line in events.iter_lines():
                if line.startswith(b"data:"):
                    event = json.loads(line.removeprefix(b"data:"))
                    said = event.get("message", said)
                    if event.get("ready"):
                        return
        raise HabariError(f"Server of {name}: did not start, {said}.", "habari-local why")

    def stop(self, name: str) -> None:
        """Stop a user's server; a hub that does not answer keeps it."""
        import requests

        with suppress(requests.RequestException):
            self.ask("DELETE", f"users/{quote(name)}/server")

    def close(self) -> None:
        """Close the connections."""
        self.web.close()


@dataclass(frozen=True)
class SaveResult:
    """What a person hears of a save; `away` if it was not their server that spoke."""

    outcome: Outcome
    said: str = ""
    away: bool = False


class HubUser:
    """One user and their server; used by one thread at a time."""

    def __init__(self, where: Endpoints, name: str, note: str) -> None:
        self.hub = hub = HubClient(where)
        self.name = name
        self.token_id = ""
        token = hub.where.hub_api_token
        self.url = f"{hub.url}/api/contents"
        if hub.where.hub:
            made = hub.ask("POST", f"users/{quote(name)}/tokens", json={"note": note})
            token, self.token_id = made["token"], made["id"]
            self.url = f"{hub.url}/user/{quote(name)}/api/contents"
        self.web = session(token)

    def save(self, path: str, text: str) -> SaveResult:
        """Save a notebook with this text; return what is heard of it."""
        import requests

        model = {"type": "notebook", "format": "json", "content": notebook_of(text)}
        try:
            answer = self.web.put(f"{self.url}/{quote(path)}", json=model, timeout=SAVE_SECONDS)
        except requests.RequestException as error:
            # Nobody listens: nothing was sent. Whatever else breaks may break after it landed.
            refused = "Connection refused" in str(error)
            said = "no connection" if refused else type(error).__name__
            return SaveResult("refused" if refused else "unconfirmed", said, away=True)
        if answer.ok:
            return SaveResult("saved")
        said = f"{answer.status_code} {_message(answer)}"
        if _message(answer) is None:  # a page of the proxy's, which may have sent it on
            return SaveResult("unconfirmed", f"{answer.status_code} of the proxy", away=True)
        if answer.status_code == NOT_RUNNING:
            return SaveResult("refused", said, away=True)
        return SaveResult("unconfirmed" if DOUBT in said else "refused", said)

    def look(self, path: str) -> None:
        """Open a document as it is now, so that the next save is over what was seen."""
        import requests

        with suppress(requests.RequestException):
            self.web.get(f"{self.url}/{quote(path)}", timeout=SAVE_SECONDS)

    def make_folder(self, path: str) -> None:
        """Make a folder; raises requests' errors."""
        answer = self.web.put(f"{self.url}/{quote(path)}", json={"type": "directory"}, timeout=30)
        answer.raise_for_status()

    def start_again(self, over: threading.Event) -> None:
        """Start the own server if it has ended; while the hub is away too, do nothing."""
        import requests

        if over.is_set() or not self.hub.where.hub:
            return
        with suppress(requests.RequestException, HabariError):
            self.hub.start(self.name)

    def leave(self) -> None:
        """Give the token back and close the connections."""
        import requests

        if self.token_id:
            with suppress(requests.RequestException):
                self.hub.ask("DELETE", f"users/{quote(self.name)}/tokens/{self.token_id}")
        self.web.close()
        self.hub.close()


def session(token: str) -> Any:
    """Return an HTTP session that carries a token and asks no proxy of the environment."""
    import requests

    web = requests.Session()
    web.trust_env = False
    web.headers["Authorization"] = f"token {token}"
    return web


def _message(answer: Any) -> str | None:
    """Return the sentence of a Jupyter server or of the hub; None for anybody else's answer."""
    try:
        found = answer.json()
    except ValueError:
        return None
    return str(found.get("message", "")) if isinstance(found, dict) else None
