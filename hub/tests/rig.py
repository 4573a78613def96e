"""A real hub, proxy and fake GitHub on free ports, to be broken by tests."""

from __future__ import annotations

import json
import os
import secrets
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import requests

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "hub" / "jupyterhub_config.py"
BIN = Path(sys.executable).parent
PRELOADED = ("end_cut_answers.cjs", "listen_on_ipv6_too.cjs")
PEOPLE = [
    {"login": "ada", "id": 1, "orgs": ["habari"], "teams": ["habari/core"]},
    {"login": "grace", "id": 2, "orgs": ["habari"]},
    {"login": "linus", "id": 3},
]
LISTS = {
    "HABARI_ADMIN_USERS": "ada",
    "HABARI_ALLOWED_USERS": "grace,linus",
    "HABARI_ALLOWED_ORGANIZATIONS": "",
}


class Rig:
    """The parts, and what tests do to them. `start_*` return when the part answers."""

    def __init__(self, folder: Path, proxy: list[str]) -> None:
        self.folder, self.proxy_argv = folder, proxy
        self.public, self.api_port, self.proxy_api, self.github_port = free_ports(4)
        self.url = f"http://127.0.0.1:{self.public}"
        self.github = f"http://127.0.0.1:{self.github_port}"
        self.token, self.label = secrets.token_hex(16), f"test-{secrets.token_hex(8)}"
        self.parts: dict[str, subprocess.Popen[bytes]] = {}
        self.env_file = folder / "server.env"
        self.env_file.write_text("FROM_FILE=first\n")
        (folder / "server_config.py").touch()
        (folder / "project").mkdir()
        self.environment = self._environment()

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return {
            **kept,
            **LISTS,
            "HABARI_LABEL": self.label,
            "HABARI_PUBLIC_URL": self.url,
            "HABARI_HUB_BIND_URL": f"http://127.0.0.1:{self.api_port}",
            "HABARI_PROXY_API_URL": f"http://127.0.0.1:{self.proxy_api}",
            "CONFIGPROXY_AUTH_TOKEN": secrets.token_hex(16),
            "HABARI_HUB_DB_URL": f"sqlite:///{self.folder / 'hub.sqlite'}",
            "HABARI_HUB_API_TOKEN": self.token,
            "JUPYTERHUB_CRYPT_KEY": secrets.token_hex(32),
            "JPY_COOKIE_SECRET": secrets.token_hex(32),
            "HABARI_GITHUB_URL": self.github,
            "HABARI_GITHUB_PATH": "/fake-github",
            "HABARI_GITHUB_TIMEOUT": "1",
            "HABARI_GITHUB_CLIENT_ID": "an-id",
            "HABARI_GITHUB_CLIENT_SECRET": "a-secret",
            "HABARI_GITHUB_CONTROL_TOKEN": "control",
            "HABARI_GITHUB_REDIRECT_URI": f"{self.url}/hub/oauth_callback",
            "HABARI_GITHUB_USERS": json.dumps(PEOPLE),
            "HABARI_SERVER_COMMAND": str(BIN / "jupyterhub-singleuser"),
            "HABARI_SERVER_CONFIG": str(self.folder / "server_config.py"),
            "HABARI_SERVER_ENV_FILE": str(self.env_file),
            "HABARI_HOMES_DIR": str(self.folder / "homes"),
            "PROJECT_PATH": str(self.folder / "project"),
            "HABARI_HUB_PORT": str(self.public),
        }

    def launch(self, name: str, argv: list[str], **changes: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.parts[name] = subprocess.Popen(
                argv,
                env={**self.environment, **changes},
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self.parts[name]

    def start_around(self) -> None:
        """Start what the hub stands between; they come up while the hub does."""
        self.start_github()
        self.start_proxy()

    def start_github(self, **changes: str) -> None:
        program = ROOT / "habari_local" / "identity" / "github.py"
        argv = [sys.executable, str(program), "--port", str(self.github_port)]
        self.launch("github", argv, **changes)

    def start_proxy(self, preloaded: tuple[str, ...] = PRELOADED) -> None:
        hub = f"http://127.0.0.1:{self.api_port}"
        local = ("--ip", "127.0.0.1", "--port", str(self.public), "--api-ip", "127.0.0.1")
        node, script = self.proxy_argv
        loaded = [f"--require={ROOT / 'images' / 'proxy' / name}" for name in preloaded]
        argv = [node, *loaded, script, *local, "--api-port", str(self.proxy_api)]
        self.launch("proxy", [*argv, "--error-target", f"{hub}/hub/error"])

    def start_hub(self, config: Path = CONFIG, **changes: str) -> None:
        hub = self.launch("hub", [str(BIN / "jupyterhub"), "-f", str(config)], **changes)

        def answers() -> bool:
            assert hub.poll() is None, self.log("hub")[-3000:]
            try:
                return requests.get(f"{self.url}/hub/health", timeout=5).status_code == 200
            except requests.ConnectionError:
                return False

        wait_until(answers, 120)  # a busy machine

    def restart_hub(self, config: Path = CONFIG, **changes: str) -> None:
        self.end("hub")
        self.start_hub(config, **changes)

    def end(self, name: str, kill: bool = False) -> None:
        part = self.parts.pop(name)
        part.kill() if kill else part.terminate()
        part.wait(60)

    def servers(self) -> list[psutil.Process]:
        """The processes of users' servers, found by the label that they must have inherited."""
        found = []
        for process in psutil.process_iter():
            try:
                ours = process.environ().get("HABARI_LABEL") == self.label
                if ours and "jupyterhub-singleuser" in " ".join(process.cmdline()):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def query(self, sql: str, *values: object) -> list[Any]:
        with sqlite3.connect(self.folder / "hub.sqlite") as db:
            return db.execute(sql, values).fetchall()

    def users(self) -> set[str]:
        return {row[0] for row in self.query("select name from users")}

    def api(
        self, method: str, path: str, token: str = "", base: str = "", **kwargs: Any
    ) -> requests.Response:
        headers = {"Authorization": f"token {token or self.token}"}
        address = f"{base or self.url}/hub/api{path}"
        return requests.request(method, address, headers=headers, timeout=70, **kwargs)

    def await_server(self, user: str, asked: requests.Response) -> None:
        """Wait until a server that was asked for is ready: on a busy machine the hub says 202."""
        assert asked.status_code in {201, 202}, asked.text

        def ready() -> bool:
            servers = self.api("GET", f"/users/{user}").json()["servers"]
            return bool(servers.get("", {}).get("ready"))

        wait_until(ready, 90)

    def proxy_answers(self) -> bool:
        try:
            return requests.get(self.url, timeout=5, allow_redirects=False).status_code > 0
        except requests.ConnectionError:
            return False

    def fault(self, kind: str, where: str, **more: object) -> None:
        headers = {"Authorization": "Bearer control"}
        fault = {"kind": kind, "where": where, **more}
        address = f"{self.github}/_habari/faults"
        assert requests.post(address, json=fault, headers=headers, timeout=5).ok

    def close(self) -> None:
        servers = self.servers()
        for name in list(self.parts):
            self.end(name)
        for server in servers:
            server.terminate()
        psutil.wait_procs(servers, 10)


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    """Wait for a condition that has no event to wait for, at most `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)
