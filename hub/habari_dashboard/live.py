"""What the dashboard knows: what it sees itself, and what `habari-local` published.

It sees what a service may see: the hub's API with a token of few scopes, and whether the parts of
the platform answer. What only the machine knows (memory, logs, the diagnosis, the buckets) is
published by the tool, which can see it; the dashboard has no key of S3, of Docker or of a cluster.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from tornado.httpclient import AsyncHTTPClient, HTTPError, HTTPRequest

POLL_SECONDS = 2.0  # between two looks at the parts, while somebody watches
USERS_SECONDS = 6.0  # between two requests for users: the hub logs each
PENDING_SECONDS = 1.0  # the same while a server starts or stops
ANSWER_SECONDS = 3.0  # for an answer of a part
PROBE = "habari-probe"  # `why` leaves lines of the hub's log out that have it
USERS_SHOWN = 500
PAGE = 100  # users the hub is asked for at once
# What may be published → its JSON type.
PUBLISHED: Mapping[str, type] = {
    "services": list,
    "logs": dict,
    "errors": dict,
    "why": dict,
    "report": dict,
    "buckets": list,
}
UNREACHABLE = (HTTPError, OSError, ValueError, KeyError, TypeError)


class HubRefused(Exception):
    """The hub did not do what it was asked for; `message` is for the person who asked."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


@dataclass(frozen=True)
class Hub:
    """The hub's API, asked with the service's own token or with that of a person."""

    api_url: str

    async def ask(self, method: str, path: str, token: str, accept: str = "") -> Any:
        """Return what the API answers; raises HubRefused, or OSError where nobody answers."""
        headers = {"Authorization": f"token {token}"} | ({"Accept": accept} if accept else {})
        request = HTTPRequest(
            f"{self.api_url}/{path}",
            method=method,
            headers=headers,
            body=b"" if method == "POST" else None,
            request_timeout=ANSWER_SECONDS * 5,
            connect_timeout=ANSWER_SECONDS,
        )
        answer = await AsyncHTTPClient().fetch(request, raise_error=False)
        if answer.code >= 400:
            raise HubRefused(answer.code, _message(answer.body, answer.reason))
        return json.loads(answer.body) if answer.body else None

    async def users(self, token: str) -> tuple[list[dict[str, Any]], bool]:
        """Return the first users with their servers, and whether there are more."""
        found: list[dict[str, Any]] = []
        more = True
        while more and len(found) < USERS_SHOWN:
            page = await self.ask(
                "GET",
                f"users?limit={PAGE}&offset={len(found)}&{PROBE}",
                token,
                "application/jupyterhub-pagination+json",
            )
            found += page["items"]
            more = bool(page["items"]) and page["_pagination"]["next"] is not None
        return sorted(map(_user, found), key=lambda user: str(user["name"])), more

    async def server(self, name: str, action: str, token: str) -> None:
        """Start or stop somebody's server, with the token of who asked for it."""
        method = {"start": "POST", "stop": "DELETE"}[action]
        await self.ask(method, f"users/{quote(name, safe='')}/server", token)


def _message(body: bytes, reason: str) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return reason


def _user(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page shows of a user, and nothing else that the hub told."""
    server = (model.get("servers") or {}).get("") or {}
    state = "running" if server.get("ready") else "stopped"
    if server.get("pending"):
        state = {"spawn": "starting", "stop": "stopping"}.get(server["pending"], "busy")
    return {
        "name": model["name"],
        "state": state,
        "since": server.get("started"),
        "activity": server.get("last_activity") or model.get("last_activity"),
    }


@dataclass(frozen=True)
class Object:
    """One object of a bucket; `modified` in seconds since the epoch."""

    key: str
    size: int
    modified: float


def folder_of(objects: Sequence[Object], prefix: str) -> dict[str, Any]:
    """Return what is directly below a prefix: folders with their sizes, and objects."""
    folders: dict[str, list[int]] = {}
    found: list[dict[str, Any]] = []
    for each in objects:
        if not each.key.startswith(prefix) or each.key == prefix:
            continue
        name, slash, _ = each.key[len(prefix) :].partition("/")
        if slash:
            sums = folders.setdefault(f"{name}/", [0, 0])
            sums[0] += 1
            sums[1] += each.size
        else:
            found.append({"name": name, "size": each.size, "modified": each.modified})
    return {
        "folders": [
            {"name": name, "objects": count, "size": size}
            for name, (count, size) in sorted(folders.items())
        ],
        "objects": found,
    }


@dataclass
class Published:
    """What the tool told, each part with when it did; objects and logs are given on request."""

    parts: dict[str, Any] = field(default_factory=dict)
    at: dict[str, float] = field(default_factory=dict)
    objects: dict[str, list[Object]] = field(default_factory=dict)
    logs: dict[str, list[str]] = field(default_factory=dict)

    def take(self, told: object) -> None:
        """Keep what was told over what was told before; raises ValueError for anything else."""
        if not isinstance(told, dict) or not told or not told.keys() <= PUBLISHED.keys():
            raise ValueError(f"expected an object with some of {', '.join(PUBLISHED)}")
        for name, value in told.items():
            if not isinstance(value, PUBLISHED[name]):
                kind = PUBLISHED[name].__name__
                raise ValueError(f"{name}: expected a JSON {kind}")  # noqa: TRY004 (as above)
        parts = dict(told)
        objects = _objects(parts["buckets"]) if "buckets" in parts else self.objects
        logs = _logs(parts.pop("logs")) if "logs" in parts else self.logs
        if "buckets" in parts:
            parts["buckets"] = [
                {name: value for name, value in each.items() if name != "objects"}
                for each in parts["buckets"]
            ]
        self.objects, self.logs = objects, logs
        self.parts |= parts
        self.at |= dict.fromkeys(told, time.time())


def _objects(buckets: Sequence[Any]) -> dict[str, list[Object]]:
    try:
        return {
            str(bucket["name"]): [
                Object(str(key), int(size), float(modified))
                for key, size, modified in bucket["objects"]
            ]
            for bucket in buckets
        }
    except (KeyError, TypeError) as error:
        raise ValueError("buckets: expected name and objects of each") from error


def _logs(logs: Mapping[str, Any]) -> dict[str, list[str]]:
    if not all(isinstance(lines, list) for lines in logs.values()):
        raise ValueError("logs: expected a list of lines of each")
    return {name: [str(line) for line in lines] for name, lines in logs.items()}


class Live:
    """What the page shows; looked at anew while somebody watches, and only then."""

    def __init__(self, hub: Hub, token: str, health: Mapping[str, str]) -> None:
        self.hub, self.published = hub, Published()
        self.version = 0  # grows with each change
        self._token, self._health = token, health
        self._seen: dict[str, Any] = {
            "parts": {},
            "users": None,
            "more_users": False,
            "problem": "",
        }
        self._changed, self._asked = asyncio.Condition(), asyncio.Event()
        self._watchers = 0
        self._task: asyncio.Task[None] | None = None

    def snapshot(self) -> dict[str, Any]:
        """Return all that the page shows by itself, as plain data."""
        told = self.published
        return {**self._seen, **told.parts, "logs": sorted(told.logs), "at": told.at}

    async def publish(self, told: object) -> None:
        """Take what the tool tells; raises ValueError for what it isn't."""
        self.published.take(told)
        await self._tell()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look again and again for as long as somebody watches."""
        self._watchers += 1
        if self._task is None:
            self._task = asyncio.create_task(self._look_on())
        try:
            yield
        finally:
            self._watchers -= 1
            if not self._watchers and self._task:
                self._task.cancel()
                self._task = None

    async def changed(self, seen: int, seconds: float) -> int:
        """Return the version once it is another than `seen`, or after so many seconds."""
        async with self._changed:
            with suppress(TimeoutError):
                await asyncio.wait_for(
                    self._changed.wait_for(lambda: self.version != seen), seconds
                )
        return self.version

    def look_soon(self) -> None:
        """Have the next look made at once: something was asked for."""
        self._asked.set()

    async def _look_on(self) -> None:
        await asyncio.gather(self._look_at_parts(), self._look_at_users())

    async def _look_at_parts(self) -> None:
        while True:
            urls = self._health.values()
            found = await asyncio.gather(*(answers(url) for url in urls))
            await self._see({"parts": dict(zip(self._health, found, strict=True))})
            await asyncio.sleep(POLL_SECONDS)

    async def _look_at_users(self) -> None:
        while True:
            self._asked.clear()
            problem, began = "", time.monotonic()
            users, more = self._seen["users"], self._seen["more_users"]
            try:
                users, more = await self.hub.users(self._token)
            except HubRefused as error:
                problem = f"The hub answered {error.status}: {error.message}"
            except UNREACHABLE as error:
                problem = f"The hub does not answer ({type(error).__name__})."
            await self._see({"users": users, "more_users": more, "problem": problem})
            pending = any(each["state"] not in {"running", "stopped"} for each in users or ())
            took = 0.0 if problem else time.monotonic() - began
            seconds = pause(took, len(users or ()), soon=pending or bool(problem))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), seconds)

    async def _see(self, seen: dict[str, Any]) -> None:
        if self._seen | seen != self._seen:
            self._seen |= seen
            await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self.version += 1
            self._changed.notify_all()


def pause(took: float, users: int, *, soon: bool) -> float:
    """Return the seconds until the next look at so many users, after one that took `took` seconds.

    The hub works for all that time. With hundreds of users somebody always starts a server, and it
    would do little else: so looking at more than a page of them is a tenth of its work at most.
    """
    shortest = PENDING_SECONDS if soon else USERS_SECONDS
    return max(shortest, 9 * took) if users > PAGE else shortest


async def answers(url: str) -> bool:
    """Whether a part answers at its address, with anything but an error of its own (5xx)."""
    request = HTTPRequest(
        url,
        request_timeout=ANSWER_SECONDS,
        connect_timeout=ANSWER_SECONDS,
        follow_redirects=False,
    )
    try:
        return bool((await AsyncHTTPClient().fetch(request, raise_error=False)).code < 500)
    except UNREACHABLE:
        return False
