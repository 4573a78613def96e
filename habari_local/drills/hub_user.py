"""A user in a drill: signed in by a token of their own, saving through the hub as Lab does.

Protocol: Jupyter Server's contents API.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from habari_local.core.errors import HabariError
from habari_local.drills.save_ledger import Outcome, notebook_of
from habari_local.drivers.jupyterhub import HubClient, session
from habari_local.platform.mode import Endpoints

SAVE_SECONDS = 40  # more than any deadline behind the hub, so that what is heard is what is known
NOT_RUNNING = 424  # the hub's answer in the place of a server that does not run
DOUBT = "not confirmed"  # how the contents manager tells a save that may have landed


@dataclass(frozen=True)
class SaveResult:
    """What a user is told of a save; `away` if it was not their server that spoke."""

    outcome: Outcome
    said: str = ""
    away: bool = False


class HubUser:
    """One user and their server; used by one thread at a time."""

    def __init__(self, where: Endpoints, name: str, note: str) -> None:
        self.hub = hub = HubClient(where.hub_url, where.hub_api_token)
        self.has_hub, self.name = where.hub, name
        token, self.token_id = where.hub_api_token, ""
        self.url = f"{hub.url}/api/contents"
        if where.hub:
            token, self.token_id = hub.create_token(name, note)
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

        if over.is_set() or not self.has_hub:
            return
        with suppress(requests.RequestException, HabariError):
            self.hub.start(self.name)

    def leave(self) -> None:
        """Give the token back and close the connections."""
        if self.token_id:
            self.hub.delete_token(self.name, self.token_id)
        self.web.close()
        self.hub.close()


def _message(answer: Any) -> str | None:
    """Return the sentence of a Jupyter server or of the hub; None for anybody else's answer."""
    try:
        found = answer.json()
    except ValueError:
        return None
    return str(found.get("message", "")) if isinstance(found, dict) else None
