"""The probes of `why`, and the ladder that they make: what is looked at, and in which order."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from habari_local.core.errors import nearest
from habari_local.diagnostics.evidence import MARK
from habari_local.diagnostics.ladder import BROKEN, GOOD, SKIPPED, Look, Rung, Scene

if TYPE_CHECKING:
    import requests

SECONDS = 2.0  # for an answer of the platform's own parts
S3_SECONDS = 8.0  # for one that asks S3 in its turn: longer than a server waits for S3
# Without it a hub that is asked for one user warns in its log that there are more.
PAGES = "application/jupyterhub-pagination+json, */*"
LEAST_DISK = 50_000_000  # bytes
# A start that failed: in our spawner's words, else in JupyterHub's own.
FAILED_START = (
    re.compile(r"(?P<user>[^\s(]+)'s server: (?P<seen>(ended|silent)[^,]*)"),
    re.compile(r"rror (starting|waiting for) (?P<user>\S+)'s server.*?: (?P<seen>.+)"),
    re.compile(r"(?P<user>\S+)'s server (?P<seen>(failed to start|never showed up) .+)"),
)


def _ask(url: str, token: str = "", seconds: float = SECONDS, **more: Any) -> requests.Response:
    """Send a request, a GET unless `data` is given; proxies of the environment stay out of it.

    It is marked, so that what a log tells of it is not taken for a trace of what is broken.
    """
    import requests

    with requests.Session() as session:
        session.trust_env = False
        headers = {"Accept": PAGES, **({"Authorization": f"token {token}"} if token else {})}
        method = "POST" if "data" in more else "GET"
        return session.request(
            method,
            f"{url}{'&' if '?' in url else '?'}{MARK}",
            headers=headers,
            timeout=seconds,
            allow_redirects=False,
            **more,
        )


def _answer(url: str, token: str = "", seconds: float = SECONDS, **more: Any) -> Look:
    """Return what a request is answered: good below 400."""
    import requests

    shown = url.partition("?")[0]
    try:
        answer = _ask(url, token, seconds, **more)
    except requests.Timeout:
        return Look(f"{shown}: no answer within {seconds:.0f} s", BROKEN)
    except requests.RequestException as error:
        return Look(f"{shown}: no connection ({type(error).__name__})", BROKEN)
    if answer.status_code < 400:
        return Look(f"{shown}: answered {answer.status_code}")
    return Look(f"{shown}: answered {answer.status_code} {_said(answer)}".rstrip(), BROKEN)


def _said(answer: requests.Response) -> str:
    """Return the sentence in an answer of the hub or of a server."""
    try:
        said = answer.json()
    except ValueError:
        return ""
    return f"({said['message']})" if isinstance(said, dict) and said.get("message") else ""


def _settings(scene: Scene) -> Look:
    scene.settings()
    return Look("all can be used")


def _machine(scene: Scene) -> Look:
    free = shutil.disk_usage(Path.cwd()).free
    if free < LEAST_DISK:
        seen = f"the disk is full: {free / 1e6:.0f} MB free"
        return Look(seen, BROKEN, "df -h .")
    scene.check()
    return Look("ports are free or ours, nothing is missing")


def _up(scene: Scene) -> Look:
    return Look("it was brought up") if scene.up else Look("it was not brought up", BROKEN)


def _service(name: str) -> Callable[[Scene], Look]:
    """Return the probe of a service's own state."""

    def probe(scene: Scene) -> Look:
        if name not in scene.running:
            return Look("not ours to run here", SKIPPED)
        state = scene.running[name]
        if state == "running":
            return Look(f"{name} is {state}")
        found = scene.trouble(name) if scene.trouble else None
        told = f"; {found.seen}" if found else ""
        return Look(f"{name} is {state}{told}", BROKEN, log=found.log if found else ())

    return probe


def _route(scene: Scene) -> Look:
    return _answer(f"{scene.url}hub/health")


def _database(scene: Scene) -> Look:
    return _answer(f"{scene.url}hub/api/users?limit=1", scene.token)


def _sign_in(scene: Scene) -> Look:
    """Ask what the hub asks of GitHub, with a code and a token that nobody has."""
    page = _answer(f"{scene.url}hub/login")
    if page.state == BROKEN or not scene.github:
        return page
    seen = _service("github")(scene)
    if seen.state == BROKEN:
        return seen
    exchange = _answer(f"{scene.github}/login/oauth/access_token", data={"code": "none"})
    if exchange.state == BROKEN:
        return exchange
    answer = _ask(f"{scene.github}/api/v3/user", "none")
    if answer.status_code != 401:
        return Look(f"{scene.github}/api/v3/user: answered {answer.status_code}", BROKEN)
    return Look(f"{scene.github}: form, code and API answer as GitHub's do")


def _listed(scene: Scene) -> Look:
    if not scene.user:
        return Look("nobody was named", SKIPPED)
    if scene.user in scene.listed:
        return Look(f"{scene.user} is on a list")
    if scene.by_organization:
        return Look(f"{scene.user} is on no list; a membership may let them in", SKIPPED)
    seen = f"{scene.user} is on no list, so the hub answers 403"
    meant = nearest(scene.user, scene.listed)
    if meant:
        return Look(f"{seen}; did you mean {meant}?", BROKEN, f"habari-local why {meant}")
    return Look(seen, BROKEN, scene.allow(scene.user))


def _image(scene: Scene) -> Look:
    lacking = scene.lacking()
    if lacking:
        return Look(lacking, BROKEN)
    return _of_pod("image", "all is there")(scene)


def _of_pod(rung: str, good: str) -> Callable[[Scene], Look]:
    """Return the probe of what the cluster says of the user's pod."""

    def probe(scene: Scene) -> Look:
        found = scene.trouble("") if scene.user and scene.trouble else None
        if found and found.rung == rung:
            return Look(f"{scene.user}'s pod: {found.seen}", BROKEN, log=found.log)
        return Look(good)

    return probe


def _spawner(scene: Scene) -> Look:
    """Look at the newest word on a start of the user's server in the hub's log."""
    if not scene.user:
        return Look("no server runs, nobody was named", SKIPPED)
    told = _of_pod("spawner", "")(scene)
    if told.state == BROKEN:
        return told
    good = f"User {scene.user} took"
    for line in reversed(scene.log("hub", 400)):
        if good in line:
            break
        failed = next(filter(None, (each.search(line) for each in FAILED_START)), None)
        if failed and failed["user"] == scene.user:
            return Look(f"{scene.user}'s server: {failed['seen']}", BROKEN)
    return Look("no failed start in the log")


def _server(scene: Scene) -> Look:
    """Look whether the user's server answers, if it should run."""
    if scene.has_hub:
        if not scene.user:
            return Look("no server runs", SKIPPED)
        answer = _ask(f"{scene.url}hub/api/users/{scene.user}", scene.token)
        if answer.status_code == 404:
            return Look(f"{scene.user} has not signed in yet", SKIPPED)
        if not answer.json().get("servers"):
            return Look(f"no server of {scene.user} runs; it starts at the sign-in", SKIPPED)
    return _answer(f"{scene.server_root}api/status", scene.token)


def _of_server(path: str, seconds: float) -> Callable[[Scene], Look]:
    """Return the probe of what a user's server says of a path."""

    def probe(scene: Scene) -> Look:
        found = _server(scene)
        if found.state != GOOD:
            return found
        return _answer(f"{scene.server_root}api/contents/{path}", scene.token, seconds)

    return probe


def _s3(scene: Scene) -> Look:
    seen = _service("s3")(scene)
    if seen.state == BROKEN:
        return seen
    scene.heads()
    return Look("both buckets are there for the servers' key")


KUBECTL = "habari-local kubectl --"
NODES, CLAIMS = f"{KUBECTL} describe nodes", f"{KUBECTL} describe persistentvolumeclaims"
STATUS, UP = "habari-local status", "habari-local up"
LADDER = (
    Rung("settings", "settings that can be used", "habari-local config show", _settings),
    Rung("machine", "free ports, room on the disk, the mode's programs", UP, _machine),
    Rung("up", "Habari brought up", UP, _up),
    Rung("proxy", "the proxy runs and answers", UP, _service("proxy"), ("proxy",), hub=True),
    Rung("db", "the database runs, where it is a service", UP, _service("db"), ("db",), hub=True),
    Rung("hub", "the hub runs and answers", UP, _service("hub"), ("hub",), hub=True),
    Rung("route", "the public address leads to the hub", UP, _route, ("proxy",), hub=True),
    Rung("database", "the hub can read its database", UP, _database, ("db", "hub"), hub=True),
    Rung("sign-in", "GitHub (or its stand-in) answers", UP, _sign_in, ("github", "hub"), hub=True),
    Rung(
        "user",
        "an account that may sign in",
        "habari-local config show",
        _listed,
        hub=True,
    ),
    Rung("image", "what users' servers are made of", UP, _image),
    Rung(
        "scheduling",
        "a node has room for it",
        NODES,
        _of_pod("scheduling", "no pod waits for a node"),
        cluster=True,
    ),
    Rung(
        "volume",
        "its volumes can be mounted",
        CLAIMS,
        _of_pod("volume", "no volume is waited for"),
        cluster=True,
    ),
    Rung("spawner", "the last start went well", "habari-local logs hub", _spawner, hub=True),
    Rung("server", "the user's server answers", "habari-local logs hub", _server),
    Rung("contents", "the server lists the home", "habari-local logs", _of_server("", SECONDS)),
    Rung("s3", "S3 answers, with both buckets", UP, _s3, ("s3",)),
    Rung(
        "s3-from-server",
        "the user's server reaches S3",
        "stop the user's server and start it again: it gets a new key",
        _of_server("notebooks", S3_SECONDS),
    ),
)
