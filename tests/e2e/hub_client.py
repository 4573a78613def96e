"""The hub: its REST API for the service's token, and for a person who signed in.

Protocol: JupyterHub's REST API 5 (https://jupyterhub.readthedocs.io, "JupyterHub REST API").
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urljoin

from .endpoints import Endpoints
from .sign_in import SignIn, SignInError
from .waiting import PATIENCE, until
from .web import Web, quoted, visible_text

START_SECONDS = 110.0
STOP_SECONDS = 60.0


class HubError(Exception):
    """The hub gave another answer than expected."""


class Hub:
    """What the service's token may do: look at users, make sure that nobody is left behind."""

    def __init__(self, endpoints: Endpoints) -> None:
        self.endpoints = endpoints
        self.web = Web(endpoints.hub)
        self.web.headers["Authorization"] = f"token {endpoints.hub_api_token.get_secret_value()}"

    def get(self, path: str) -> Any:
        """An answer of the API under /hub/api/; raises HubError unless it is good."""
        answer = self.web.get(f"{self.endpoints.hub}/hub/api/{path}")
        if not answer.ok:
            raise HubError(f"Hub: {path} answered {answer.status_code}, expected 200.")
        return answer.json()

    def user(self, name: str) -> dict[str, Any] | None:
        """What the hub knows of a user; None if it has no such row."""
        answer = self.web.get(f"{self.endpoints.hub}/hub/api/users/{quoted(name)}")
        if answer.status_code == 404:
            return None
        if not answer.ok:
            raise HubError(f"Hub: user {name} answered {answer.status_code}, expected 200 or 404.")
        found: dict[str, Any] = answer.json()
        return found

    def has_server(self, name: str) -> bool:
        """Whether a server of this user runs, starts or stops."""
        return bool((self.user(name) or {}).get("servers"))


class Person:
    """Somebody who signed in, by the form or (with the real GitHub) by a token of the hub."""

    def __init__(self, endpoints: Endpoints, name: str, web: Web) -> None:
        self.endpoints = endpoints
        self.name = name
        self.web = web

    def api(self, method: str, path: str, **kwargs: Any) -> Any:
        """Ask the hub's API with this person's own cookies; returns the answer, good or bad."""
        url = f"{self.endpoints.hub}/hub/api/{path}"
        return self.web.request(method, url, headers=self.web.xsrf("/hub/"), **kwargs)

    def known_to_hub(self) -> dict[str, Any] | None:
        """The hub's view of whoever holds this session; None when signed out."""
        answer = self.api("GET", "user")
        return answer.json() if answer.ok else None

    def start_server(self, seconds: float = START_SECONDS) -> str:
        """Start the own server and follow its progress until ready; returns its address.

        Raises HubError with the hub's last word when the start fails or takes longer.
        """
        answer = self._start(time.monotonic() + seconds)
        running = answer.status_code == 400 and "already running" in answer.text
        if not (answer.ok or running):
            said = f"start answered {answer.status_code}: {answer.text[:500]}"
            raise HubError(f"Server of {self.name}: {said}")
        return urljoin(self.endpoints.hub, self._ready_url(seconds))

    def _start(self, deadline: float) -> Any:
        """Ask for the server, again while the hub still clears an ended one away."""
        while True:
            answer = self.api("POST", f"users/{quoted(self.name)}/server")
            stopping = answer.status_code == 400 and "pending stop" in answer.text
            if not stopping or time.monotonic() > deadline:
                return answer
            time.sleep(0.2)  # the hub has no event for it

    def _ready_url(self, seconds: float) -> str:
        deadline, last = time.monotonic() + seconds * PATIENCE, "nothing"
        path = f"users/{quoted(self.name)}/server/progress"
        with self.api("GET", path, stream=True) as stream:
            for line in stream.iter_lines(decode_unicode=True):
                if line and line.startswith("data:"):
                    event = json.loads(line.removeprefix("data:"))
                    last = event.get("message", last)
                    if event.get("ready"):
                        return str(event["url"])
                    if event.get("failed"):
                        raise HubError(f"Server of {self.name}: {last}")
                if time.monotonic() > deadline:
                    break
        raise HubError(f"Server of {self.name}: not ready in {seconds:g} s, last heard: {last}")

    def stop_server(self, seconds: float = STOP_SECONDS) -> None:
        """Stop the own server and wait until the hub has forgotten it."""
        answer = self.api("DELETE", f"users/{quoted(self.name)}/server")
        if not answer.ok and answer.status_code != 404:
            said = f"stop answered {answer.status_code}: {answer.text[:500]}"
            raise HubError(f"Server of {self.name}: {said}")
        until(f"Server of {self.name} stopped", self._stopped, seconds)

    def _stopped(self) -> bool:
        known = self.known_to_hub()
        return known is not None and not known.get("servers") and known.get("server") is None

    def sign_out(self) -> None:
        """Leave, as by the button."""
        self.web.get(f"{self.endpoints.hub}/hub/logout")


def sign_in(endpoints: Endpoints, login: str) -> Person:
    """Sign in by the form; raises SignInError with what the page said when refused."""
    steps = SignIn(endpoints)
    page = steps.finish(steps.grant(login))
    if not page.ok:
        raise SignInError(
            f"Sign-in of {login}: answered {page.status_code}, expected 200 "
            f"({visible_text(page.text)[:300]})."
        )
    return Person(endpoints, login, steps.web)


def whoever_has_the_token(endpoints: Endpoints) -> Person:
    """The one person of a deployment without a hub, signed in as by the link that it gives."""
    web = Web(endpoints.hub)
    token = endpoints.hub_api_token.get_secret_value()
    web.get(f"{endpoints.hub}/lab", params={"token": token}).raise_for_status()
    return Person(endpoints, "jovyan", web)


@contextmanager
def session_of(hub: Hub, login: str, note: str) -> Iterator[Person]:
    """A user's session that ends with the block: by the form of the fake GitHub, else by a token.

    No suite may type a password into the real GitHub; the hub's service makes a token instead, and
    the account too where there is none: that one goes with the block, and its home with it.
    """
    if hub.endpoints.github is not None:
        person = sign_in(hub.endpoints, login)
        yield person
        person.sign_out()
        person.web.close()
        return
    users = f"{hub.endpoints.hub}/hub/api/users/{quoted(login)}"
    throw_away = hub.user(login) is None
    if throw_away:
        hub.web.post(users).raise_for_status()
    made = hub.web.post(f"{users}/tokens", json={"note": note, "expires_in": 3600})
    made.raise_for_status()
    with Web(hub.endpoints.hub) as web:
        web.headers["Authorization"] = f"token {made.json()['token']}"
        yield Person(hub.endpoints, login, web)
    hub.web.delete(users if throw_away else f"{users}/tokens/{made.json()['id']}")
