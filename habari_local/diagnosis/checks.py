"""The checks of `why`, in the order in which they run."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urljoin, urlsplit

from habari_local.core.errors import nearest
from habari_local.diagnosis.diagnosis import BROKEN, GOOD, SKIPPED, Check, CheckResult, Target
from habari_local.diagnosis.evidence import MARK
from habari_local.drivers.jupyterhub import session

if TYPE_CHECKING:
    import requests

SECONDS = 2.0  # for an answer of the platform's own parts
S3_SECONDS = 8.0  # for one that asks S3 in its turn: longer than a server waits for S3
# Without it a hub that is asked for one user warns in its log that there are more.
PAGES = "application/jupyterhub-pagination+json, */*"
UP, LOGS = "habari-local up", "habari-local logs"
SERVER_SECONDS = 10.0  # for one that has a user's server ask the hub
REDIRECTS = 5  # of a server before its sign-in: to its first page, to its login
LAST_LINES = 12
# What a server's log has of a sign-in: JupyterHub's services/auth.py.
OAUTH_WORD = re.compile(r"\b(?P<word>invalid_client|invalid_grant)\b")
HUB_AWAY = "Failed to connect to Hub API"
HUB_FAILED = "Failed to check authorization (upstream problem)"
REFUSED_KEY = re.compile(r"does not accept this server.s credentials|server has no S3 credentials")
LEAST_DISK = 50_000_000  # bytes
# A start that failed: in our spawner's words, else in JupyterHub's own.
FAILED_START = (
    re.compile(r"(?P<user>[^\s(]+)'s server: (?P<message>(ended|silent)[^,]*)"),
    re.compile(r"rror (starting|waiting for) (?P<user>\S+)'s server.*?: (?P<message>.+)"),
    re.compile(r"(?P<user>\S+)'s server (?P<message>(failed to start|never showed up) .+)"),
)


def _ask(url: str, token: str = "", seconds: float = SECONDS, **more: Any) -> requests.Response:
    """Send a request, a GET unless `data` is given; proxies of the environment stay out of it.

    It is marked, so that what a log tells of it is not taken for a trace of what is broken.
    """
    with session(token) as web:
        return web.request(
            "POST" if "data" in more else "GET",
            f"{url}{'&' if '?' in url else '?'}{MARK}",
            headers={"Accept": PAGES},
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


def _settings(target: Target) -> CheckResult:
    target.settings()
    return CheckResult("all can be used")


def _machine(target: Target) -> CheckResult:
    free = shutil.disk_usage(Path.cwd()).free
    if free < LEAST_DISK:
        message = f"the disk is full: {free / 1e6:.0f} MB free"
        return CheckResult(message, BROKEN, "df -h .")
    target.check()
    return CheckResult("ports are free or ours, nothing is missing")


def _up(target: Target) -> CheckResult:
    return CheckResult("it is up") if target.up else CheckResult("it was not brought up", BROKEN)


def _service(name: str) -> Callable[[Target], CheckResult]:
    """Return the check of a service's own state."""

    def run(target: Target) -> CheckResult:
        if name not in target.running:
            return CheckResult("not run by this mode", SKIPPED)
        state = target.running[name]
        if state == "running":
            return CheckResult(f"{name} is {state}")
        found = target.pod_issue(name) if target.pod_issue else None
        details = f"; {found.message}" if found else ""
        return CheckResult(f"{name} is {state}{details}", BROKEN, log=found.log if found else ())

    return run


def _route(target: Target) -> CheckResult:
    found = _answer(f"{target.url}hub/health")
    # What leads to a remote hub that runs is the cluster's, and another `up` leaves it as it is.
    return replace(found, hint=WAYS) if found.state == BROKEN and target.remote else found


def _database(target: Target) -> CheckResult:
    return _answer(f"{target.url}hub/api/users?limit=1", target.token)


def _sign_in(target: Target) -> CheckResult:
    """Ask what the hub asks of GitHub, with a code and a token that nobody has."""
    page = _answer(f"{target.url}hub/login")
    if page.state == BROKEN or not target.github:
        return page
    service = _service("github")(target)
    if service.state == BROKEN:
        return service
    exchange = _answer(f"{target.github}/login/oauth/access_token", data={"code": "none"})
    if exchange.state == BROKEN:
        return exchange
    answer = _ask(f"{target.github}/api/v3/user", "none")
    if answer.status_code != 401:
        return CheckResult(f"{target.github}/api/v3/user: answered {answer.status_code}", BROKEN)
    return CheckResult(f"{target.github}: form, code and API answer as GitHub's do")


def _account(target: Target) -> CheckResult:
    if not target.user:
        return CheckResult("no user was named", SKIPPED)
    if target.user in target.allowed_users:
        return CheckResult(f"{target.user} is on a list")
    if target.by_organization:
        return CheckResult(f"{target.user} is on no list; a membership may let them in", SKIPPED)
    message = f"{target.user} is on no list, so the hub answers 403"
    similar = nearest(target.user, target.allowed_users)
    if similar:
        return CheckResult(
            f"{message}; did you mean {similar}?", BROKEN, f"habari-local why {similar}"
        )
    return CheckResult(message, BROKEN, target.allow(target.user))


def _image(target: Target) -> CheckResult:
    missing = target.missing()
    if missing:
        return CheckResult(missing, BROKEN)
    return _of_pod("image", "all is there")(target)


def _of_pod(check: str, good: str) -> Callable[[Target], CheckResult]:
    """Return the check of what the cluster says of the user's pod."""

    def run(target: Target) -> CheckResult:
        found = target.pod_issue("") if target.user and target.pod_issue else None
        if found and found.check == check:
            return CheckResult(f"{target.user}'s pod: {found.message}", BROKEN, log=found.log)
        return CheckResult(good)

    return run


def _spawner(target: Target) -> CheckResult:
    """Look at the newest word on a start of the user's server in the hub's log."""
    if not target.user:
        return CheckResult("no user was named", SKIPPED)
    pod = _of_pod("spawner", "")(target)
    if pod.state == BROKEN:
        return pod
    good = f"User {target.user} took"
    for line in reversed(target.log("hub", 400)):
        if good in line:
            break
        failed = next(filter(None, (each.search(line) for each in FAILED_START)), None)
        if failed and failed["user"] == target.user:
            last = target.log(target.user, LAST_LINES)  # of the server that ended, where it is kept
            return CheckResult(f"{target.user}'s server: {failed['message']}", BROKEN, log=last)
    return CheckResult("no failed start in the log")


def _server(target: Target) -> CheckResult:
    """Look whether the user's server answers, if it should run."""
    if target.has_hub:
        if not target.user:
            return CheckResult("no user was named", SKIPPED)
        answer = _ask(f"{target.url}hub/api/users/{target.user}", target.token)
        if answer.status_code == 404:
            return CheckResult(f"{target.user} has not signed in yet", SKIPPED)
        if not answer.json().get("servers"):
            return CheckResult(
                f"no server of {target.user} runs; it starts at the sign-in", SKIPPED
            )
    return _answer(f"{target.server_root}api/status", target.token)


def _opened(target: Target) -> CheckResult:
    """Open the user's server as their browser does: by what the hub knows of it, not by our token.

    All but the last step is done. With a code that nobody was given, a hub that knows the server
    answers "invalid_grant" and one that doesn't "invalid_client" (RFC 6749, 5.2); the server has
    that word in its log alone.
    """
    found = _server(target)
    if found.state != GOOD:
        return found
    with session() as web:
        state = _state_of_sign_in(target, web)
        if not state:
            return CheckResult(f"{target.server_root}: leads to no sign-in at the hub", BROKEN)
        back = f"{target.server_root}oauth_callback?code={MARK}&state={quote(state)}"
        web.get(back, timeout=SERVER_SECONDS, allow_redirects=False)
    return next(
        filter(None, (_told_of_sign_in(target, e) for e in reversed(target.log(target.user, 40)))),
        CheckResult("its log does not say whether the hub knows it", SKIPPED),
    )


def _told_of_sign_in(target: Target, line: str) -> CheckResult | None:
    """Return what a line of a server's log says of a sign-in; None where it says nothing."""
    again, word = f"habari-local restart {target.user}", OAUTH_WORD.search(line)
    if word and word["word"] == "invalid_grant":
        return CheckResult("the hub knows it, so its user can open it")
    if word:
        message = f"the hub does not know {target.user}'s server any more: nobody can open it"
        return CheckResult(message, BROKEN, again)
    if HUB_AWAY in line:
        return CheckResult(f"{target.user}'s server does not reach the hub", BROKEN, again)
    if HUB_FAILED in line:
        return CheckResult(f"the hub failed when {target.user}'s server asked it", BROKEN)
    return None


def _state_of_sign_in(target: Target, web: requests.Session) -> str:
    """Return the state with which a server sends a browser to the hub; "" if it does not."""
    url = target.server_root
    for _ in range(REDIRECTS):
        asked = f"{url}{'&' if '?' in url else '?'}{MARK}"
        answer = web.get(asked, timeout=SERVER_SECONDS, allow_redirects=False)
        url = urljoin(url, answer.headers.get("Location", ""))
        parts = urlsplit(url)
        if parts.path.endswith("/oauth2/authorize"):
            return parse_qs(parts.query).get("state", [""])[0]
    return ""


def _memory(target: Target) -> CheckResult:
    """Look whether the kernel of the machine ended something of the server for its memory."""
    if not target.user:
        return CheckResult("no user was named", SKIPPED)
    killed = target.killed_for_memory(target.user)
    if killed:
        return CheckResult(killed, BROKEN, target.more_memory(target.user))
    return CheckResult("nothing was killed for memory")


def _contents(target: Target) -> CheckResult:
    """Look whether the server lists the home, and may write into it."""
    found = _of_server("", SECONDS)(target)
    if found.state != GOOD:
        return found
    url = f"{target.server_root}api/contents/?content=0"
    if _ask(url, target.token).json().get("writable", True):
        return found
    message = f"{target.server_root}: the home can't be written to by the server's account"
    return CheckResult(message, BROKEN)


def _s3_of_server(target: Target) -> CheckResult:
    """Look whether the server reaches S3; only a key that is refused is fixed by a restart."""
    found = _of_server("notebooks", S3_SECONDS)(target)
    if found.state == BROKEN and REFUSED_KEY.search(found.message):
        again = f"habari-local restart {target.user}" if target.has_hub else UP
        return CheckResult(found.message, BROKEN, again)
    return found


def _of_server(path: str, seconds: float) -> Callable[[Target], CheckResult]:
    """Return the check of what a user's server says of a path."""

    def run(target: Target) -> CheckResult:
        found = _server(target)
        if found.state != GOOD:
            return found
        return _answer(f"{target.server_root}api/contents/{path}", target.token, seconds)

    return run


def _s3(target: Target) -> CheckResult:
    service = _service("s3")(target)
    if service.state == BROKEN:
        return service
    target.check_buckets()
    return CheckResult("both buckets are there for the servers' key")


KUBECTL = "habari-local kubectl --"
WAYS = f"{KUBECTL} get ingress,service"
NODES, CLAIMS = f"{KUBECTL} describe nodes", f"{KUBECTL} describe persistentvolumeclaims"
CHECKS = (
    Check("settings", "settings that can be used", "habari-local config show", _settings),
    Check("machine", "free ports, room on the disk, the mode's programs", UP, _machine),
    Check("up", "Habari brought up", UP, _up),
    Check("proxy", "the proxy runs and answers", UP, _service("proxy"), ("proxy",), hub=True),
    Check("db", "the database runs, where it is a service", UP, _service("db"), ("db",), hub=True),
    Check("hub", "the hub runs and answers", UP, _service("hub"), ("hub",), hub=True),
    Check("route", "the public address leads to the hub", UP, _route, ("proxy",), hub=True),
    Check("database", "the hub can read its database", UP, _database, ("db", "hub"), hub=True),
    Check("sign-in", "GitHub (or the fake one) answers", UP, _sign_in, ("github", "hub"), hub=True),
    Check(
        "user",
        "an account that may sign in",
        "habari-local config show",
        _account,
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
    Check("memory", "enough memory for what runs in the server", LOGS, _memory),
    Check("server", "the user's server answers", LOGS, _server),
    Check("open", "the server opens for its user, by the hub", LOGS, _opened, ("hub",), hub=True),
    Check("contents", "the server lists the home and may write there", LOGS, _contents),
    Check("s3", "S3 answers, with both buckets", UP, _s3, ("s3",)),
    Check("s3-from-server", "the user's server reaches S3", LOGS, _s3_of_server, ("s3",)),
)
