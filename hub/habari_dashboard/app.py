"""The dashboard's pages: who may see them, the page, its events, and what its buttons do.

Admins come in by JupyterHub's OAuth: whoever has the scope access:services!service=dashboard. What
they start and stop is asked of the hub with their own token, so that nobody can do here what they
can't do there. The one that publishes is the service `habari-local`, by its own token.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import socket
import time
from pathlib import Path
from typing import Any

from jupyterhub.services.auth import (  # type: ignore[import-untyped]
    HubOAuth,
    HubOAuthCallbackHandler,
    HubOAuthenticated,
    UserNotAllowed,
)
from jupyterhub.utils import url_path_join  # type: ignore[import-untyped]
from tornado.escape import json_decode, xhtml_escape
from tornado.httpserver import HTTPServer
from tornado.iostream import StreamClosedError
from tornado.web import Application, HTTPError, RequestHandler, StaticFileHandler

from habari_dashboard.live import UNREACHABLE, Hub, HubRefused, Live, folder_of

FOLDER = Path(__file__).parent
PUBLISHER = "habari-local"  # the service whose token may publish
STREAM_SECONDS = 300.0  # then the browser asks again, and is looked at again
KEEPALIVE_SECONDS = 15.0
KNOWN_SECONDS = 30  # that a token is taken for good before the hub is asked again
BODY_BYTES = 8_000_000  # of what is published
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
        " img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Base(HubOAuthenticated, RequestHandler):  # type: ignore[misc]
    """What every page has in common: its headers, and that only who may comes further."""

    live: Live

    def initialize(self, live: Live) -> None:
        """Take what is shown."""
        self.live = live

    def set_default_headers(self) -> None:
        """Say what the page may load, and that nothing of it is kept."""
        for name, value in HEADERS.items():
            self.set_header(name, value)

    async def prepare(self) -> None:
        """Ask the hub who this is; raises HTTPError 403 unless they may be here."""
        model = await self.hub_auth.get_user(self, sync=False)
        if not model:
            self.not_signed_in()
            return
        try:
            self.current_user = self.check_hub_user(model)
        except UserNotAllowed as error:
            raise HTTPError(403, reason="The dashboard is for admins") from error
        if self.request.method not in {"GET", "HEAD"}:
            self.check_xsrf_cookie()

    def not_signed_in(self) -> None:
        """Refuse: a script can't follow the way to a sign-in."""
        raise HTTPError(403, reason="Not signed in")

    def write_error(self, status_code: int, **_: Any) -> None:  # noqa: ARG002 (tornado's)
        """Write the reason, in the form that who asked can read."""
        self.finish({"message": self._reason})


class Page(Base):
    """The page itself."""

    def not_signed_in(self) -> None:
        """Send them to the hub's sign-in, and back."""
        self.redirect(self.get_login_url())

    def get(self) -> None:
        """Write the page; what it shows comes with the first event."""
        self.render(
            "page.html",
            xsrf=self.xsrf_token.decode(),
            user=self.current_user["name"],
            hub=self.hub_auth.hub_prefix,
        )

    def write_error(self, status_code: int, **_: Any) -> None:
        """Write the reason as a page."""
        home = xhtml_escape(self.hub_auth.hub_prefix)
        self.finish(
            f"<!doctype html><html lang=en><title>Habari dashboard</title>"
            f"<h1>{status_code}: {xhtml_escape(self._reason)}</h1>"
            f'<p><a href="{home}home">Go to your home page</a></p>'
        )


class Events(Base):
    """The state as server-sent events: all of it each time that something changed."""

    gone = False

    def on_connection_close(self) -> None:
        """Remember that nobody listens any more."""
        self.gone = True

    async def get(self) -> None:
        """Write an event for each change, and a comment where there is none."""
        self.set_header("Content-Type", "text/event-stream")
        until, seen = time.monotonic() + STREAM_SECONDS, -1
        with self.live.watched():
            while time.monotonic() < until and not self.gone:
                version = self.live.version
                state = json.dumps(self.live.snapshot())
                self.write(f"data: {state}\n\n" if version != seen else ": nothing new\n\n")
                try:
                    await self.flush()
                except StreamClosedError:
                    return
                seen = version
                await self.live.changed(seen, KEEPALIVE_SECONDS)


class Server(Base):
    """What the buttons of a user's server do."""

    async def post(self, name: str, action: str) -> None:
        """Start or stop it with the token of who asked; raises HTTPError as the hub answers."""
        token = self.hub_auth.get_token(self)
        self.live.look_soon()  # the hub answers when the server has started, or after ten seconds
        try:
            await self.live.hub.server(name, action, token)
        except HubRefused as error:
            raise HTTPError(error.status, reason=_one_line(error.message)) from error
        except UNREACHABLE as error:
            raise HTTPError(502, reason="The hub does not answer") from error
        self.live.look_soon()
        self.set_status(204)


class Log(Base):
    """The last lines of a log, as they were published."""

    def get(self) -> None:
        """Write them; none where there are none."""
        name = self.get_query_argument("name")
        self.write({"lines": self.live.published.logs.get(name, [])})


class Objects(Base):
    """What is in a folder of a bucket, as it was published."""

    def get(self) -> None:
        """Write folders and objects; raises HTTPError 404 for a bucket that is not known."""
        known = self.live.published.objects.get(self.get_query_argument("bucket"))
        if known is None:
            raise HTTPError(404, reason="No such bucket")
        self.write(folder_of(known, self.get_query_argument("prefix", "")))


class Facts(Base):
    """Where `habari-local` publishes."""

    async def post(self) -> None:
        """Take what it tells; raises HTTPError 403 for everybody else, 400 for anything else."""
        who = self.current_user
        if (who.get("kind"), who["name"]) != ("service", PUBLISHER):
            raise HTTPError(403, reason="Only habari-local publishes")
        try:
            await self.live.publish(json_decode(self.request.body))
        except ValueError as error:
            raise HTTPError(400, reason=_one_line(str(error))) from error
        self.set_status(204)


def _one_line(text: str) -> str:
    """Return a text as a reason: without what would end the line of a header."""
    return "".join(each if " " <= each <= "~" else " " for each in text)[:300]


def make_app(live: Live, prefix: str) -> Application:
    """Return the application below `prefix`."""
    own = {"live": live}
    routes: list[Any] = [
        ("", Page, own),
        ("oauth_callback", HubOAuthCallbackHandler),
        (r"(dashboard\.(?:js|css))", StaticFileHandler, {"path": str(FOLDER)}),
        ("api/events", Events, own),
        (r"api/servers/([^/]+)/(start|stop)", Server, own),
        ("api/log", Log, own),
        ("api/objects", Objects, own),
        ("api/facts", Facts, own),
    ]
    return Application(
        [(url_path_join(prefix, path), *rest) for path, *rest in routes],
        template_path=str(FOLDER),
        cookie_secret=secrets.token_bytes(32),
    )


def serve(listener: socket.socket) -> None:
    """Answer what comes to a socket that listens, until SIGTERM or SIGINT."""
    prefix = os.environ["HABARI_DASHBOARD_PREFIX"]
    api_url = os.environ.get("HABARI_DASHBOARD_API_URL", "")
    auth = HubOAuth.instance(
        base_url=prefix,
        oauth_redirect_uri=url_path_join(prefix, "oauth_callback"),
        cache_max_age=KNOWN_SECONDS,
        cookie_options={"samesite": "Lax"},
        **({"api_url": api_url} if api_url else {}),
    )
    health = json.loads(os.environ.get("HABARI_DASHBOARD_HEALTH", "{}"))

    async def until_told() -> None:
        ended = asyncio.Event()
        for each in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(each, ended.set)
        live = Live(Hub(auth.api_url), auth.api_token, health)
        server = HTTPServer(make_app(live, prefix), max_buffer_size=BODY_BYTES)
        listener.setblocking(False)
        server.add_socket(listener)
        await ended.wait()
        server.stop()

    asyncio.run(until_told())
