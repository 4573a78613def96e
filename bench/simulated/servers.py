"""One process that is every user's server: what the hub sees of a server, and no notebook.

Each asks and tells the hub what `jupyterhub-singleuser` does: at its start the hub's version, then
that its user is active, by JUPYTERHUB_ACTIVITY_INTERVAL with the same spread; a page sends who has
no token of this server through the hub's OAuth, and who has one is looked up at the hub again when
five minutes have passed. The worst case is played: every user is active all the time.

Runs in the hub's environment: `python servers.py PORT`.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from aiohttp import ClientSession, TCPConnector, web

ACTIVITY_SECONDS = 300.0  # jupyterhub-singleuser's own, where the environment says nothing
KNOWN_SECONDS = 300.0  # that HubOAuth takes a token for good (its cache_max_age)


@dataclass
class Server:
    """One user's server; `env` is what its spawner gave it."""

    name: str
    env: dict[str, str]
    token: str = ""  # of the user, from the hub's OAuth
    cookie: str = field(default_factory=lambda: secrets.token_hex(8))
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def prefix(self) -> str:
        return f"/user/{self.name}/"

    @property
    def callback(self) -> str:
        return f"{self.prefix}oauth_callback"


class Servers:
    """All servers that run, and what became of their requests to the hub."""

    def __init__(self, web_client: ClientSession) -> None:
        self.web, self.running, self.idle = web_client, dict[str, Server](), False
        self.told: Counter[str] = Counter()

    async def start(self, request: web.Request) -> web.Response:
        """Start a server; the answer comes when it listens, as a spawner's `start` does."""
        asked = await request.json()
        server = Server(asked["name"], asked["env"])
        await asyncio.sleep(asked["seconds"])
        self.running[server.name] = server
        server.tasks.append(asyncio.create_task(self._keep_telling(server)))
        return web.json_response({})

    async def stop(self, request: web.Request) -> web.Response:
        """End a server."""
        server = self.running.pop(request.match_info["name"], None)
        for task in server.tasks if server else ():
            task.cancel()
        return web.json_response({})

    async def state(self, _: web.Request) -> web.Response:
        """Say which run, and how the hub answered them."""
        return web.json_response({"running": sorted(self.running), "told": self.told})

    async def go_idle(self, _: web.Request) -> web.Response:
        """Have nobody be active any more."""
        self.idle = True
        return web.json_response({})

    async def ask(self, server: Server, what: str, method: str, path: str, **more: Any) -> Any:
        """Ask the hub; count how it went by `what` and status."""
        token = more.pop("token", server.env["JUPYTERHUB_API_TOKEN"])
        headers = {"Authorization": f"token {token}"}
        url = path if "://" in path else server.env["JUPYTERHUB_API_URL"] + path
        try:
            async with self.web.request(method, url, headers=headers, **more) as answer:
                self.told[f"{what}: {answer.status}"] += 1
                return await answer.json() if answer.content_type.endswith("json") else None
        except (OSError, TimeoutError) as error:
            self.told[f"{what}: {type(error).__name__}"] += 1
            return None

    async def _keep_telling(self, server: Server) -> None:
        await self.ask(server, "version", "GET", "/")
        between = float(server.env.get("JUPYTERHUB_ACTIVITY_INTERVAL") or ACTIVITY_SECONDS)
        seconds = between * random.random()  # to the second one: as if all had come over the day
        while True:
            if not self.idle:
                now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
                body = {"servers": {"": {"last_activity": now}}, "last_activity": now}
                url = server.env["JUPYTERHUB_ACTIVITY_URL"]
                await self.ask(server, "activity", "POST", url, json=body)
            await asyncio.sleep(seconds)
            seconds = between * (1 + 0.2 * (random.random() - 0.5))

    async def _keep_looking_up(self, server: Server) -> None:
        seconds = KNOWN_SECONDS * random.random()  # as above
        while True:
            await asyncio.sleep(seconds)
            if not self.idle:
                await self.ask(server, "user", "GET", "/user", token=server.token)
            seconds = KNOWN_SECONDS

    async def page(self, request: web.Request) -> web.StreamResponse:
        """Answer as a server does: its version, its state, its OAuth, its page."""
        server = self.running.get(request.match_info["name"])
        if server is None:
            return web.json_response({"message": "no such server"}, status=503)
        rest = request.match_info["rest"]
        if rest.rstrip("/") == "api":
            version = request.app["version"]
            return web.json_response(
                {"version": version}, headers={"X-JupyterHub-Version": version}
            )
        if rest == "api/status":
            return web.json_response({"connections": 0, "kernels": 0, "started": time.time()})
        if rest == "oauth_callback":
            return await self._come_back(server, request)
        if request.cookies.get(f"server-{server.name}") != server.cookie:
            state = secrets.token_hex(8)
            query = {
                "client_id": server.env["JUPYTERHUB_CLIENT_ID"],
                "redirect_uri": server.callback,
                "response_type": "code",
                "state": state,
            }
            answer = web.HTTPFound(f"/hub/api/oauth2/authorize?{urlencode(query)}")
            answer.set_cookie(f"state-{server.name}", state, path=server.prefix)
            return answer
        return web.Response(text=f"{server.name}'s JupyterLab", content_type="text/html")

    async def _come_back(self, server: Server, request: web.Request) -> web.StreamResponse:
        if request.query.get("state") != request.cookies.get(f"state-{server.name}"):
            return web.json_response({"message": "another state"}, status=403)
        form = {
            "client_id": server.env["JUPYTERHUB_CLIENT_ID"],
            "client_secret": server.env["JUPYTERHUB_API_TOKEN"],
            "grant_type": "authorization_code",
            "code": request.query["code"],
            "redirect_uri": server.callback,
        }
        found = await self.ask(server, "token", "POST", "/oauth2/token", data=form)
        server.token = (found or {}).get("access_token", "")
        who = await self.ask(server, "user", "GET", "/user", token=server.token)
        if not who or who["name"] != server.name:
            return web.json_response({"message": "not yours"}, status=403)
        server.tasks.append(asyncio.create_task(self._keep_looking_up(server)))
        answer = web.HTTPFound(server.prefix)
        answer.set_cookie(f"server-{server.name}", server.cookie, path=server.prefix)
        return answer


async def application() -> web.Application:
    """Return the application; its client lives as long as the process."""
    from jupyterhub import __version__

    client = ClientSession(connector=TCPConnector(limit=50))
    servers, app = Servers(client), web.Application()

    async def closed(_: web.Application) -> None:
        await client.close()

    app.on_cleanup.append(closed)
    app["version"] = __version__
    app.router.add_post("/_simulation/servers", servers.start)
    app.router.add_delete("/_simulation/servers/{name}", servers.stop)
    app.router.add_get("/_simulation", servers.state)
    app.router.add_post("/_simulation/idle", servers.go_idle)
    app.router.add_route("*", "/user/{name}/{rest:.*}", servers.page)
    return app


if __name__ == "__main__":
    web.run_app(application(), host="127.0.0.1", port=int(sys.argv[1]), print=None)
