"""The parts of the simulation, started and ended: PostgreSQL, GitHub, proxy, servers, hub."""

from __future__ import annotations

import json
import os
import pwd
import resource
import secrets
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import psutil
import requests
import yaml

from habari_local.core.errors import MissingTool
from habari_local.core.paths import Checkout
from habari_local.drivers import npm, uv
from tests.scratch import ROOT, free_offset

HERE = Path(__file__).parent
PROXY = "node_modules/configurable-http-proxy/bin/configurable-http-proxy"
LOCK = ROOT / "hub" / "requirements-docker.txt"
UP_SECONDS = 300.0


@dataclass
class Trial:
    """What is measured: how many users, and what differs from production's values."""

    users: int
    tried: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # class → trait → value
    server_env: Mapping[str, str] = field(default_factory=dict)
    start_seconds: float = 2.0
    database: str = "postgresql"
    optimize: bool = False

    @property
    def names(self) -> list[str]:
        return [f"u{number:05}" for number in range(self.users)]

    @property
    def probes(self) -> list[str]:
        """Users who come later, one every two seconds."""
        return [f"p{number:02}" for number in range(20)]


class Platform:
    """All parts, each a process; `folder` has their data and logs."""

    def __init__(self, folder: Path, trial: Trial) -> None:
        self.folder, self.trial, self.parts = folder, trial, dict[str, psutil.Process]()
        offset = free_offset()
        self.ports = {
            name: base + offset
            for name, base in (("proxy", 8000), ("api", 8001), ("hub", 8081), ("github", 8008))
        } | {"servers": 4566 + offset}
        self.secret, self.culler_token = secrets.token_hex(32), secrets.token_hex(16)
        self.db_url = f"sqlite:///{folder}/hub.sqlite"
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65536)), hard))

    @cached_property
    def python(self) -> Path:
        """The Python of the hub's environment, which is made where it isn't there."""
        return uv.interpreter(environment("hub-docker", LOCK))

    @property
    def url(self) -> str:
        return self.at("proxy")

    def at(self, part: str) -> str:
        """Return where a part answers."""
        return f"http://127.0.0.1:{self.ports[part]}"

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start all parts; end them at the end, also after an error or Ctrl-C."""
        with ExitStack() as stack:
            stack.callback(self._end_all)
            if self.trial.database == "postgresql":
                self._postgresql()
            self._github()
            self._proxy()
            servers = [
                str(self.python),
                "-m",
                "bench.simulated.servers",
                str(self.ports["servers"]),
            ]
            self.start("servers", servers)
            wait_for(f"{self.at('servers')}/_simulation", self.parts["servers"])
            self.start_hub()
            yield

    def start(self, part: str, command: Sequence[str], user: str = "", **env: str) -> None:
        """Start a part; its output goes to a file of its name."""
        with (self.folder / f"{part}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(ROOT), **env},
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                **({"user": user, "group": user} if user else {}),
            )
        self.parts[part] = psutil.Process(process.pid)

    def _end_all(self) -> None:
        for part in ("hub", "servers", "proxy", "github", "postgresql"):
            self.end(part)

    def end(self, part: str) -> None:
        """End a part; PostgreSQL as it wants to be told."""
        process = self.parts.pop(part, None)
        if process is None or not process.is_running():
            return
        process.send_signal(2 if part == "postgresql" else 15)  # SIGINT is its "fast"
        try:
            process.wait(60)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(10)

    def _postgresql(self) -> None:
        programs = postgresql_programs()
        user = "postgres" if os.geteuid() == 0 else ""
        data = self.folder / "postgresql"
        data.mkdir(mode=0o700)
        if user:
            account = pwd.getpwnam(user)
            self.folder.chmod(0o711)
            os.chown(data, account.pw_uid, account.pw_gid)
        as_user = {"user": user, "group": user} if user else {}
        made = [str(programs / "initdb"), "-D", str(data / "data"), "-U", "hub", "-A", "trust"]
        subprocess.run(made, check=True, stdout=subprocess.DEVNULL, cwd=data, **as_user)
        options = ("-c", "listen_addresses=", "-c", f"unix_socket_directories={data}")
        self.start(
            "postgresql", [str(programs / "postgres"), "-D", str(data / "data"), *options], user
        )
        ready = [str(programs / "pg_isready"), "-q", "-h", str(data), "-U", "hub"]
        while subprocess.run(ready, check=False).returncode:
            time.sleep(0.05)
        self.db_url = f"postgresql+psycopg2://hub@/postgres?host={data}"

    def _github(self) -> None:
        program = ROOT / "habari_local" / "identity" / "github.py"
        env = {
            "HABARI_GITHUB_CLIENT_ID": "simulation",
            "HABARI_GITHUB_CLIENT_SECRET": self.secret,
            "HABARI_GITHUB_CONTROL_TOKEN": self.secret,
            "HABARI_GITHUB_REDIRECT_URI": f"{self.url}/hub/oauth_callback",
            "HABARI_GITHUB_USERS": "[]",
        }
        command = [sys.executable, str(program), "--port", str(self.ports["github"])]
        self.start("github", command, **env)
        wait_for(f"{self.at('github')}/_habari/health", self.parts["github"])

    def _proxy(self) -> None:
        folder = environment("proxy", ROOT / "images" / "proxy" / "requirements.txt")
        npm.install(ROOT / "images" / "proxy", folder, os.environ)
        node = npm.node(folder)
        host = ("--ip", "127.0.0.1", "--api-ip", "127.0.0.1")
        ports = ("--port", str(self.ports["proxy"]), "--api-port", str(self.ports["api"]))
        errors = ("--error-target", f"{self.at('hub')}/hub/error")
        command = [str(node), str(folder / PROXY), *host, *ports, *errors]
        self.start("proxy", command, CONFIGPROXY_AUTH_TOKEN=self.secret)

    def start_hub(self) -> float:
        """Start the hub; return the seconds until it answers through the proxy."""
        began = time.perf_counter()
        optimize = ["-O"] if self.trial.optimize else []
        command = [str(self.python), *optimize, "-m", "jupyterhub", "-f"]
        env = {"HABARI_SIMULATION": json.dumps(self.hub_settings()), "PYTHONDONTWRITEBYTECODE": ""}
        self.start("hub", [*command, str(HERE / "hub_config.py")], **env)
        wait_for(f"{self.url}/hub/health", self.parts["hub"])
        return time.perf_counter() - began

    def hub_settings(self) -> dict[str, Any]:
        """Return what hub_config.py reads: production's values, addresses, what is tried."""
        values = yaml.safe_load((ROOT / "config.dist.yaml").read_text(encoding="utf-8"))
        github = self.at("github")
        return {
            "hub": values["hub"],
            "public_url": self.url,
            "hub_url": self.at("hub"),
            "proxy_api_url": self.at("api"),
            "servers": self.at("servers").removeprefix("http://"),
            "db_url": self.db_url,
            "secret": self.secret,
            "culler_token": self.culler_token,
            "github": {
                "client_id": "simulation",
                "client_secret": self.secret,
                "oauth_callback_url": f"{self.url}/hub/oauth_callback",
                "github_url": github,
                "github_api": f"{github}/api/v3",
                "allowed_users": [*self.trial.names, *self.trial.probes],
                "admin_users": [],
            },
            "tried": self.trial.tried,
            "server_env": self.trial.server_env,
            "start_seconds": self.trial.start_seconds,
        }

    def crowd(self, names: Sequence[str], within: float = 0, at_once: int = 0) -> list[Any]:
        """Have users come; return what each of them saw."""
        asked = {"url": self.url, "names": names, "within": within, "at_once": at_once}
        done = subprocess.run(
            [str(self.python), "-m", "bench.simulated.crowd"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            input=json.dumps(asked),
            text=True,
            stdout=subprocess.PIPE,
            check=True,
        )
        found: list[Any] = json.loads(done.stdout)
        return found

    def servers(self, path: str = "", method: str = "GET") -> Any:
        """Ask the process that answers for all servers."""
        url = f"{self.at('servers')}/_simulation{path}"
        return requests.request(method, url, timeout=60).json()

    def effort(self) -> Counter[str]:
        """Return the seconds of processor time that each part has had."""
        found: Counter[str] = Counter()
        for part, process in self.parts.items():
            for each in (process, *process.children(recursive=True)):
                times = each.cpu_times()
                found[part] += times.user + times.system
                if each is process:
                    found[part] += times.children_user + times.children_system
        return found

    def memory(self) -> dict[str, float]:
        """Return the memory of each part in bytes (proportional share)."""
        return {
            part: sum(
                each.memory_full_info().pss for each in (process, *process.children(recursive=True))
            )
            for part, process in self.parts.items()
        }

    def log_count(self, text: str) -> int:
        """Return how many lines of the hub's log have this text."""
        with (self.folder / "hub.log").open(encoding="utf-8", errors="replace") as lines:
            return sum(text in line for line in lines)


def environment(name: str, lock: Path) -> Path:
    """Make the environment of a lock."""
    folder = Checkout(ROOT).environments / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    uv.sync(folder, lock, os.environ)
    return folder


def postgresql_programs() -> Path:
    """Return the folder of PostgreSQL's programs; Debian keeps them off PATH.

    Raises:
        MissingTool: they are nowhere.
    """
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    found = shutil.which("initdb") or (str(places[0]) if places else "")
    if not found:
        raise MissingTool("PostgreSQL", "for the hub's database", "apt-get install postgresql")
    return Path(found).resolve().parent


def wait_for(url: str, process: psutil.Process) -> None:
    """Return once a part answers well; raises RuntimeError where its process ended."""
    deadline = time.monotonic() + UP_SECONDS
    while time.monotonic() < deadline:
        try:
            if requests.get(url, timeout=5).ok:
                return
        except requests.RequestException:
            pass
        if process.status() == psutil.STATUS_ZOMBIE:
            raise RuntimeError(f"{url}: its process ended; its log says why")
        time.sleep(0.05)
    raise TimeoutError(f"{url}: no answer in {UP_SECONDS:g} s")
