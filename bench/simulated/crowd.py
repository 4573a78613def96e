"""Users who come through the proxy as browsers do: sign-in at GitHub, a start, their server's page.

Reads JSON on standard input (`url`, `names`, `within`: seconds over which they come), and writes
what each saw. Runs in the hub's environment, as one process of little work for each user.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urljoin

from aiohttp import ClientResponse, ClientSession, ClientTimeout, CookieJar, TCPConnector

PATIENCE = 1200.0  # seconds for everything that one of them does
MEANWHILE = 429  # "too many start just now: come back later"


class User:
    """One of them, with cookies of their own."""

    def __init__(self, url: str, name: str, connector: TCPConnector) -> None:
        self.url, self.name = url, name
        self.seconds: dict[str, float] = {}
        self.later, self.error = 0, ""
        self.web = ClientSession(
            connector=connector,
            connector_owner=False,
            cookie_jar=CookieJar(unsafe=True),
            timeout=ClientTimeout(total=PATIENCE),
        )

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Keep how long a step took."""
        began = time.perf_counter()
        yield
        self.seconds[step] = time.perf_counter() - began

    async def come(self) -> dict[str, Any]:
        """Do all of it; return what was seen."""
        try:
            with self.timed("all of it"):
                with self.timed("sign in"):
                    home = await self.sign_in()
                with self.timed("start the server"):
                    await self.start(home)
                with self.timed("open it"):
                    await self.open()
        except Exception as error:  # noqa: BLE001 (whatever it is, it is what this user saw)
            self.error = f"{type(error).__name__}: {error}"
        await self.web.close()
        return {
            "name": self.name,
            "seconds": self.seconds,
            "later": self.later,
            "error": self.error,
        }

    async def go(self, url: str, until: str = "", **more: Any) -> tuple[str, int, str]:
        """Follow redirects, but none to a path with `until`; return the last address and answer."""
        method = more.pop("method", "GET")
        for _ in range(12):
            async with self.web.request(method, url, allow_redirects=False, **more) as answer:
                if answer.status not in {301, 302, 303}:
                    return url, answer.status, await answer.text()
                url, method, more = urljoin(url, answer.headers["Location"]), "GET", {}
            if until and until in url:
                return url, 302, ""
        raise RuntimeError(f"{url}: redirects without end")

    async def sign_in(self) -> str:
        """Sign in at GitHub; return where the hub sends them then."""
        form, _, _ = await self.go(f"{self.url}/hub/oauth_login", until="/login/oauth/authorize")
        data = {"login": self.name}
        back, _, _ = await self.go(form, "/hub/oauth_callback", method="POST", data=data)
        async with self.web.get(back, allow_redirects=False) as answer:
            await expected(answer, 302)
            return urljoin(back, answer.headers["Location"])

    async def start(self, home: str) -> None:
        """Start the server as the hub's pages do; who is told to come back later does."""
        while True:
            async with self.web.get(home) as answer:
                if answer.status != MEANWHILE:
                    await expected(answer, 200)
                    break
                self.later += 1
                await asyncio.sleep(float(answer.headers.get("Retry-After", "30")))
        cookies = self.web.cookie_jar.filter_cookies(self.web._build_url(f"{self.url}/hub/"))
        progress = f"{self.url}/hub/api/users/{self.name}/server/progress"
        async with self.web.get(
            progress,
            params={"_xsrf": cookies["_xsrf"].value},
            headers={"Accept": "text/event-stream"},
        ) as events:
            await expected(events, 200)
            async for line in events.content:
                event = json.loads(line[5:]) if line.startswith(b"data:") else {}
                if event.get("failed"):
                    raise RuntimeError(event["message"])
                if event.get("ready"):
                    return
        raise RuntimeError("the progress ended without a server")

    async def open(self) -> None:
        """Open the server's page, by the hub's OAuth."""
        url, status, text = await self.go(f"{self.url}/user/{self.name}/")
        if status != 200 or "JupyterLab" not in text:
            raise RuntimeError(f"{url}: {status}")


async def expected(answer: ClientResponse, status: int) -> None:
    """Raise RuntimeError with what was answered instead."""
    if answer.status != status:
        raise RuntimeError(f"{answer.url.path}: {answer.status} {(await answer.text())[:200]}")


async def crowd(url: str, names: list[str], within: float, at_once: int) -> list[dict[str, Any]]:
    """Have all of them come, evenly over `within` seconds, at most `at_once` at the same time."""
    connector = TCPConnector(limit=0)
    places = asyncio.Semaphore(at_once or len(names))

    async def one(number: int, name: str) -> dict[str, Any]:
        await asyncio.sleep(within * number / len(names))
        async with places:
            return await User(url, name, connector).come()

    try:
        return await asyncio.gather(*(one(*each) for each in enumerate(names)))
    finally:
        await connector.close()


if __name__ == "__main__":
    json.dump(asyncio.run(crowd(**json.load(sys.stdin))), sys.stdout)
