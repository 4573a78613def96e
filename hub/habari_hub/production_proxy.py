"""Production's proxy, as its hub sees it: asked often whether it was restarted, seldom for all.

A proxy that was restarted knows nobody's server. JupyterHub finds out when it goes through all of
them, every `last_activity_interval` seconds, with a query of the database for each, in which it
answers nobody. Here it asks for the route of one server that runs, every few seconds: where that
one is gone the proxy has lost all, and then it goes through them.

The chart's hub runs this text as hub.extraConfig.proxy of config.dist.yaml, where `nox -s dist`
writes it: it can import nothing else of ours.
"""

from __future__ import annotations

from asyncio import Task, create_task, sleep
from typing import Any

from jupyterhub.proxy import ConfigurableHTTPProxy
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from traitlets import Float


class HabariProxy(ConfigurableHTTPProxy):
    """The proxy, watched for restarts from when the hub has set its routes for the first time."""

    watch_interval = Float(5.0, config=True, help="Seconds between two looks at one route.")
    watch: Task[None] | None = None

    async def check_routes(self, user_dict: Any, service_dict: Any, routes: Any = None) -> None:
        """Set what routes are missing, as JupyterHub does; begin to watch."""
        await super().check_routes(user_dict, service_dict, routes)
        if self.watch is None:
            self.watch = create_task(self.keep_watch(user_dict, service_dict))

    async def keep_watch(self, user_dict: Any, service_dict: Any) -> None:
        """Set all routes whenever the proxy has lost them; go on after whatever error."""
        while True:
            await sleep(self.watch_interval)
            try:
                if await self.lost_routes(user_dict):
                    self.log.warning("The proxy has lost its routes: they are set again")
                    await self.check_routes(user_dict, service_dict)
            except Exception as error:  # noqa: BLE001 (the next look is another try)
                self.log.warning("The proxy does not answer: %s", error)

    async def lost_routes(self, user_dict: Any) -> bool:
        """Whether the proxy knows no route of a server that runs; without one, none to the hub."""
        servers = (each for user in user_dict.values() for each in user.spawners.values())
        running = next((each.proxy_spec for each in servers if each.ready), "")
        if not running:
            return self.app.hub.routespec not in await self.get_all_routes()
        request = HTTPRequest(
            f"{self.api_url}/api/routes{self._routespec_to_chp_path(running)}",
            headers={"Authorization": f"token {self.auth_token}"},
            connect_timeout=3,
            request_timeout=10,
        )
        try:
            await AsyncHTTPClient().fetch(request)
        except HTTPClientError as error:
            if error.code != 404:
                raise
            return True
        return False
