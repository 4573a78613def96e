"""The probes of `why`, and the ladder that they make: what is looked at, and in which order."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from habari_local.core.errors import nearest
from habari_local.diagnosis.diagnosis import BROKEN, GOOD, SKIPPED, Check, CheckResult, Target
from habari_local.diagnosis.evidence import MARK

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


def _answer(url: str, token: str = "", seconds: float = SECONDS, **more: Any) -> CheckResult:
    """Return what a request is answered: good below 400."""
    import requests

    shown = url.partition("?")[0]
    try:
        answer = _ask(url, token, seconds, **more)
    except requests.Timeout:
        return CheckResult(f"{shown}: no answer within {seconds:.0f} s", BROKEN)
    except requests.RequestException as error:
        return CheckResult(f"{shown}: no connection ({type(error).__name__})", BROKEN)
    if answer.status_code < 400:
        return CheckResult(f"{shown}: answered {answer.status_code}")
    return CheckResult(f"{shown}: answered {answer.status_code} {_said(answer)}".rstrip(), BROKEN)


def _said(answer: requests.Response) -> str:
    """Return the sentence in an answer of the hub or of a server."""
    try:
        said = answer.json()
    except ValueError:
        return ""
    return f"({said['message']})" if isinstance(said, dict) and said.get("message") else ""


def _settings(scene: Target) -> CheckResult:
    scene.settings()
    return CheckResult("all can be used")


def _machine(scene: Target) -> CheckResult:
    free = shutil.disk_usage(Path.cwd()).free
    if free < LEAST_DISK:
        seen = f"the disk is full: {free / 1e6:.0f} MB free"
        return CheckResult(seen, BROKEN, "df -h .")
    scene.check()
    return CheckResult("ports are free or ours, nothing is missing")


def _up(scene: Target) -> CheckResult:
    return (
        CheckResult("it was brought up")
        if scene.up
        else CheckResult("it was not brought up", BROKEN)
    )


def _service(name: str) -> Callable[[Target], CheckResult]:
    """Return the probe of a service's own state."""

    def probe(scene: Target) -> CheckResult:
        if name not in scene.running:
            return CheckResult("not ours to run here", SKIPPED)
        state = scene.running[name]
        if state == "running":
            return CheckResult(f"{name} is {state}")
        found = scene.trouble(name) if scene.trouble else None
        told = f"; {found.seen}" if found else ""
        return CheckResult(f"{name} is {state}{told}", BROKEN, log=found.log if found else ())

    return probe


def _route(scene: Target) -> CheckResult:
    return _answer(f"{scene.url}hub/health")


def _database(scene: Target) -> CheckResult:
    return _answer(f"{scene.url}hub/api/users?limit=1", scene.token)


def _sign_in(scene: Target) -> CheckResult:
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
        return CheckResult(f"{scene.github}/api/v3/user: answered {answer.status_code}", BROKEN)
    return CheckResult(f"{scene.github}: form, code and API answer as GitHub's do")


def _listed(scene: Target) -> CheckResult:
    if not scene.user:
        return CheckResult("nobody was named", SKIPPED)
    if scene.user in scene.listed:
        return CheckResult(f"{scene.user} is on a list")
    if scene.by_organization:
        return CheckResult(f"{scene.user} is on no list; a membership may let them in", SKIPPED)
    seen = f"{scene.user} is on no list, so the hub answers 403"
    meant = nearest(scene.user, scene.listed)
    if meant:
        return CheckResult(f"{seen}; did you mean {meant}?", BROKEN, f"habari-local why {meant}")
    return CheckResult(seen, BROKEN, scene.allow(scene.user))


def _image(scene: Target) -> CheckResult:
    lacking = scene.lacking()
    if lacking:
        return CheckResult(lacking, BROKEN)
    return _of_pod("image", "all is there")(scene)


def _of_pod(rung: str, good: str) -> Callable[[Target], CheckResult]:
    """Return the probe of what the cluster says of the user's pod."""

    def probe(scene: Target) -> CheckResult:
        found = scene.trouble("") if scene.user and scene.trouble else None
        if found and found.rung == rung:
            return CheckResult(f"{scene.user}'s pod: {found.seen}", BROKEN, log=found.log)
        return CheckResult(good)

    return probe


def _spawner(scene: Target) -> CheckResult:
    """Look at the newest word on a start of the user's server in the hub's log."""
    if not scene.user:
        return CheckResult("no server runs, nobody was named", SKIPPED)
    told = _of_pod("spawner", "")(scene)
    if told.state == BROKEN:
        return told
    good = f"User {scene.user} took"
    for line in reversed(scene.log("hub", 400)):
        if good in line:
            break
        failed = next(filter(None, (each.search(line) for each in FAILED_START)), None)
        if failed and failed["user"] == scene.user:
            return CheckResult(f"{scene.user}'s server: {failed['seen']}", BROKEN)
    return CheckResult("no failed start in the log")


def _server(scene: Target) -> CheckResult:
    """Look whether the user's server answers, if it should run."""
    if scene.has_hub:
        if not scene.user:
            return CheckResult("no server runs", SKIPPED)
        answer = _ask(f"{scene.url}hub/api/users/{scene.user}", scene.token)
        if answer.status_code == 404:
            return CheckResult(f"{scene.user} has not signed in yet", SKIPPED)
        if not answer.json().get("servers"):
            return CheckResult(f"no server of {scene.user} runs; it starts at the sign-in", SKIPPED)
    return _answer(f"{scene.server_root}api/status", scene.token)


def _of_server(path: str, seconds: float) -> Callable[[Target], CheckResult]:
    """Return the probe of what a user's server says of a path."""

    def probe(scene: Target) -> CheckResult:
        found = _server(scene)
        if found.state != GOOD:
            return found
        return _answer(f"{scene.server_root}api/contents/{path}", scene.token, seconds)

    return probe


def _s3(scene: Target) -> CheckResult:
    seen = _service("s3")(scene)
    if seen.state == BROKEN:
        return seen
    scene.heads()
    return CheckResult("both buckets are there for the servers' key")


KUBECTL = "habari-local kubectl --"
NODES, CLAIMS = f"{KUBECTL} describe nodes", f"{KUBECTL} describe persistentvolumeclaims"
STATUS, UP = "habari-local status", "habari-local up"
LADDER = (
    Check("settings", "settings that can be used", "habari-local config show", _settings),
    Check("machine", "free ports, room on the disk, the mode's programs", UP, _machine),
    Check("up", "Habari brought up", UP, _up),
    Check("proxy", "the proxy runs and answers", UP, _service("proxy"), ("proxy",), hub=True),
    Check("db", "the database runs, where it is a service", UP, _service("db"), ("db",), hub=True),
    Check("hub", "the hub runs and answers", UP, _service("hub"), ("hub",), hub=True),
    Check("route", "the public address leads to the hub", UP, _route, ("proxy",), hub=True),
    Check("database", "the hub can read its database", UP, _database, ("db", "hub"), hub=True),
    Check("sign-in", "GitHub (or its stand-in) answers", UP, _sign_in, ("github", "hub"), hub=True),
    Check(
        "user",
        "an account that may sign in",
        "habari-local config show",
        _listed,
        hub=True,
    ),
    Check("image", "what users' servers are made of", UP, _image),
    Check(
        "scheduling",
        "a node has room for it",
        NODES,
        _of_pod("scheduling", "no pod waits for a node"),
        cluster=True,
    ),
    Check(
        "volume",
        "its volumes can be mounted",
        CLAIMS,
        _of_pod("volume", "no volume is waited for"),
        cluster=True,
    ),
    Check("spawner", "the last start went well", "habari-local logs hub", _spawner, hub=True),
    Check("server", "the user's server answers", "habari-local logs hub", _server),
    Check("contents", "the server lists the home", "habari-local logs", _of_server("", SECONDS)),
    Check("s3", "S3 answers, with both buckets", UP, _s3, ("s3",)),
    Check(
        "s3-from-server",
        "the user's server reaches S3",
        "stop the user's server and start it again: it gets a new key",
        _of_server("notebooks", S3_SECONDS),
    ),
)
