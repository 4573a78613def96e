"""A client of a running fake GitHub, and how a test starts one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import requests

PROGRAM = Path(__file__).parents[1] / "habari_local" / "identity" / "github.py"
CALLBACK = "http://127.0.0.1:18999/hub/oauth_callback"
USERS = [
    {
        "login": "Ada",
        "id": 1,
        "name": "Ada Lovelace",
        "email": "ada@example.org",
        "orgs": ["habari"],
        "teams": ["habari/core"],
        "note": "<admin>",
    },
    {"login": "grace", "id": 2, "orgs": ["habari"]},
    {"login": "linus", "id": 3},
]
ENV = {
    "HABARI_GITHUB_CLIENT_ID": "an-id",
    "HABARI_GITHUB_CLIENT_SECRET": "a-secret",
    "HABARI_GITHUB_CONTROL_TOKEN": "control",
    "HABARI_GITHUB_REDIRECT_URI": CALLBACK,
    "HABARI_GITHUB_USERS": json.dumps(USERS),
}
Answer = requests.Response


class StandIn:
    """A client of one running fake GitHub."""

    def __init__(self, url: str) -> None:
        self.url = url

    def authorize(self, login: str, **changes: str) -> Answer:
        query = {"client_id": "an-id", "redirect_uri": CALLBACK, "state": "s p&c"} | changes
        address = f"{self.url}/login/oauth/authorize"
        data = {"login": login}
        return requests.post(address, params=query, data=data, allow_redirects=False, timeout=10)

    def code(self, login: str, **changes: str) -> str:
        answer = self.authorize(login, **changes)
        return str(parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0])

    def exchange(self, code: str, accept: str = "application/json", **changes: str) -> Answer:
        form = {"client_id": "an-id", "client_secret": "a-secret", "code": code} | changes
        address = f"{self.url}/login/oauth/access_token"
        return requests.post(address, data=form, headers={"Accept": accept}, timeout=10)

    def token(self, login: str, scope: str = "") -> str:
        return str(self.exchange(self.code(login, scope=scope)).json()["access_token"])

    def api(self, path: str, token: str, kind: str = "Bearer") -> Answer:
        headers = {"Authorization": f"{kind} {token}"}
        return requests.get(f"{self.url}/api/v3{path}", headers=headers, timeout=10)

    def fault(self, token: str = "control", **fault: object) -> Answer:
        headers = {"Authorization": f"Bearer {token}"}
        return requests.post(f"{self.url}/_habari/faults", json=fault, headers=headers, timeout=10)


def launch(folder: Path, *flags: str, **changes: str) -> tuple[subprocess.Popen[bytes], StandIn]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    argv = [sys.executable, str(PROGRAM), "--port", str(port), *flags]
    with (folder / "standin.log").open("ab") as log:
        process = subprocess.Popen(argv, env={**os.environ, **ENV, **changes}, stderr=log)
    return process, StandIn(f"http://127.0.0.1:{port}")


def wait_until_up(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        try:
            assert requests.get(f"{url}/_habari/health", timeout=5).status_code == 200
        except requests.ConnectionError:
            continue
        return
    raise AssertionError("the fake GitHub did not come up")
