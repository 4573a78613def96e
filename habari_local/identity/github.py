"""The fake GitHub: as much of GitHub as a sign-in needs, for people who exist nowhere else.

One file, standard library only, after GitHub's pages "Authorizing OAuth apps" and its REST API. It
asks for no password: so it binds, answers to and sends people back to local addresses alone; only
--container and HABARI_GITHUB_ALLOWED_HOSTS widen that. Habari's proxy shows it at PATH of its own
address too: who comes that way may go back there, whatever port is forwarded.
HABARI_GITHUB_USERS is a JSON list of {"login", "id", "name", "email", "orgs",
"teams": ["org/team"], "note", "was"}; "was" is a former login, whose tokens stay theirs.
POST /_habari/faults with the control token as bearer takes {"kind", "where", "times", "seconds"}
of KINDS and PLACES.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import os
import re
import secrets
import sys
import threading
import time
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_\-]{0,38}")
PATH = "/fake-github"
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
CODE_LIFE, MAX_BODY = 600.0, 65536  # seconds, as GitHub's; bytes
KINDS = ("http-500", "slow", "bad-json", "expired-code", "none")
PLACES = ("authorize", "token", "teams", "members", "orgs", "emails", "user")
ERRORS = {
    name: {"error": name, "error_description": text}
    for name, text in (
        ("incorrect_client_credentials", "The client_id and/or client_secret are incorrect."),
        ("redirect_uri_mismatch", "The redirect_uri MUST match the registered callback URL."),
        ("bad_verification_code", "The code passed is incorrect or expired."),
    )
}
STYLE = """:root{color-scheme:light dark}body{font:16px/1.5 system-ui;max-width:26rem;margin:auto}
form{padding:1rem 0;display:grid;gap:.6rem}button,input{font:inherit;padding:.5rem;border-radius:
7px;border:1px solid #8889}h1{font-size:1.4em}button{display:flex;justify-content:space-between}"""
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
PAGE = f"""<!DOCTYPE html><html lang=en><meta charset=utf-8><title>Fake GitHub</title>
<meta name=viewport content="width=device-width"><style>{STYLE}</style><h1>The fake GitHub
of Habari local</h1><p>This is not GitHub: no password, nothing leaves this machine.</p>%s"""
BUTTON = "<button name=login value='{0}'>{0}<small>{1}</small></button>"
FORM = f"""<form method=post>%s</form><form method=post><label for=login>Or as anybody else</label>
<input id=login name=login placeholder="GitHub login" autofocus required
pattern="{LOGIN.pattern}">
<button>Sign in</button></form>"""
NOT_FOUND = 404, {"message": "Not Found", "status": "404"}


def hostname(host: str) -> str | None:
    """The name or address in a Host header, without its port; None: there is none."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


class GitHub:
    """The state: people, the OAuth app, codes, faults. ValueError: `env` can't be served."""

    def __init__(self, env: dict[str, str]) -> None:
        try:
            self.client_id, self.client_secret, self.control_token, uris = (
                env[f"HABARI_GITHUB_{name}"]
                for name in ("CLIENT_ID", "CLIENT_SECRET", "CONTROL_TOKEN", "REDIRECT_URI")
            )
            people = json.loads(env.get("HABARI_GITHUB_USERS") or "[]")
            self.people: dict[str, dict[str, Any]] = {one["login"].lower(): one for one in people}
            self.renamed = {one["was"]: one["login"] for one in people if "was" in one}
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"environment: {error!r} seen, a usable value was expected") from error
        self.hosts = LOOPBACK | set(env.get("HABARI_GITHUB_ALLOWED_HOSTS", "").split(","))
        self.lock, self.redirect_uris = threading.Lock(), uris.split(",")
        if wrong := [uri for uri in self.redirect_uris if urlsplit(uri).hostname not in self.hosts]:
            raise ValueError(f"HABARI_GITHUB_REDIRECT_URI: {wrong} seen, local URIs were expected")
        self.codes: dict[str, tuple[str, str, list[str], str, float]] = {}
        self.faults: dict[str, tuple[str, int, float]] = {}  # place → kind, times, seconds

    def person(self, login: str) -> dict[str, Any]:
        """The person with this login: somebody whom nobody named has an account too."""
        number = int(hashlib.sha256(login.lower().encode()).hexdigest()[:8], 16)
        nobody = {"login": login, "id": number, "name": None, "email": None}
        return nobody | {"orgs": [], "teams": []} | self.people.get(login.lower(), {})

    def may_go_back(self, uri: str, host: str) -> bool:
        """Whether a sign-in may end at `uri`: registered, or of the local address asked at."""
        callback = urlsplit(self.redirect_uris[0]).path
        local = hostname(host) in LOOPBACK
        own = [f"{scheme}://{host}{callback}" for scheme in ("http", "https") if local]
        return uri in (*self.redirect_uris, *own)

    def exchange(self, form: dict[str, str], expired: bool) -> dict[str, str]:
        """Answer a token request as GitHub does: a token, or the name of the error."""
        client = f"{form.get('client_id')}:{form.get('client_secret')}".encode()
        if not hmac.compare_digest(client, f"{self.client_id}:{self.client_secret}".encode()):
            return ERRORS["incorrect_client_credentials"]
        with self.lock:
            grant = self.codes.pop(form.get("code", ""), ("", "", [], "", 0.0))
        login, uri, scopes, challenge, end = grant
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        verifier = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if expired or end <= time.monotonic() or challenge not in {"", verifier}:
            return ERRORS["bad_verification_code"]
        if form.get("redirect_uri", uri) != uri:
            return ERRORS["redirect_uri_mismatch"]
        body = json.dumps([login, scopes, secrets.token_hex(4)]).encode().hex()
        token = f"gho_{body}.{self.sign(body)}"
        return {"access_token": token, "scope": ",".join(scopes), "token_type": "bearer"}

    def sign(self, body: str) -> str:
        """The signature of a token: none is stored, and all are good after a restart too."""
        return hmac.new(self.client_secret.encode(), body.encode(), "sha256").hexdigest()

    def know(self, token: str, path: list[str]) -> tuple[int, Any]:  # noqa: PLR0911
        """Status and answer of the API at `path`; without read:org, memberships are private."""
        body, _, signature = token.removeprefix("gho_").partition(".")
        if not hmac.compare_digest(signature.encode(), self.sign(body).encode()):
            return 401, {"message": "Bad credentials", "status": "401"}
        login, scopes, _ = json.loads(bytes.fromhex(body))
        me, other = self.person(self.renamed.get(login, login)), self.person(path[-1])
        orgs = me["orgs"] if "read:org" in scopes else []
        match path:
            case ["user"]:
                return 200, {key: me[key] for key in ("login", "id", "name")} | {"email": None}
            case ["user", "emails"] if "user:email" in scopes:
                return 200, [{"email": me["email"], "primary": True, "verified": True}]
            case ["user", "orgs"]:
                return 200, [{"login": org} for org in orgs]
            case ["orgs", org, "members", name] if org not in orgs:
                return 302, f"/api/v3/orgs/{org}/public_members/{name}"
            case ["orgs", org, "members", _] if org in other["orgs"]:
                return 204, None
            case ["orgs", org, "teams", team, "members", _] if org in orgs:
                return (204, None) if f"{org}/{team}" in other["teams"] else NOT_FOUND
        return NOT_FOUND

    def take_fault(self, token: str, text: str) -> tuple[int, Any]:
        """Status and answer for a fault (or "none") that the holder of the control token wants."""
        if not hmac.compare_digest(token.encode(), self.control_token.encode()):
            return 401, {"message": "Bad control token"}
        try:
            fault = {"times": 1, "seconds": 5.0} | json.loads(text)
            where = PLACES[PLACES.index(fault["where"])]
            wanted = (str(fault["kind"]), int(fault["times"]), min(float(fault["seconds"]), 60.0))
            KINDS.index(wanted[0])
        except (KeyError, TypeError, ValueError) as error:
            return 400, {"message": f"Fault: {error!r} seen; {KINDS} at {PLACES} expected."}
        with self.lock:
            self.faults[where] = wanted
        return 200, {"status": "ok"}

    def meet_fault(self, path: str) -> str:
        """The kind of fault that a request of `path` meets; a slow one has been waited for."""
        where = next((place for place in PLACES if place in path), "")
        with self.lock:
            kind, times, seconds = self.faults.pop(where, ("none", 0, 0.0))
            if times > 1:
                self.faults[where] = (kind, times - 1, seconds)
        if kind == "slow":
            threading.Event().wait(seconds)
        return kind


class Handler(BaseHTTPRequestHandler):
    """One request to the fake GitHub; `main` sets `github`."""

    github: GitHub
    timeout = 15

    def do_GET(self) -> None:
        """Answer a request of any method; the body of a GET is empty."""
        url, size = urlsplit(self.path.removeprefix(PATH)), self.headers.get("Content-Length", "")
        text = self.rfile.read(min(int(size), MAX_BODY) if size.isdigit() else 0).decode()
        query, form = dict(parse_qsl(url.query)), dict(parse_qsl(text))
        bearer = self.headers.get("Authorization", "").partition(" ")[2]
        host = hostname(self.headers.get("Host", ""))
        fault = self.github.meet_fault(url.path) if host in self.github.hosts else "host"
        match fault, self.command, *url.path.strip("/").split("/"):
            case "host", *_:
                self.send(421, {"message": f"Host: {host} seen, a local name was expected."})
            case "http-500", *_:
                self.send(500, {"message": "Server Error"})
            case "bad-json", *_:
                self.send(200, "<!DOCTYPE html>Unicorn!", "application/json")
            case _, "GET", "_habari", "health":
                self.send(200, {"status": "ok"})
            case _, "POST", "_habari", "faults":
                self.send(*self.github.take_fault(bearer, text))
            case _, _, "login", "oauth", "authorize":
                self.authorize(query, form)
            case _, "POST", "login", "oauth", "access_token":
                answer = self.github.exchange(form, fault == "expired-code")
                in_json = "json" in self.headers.get("Accept", "")
                kind = "application/x-www-form-urlencoded"
                self.send(200, answer if in_json else urlencode(answer), kind)
            case _, "GET", "api", "v3", *path:
                self.send(*self.github.know(bearer, path))
            case _:
                self.send(404, PAGE % "<p>Sign in from Habari's own page.</p>")

    do_POST = do_GET  # noqa: N815

    def authorize(self, query: dict[str, str], form: dict[str, str]) -> None:
        """Show the sign-in form, or send the one who filled it in back to the application."""
        github, login, answer = self.github, form.get("login", "").strip(), {}
        uri = query.get("redirect_uri", github.redirect_uris[0])
        if query.get("client_id") != github.client_id:
            return self.send(404, PAGE % "<p role=alert>Unknown application (client_id).</p>")
        if not github.may_go_back(uri, self.headers.get("Host", "")):
            uri, answer = github.redirect_uris[0], ERRORS["redirect_uri_mismatch"]
        elif LOGIN.fullmatch(login):
            answer, now = {"code": secrets.token_hex(10)}, time.monotonic()
            scopes = re.findall("[^ ,]+", query.get("scope", ""))
            grant = (login, uri, scopes, query.get("code_challenge", ""), now + CODE_LIFE)
            with github.lock:
                alive = {code: each for code, each in github.codes.items() if each[-1] > now}
                github.codes = alive | {answer["code"]: grant}
        if answer:
            state = {"state": query["state"]} if "state" in query else {}
            return self.send(302, f"{uri}?{urlencode(answer | state)}")
        known = [(each["login"], each.get("note", "")) for each in github.people.values()]
        buttons = "".join(BUTTON.format(*map(escape, each)) for each in known)
        return self.send(422 if self.command == "POST" else 200, PAGE % FORM % buttons)

    def send(self, status: int, body: object = None, kind: str = "text/html") -> None:
        """Answer: text of a `kind`, anything else as JSON; for 302, `body` is the address."""
        text = body if isinstance(body, str) else json.dumps(body)
        data = b"" if status in {204, 302} else text.encode()
        back = " ".join(uri.partition("/hub/")[0] for uri in self.github.redirect_uris)
        policy = f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; frame-ancestors 'none'"
        self.send_response(status)
        self.send_header("Content-Type", kind if text is body else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Security-Policy", f"{policy}; form-action 'self' {back}")
        if status == 302:
            self.send_header("Location", text)
        self.end_headers()
        self.wfile.write(data)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log the path alone: queries carry codes."""
        self.log_message("%s %s %s %s", self.command, urlsplit(self.path).path, code, size)


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description="The fake GitHub of Habari local")
    parser.add_argument("--host", default="127.0.0.1", choices=("127.0.0.1", "localhost"))
    parser.add_argument("--port", type=int, default=8008)
    parser.add_argument("--container", action="store_true", help="bind every address instead")
    args = parser.parse_args()
    try:
        Handler.github = GitHub(dict(os.environ))
        address = "0.0.0.0" if args.container else args.host  # noqa: S104
        ThreadingHTTPServer((address, args.port), Handler).serve_forever()
    except (OSError, ValueError) as error:
        sys.exit(f"fake GitHub: {error}.\nTry: habari-local doctor")


if __name__ == "__main__":
    main()
