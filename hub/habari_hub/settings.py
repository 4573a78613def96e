"""The hub's settings: read from the environment once, checked together, typed.

Whatever brings the hub up (the tool, Compose, the chart) renders the same names; DEFAULTS has those
that may be left out. Nothing here is written back or logged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

NEEDED = (
    "HABARI_PUBLIC_URL",
    "HABARI_HUB_BIND_URL",
    "HABARI_PROXY_API_URL",
    "CONFIGPROXY_AUTH_TOKEN",
    "HABARI_HUB_DB_URL",
    "HABARI_HUB_API_TOKEN",
    "HABARI_GITHUB_CLIENT_ID",
    "HABARI_GITHUB_CLIENT_SECRET",
)
# Spawner → what it needs besides.
NEEDED_BY = {
    "process": (
        "HABARI_HOMES_DIR",
        "HABARI_SERVER_COMMAND",
        "HABARI_SERVER_CONFIG",
        "HABARI_SERVER_ENV_FILE",
    ),
    "docker": (
        "HABARI_DOCKER_URL",
        "HABARI_DOCKER_PREFIX",
        "HABARI_SERVER_IMAGE",
        "HABARI_SERVER_USER",
        "HABARI_SERVER_ENV_FILE",
    ),
}
LISTS = ("HABARI_ADMIN_USERS", "HABARI_ALLOWED_USERS", "HABARI_ALLOWED_ORGANIZATIONS")
DEFAULTS = {
    "HABARI_HUB_CONNECT_URL": "",
    "HABARI_SPAWNER": "process",
    "HABARI_GITHUB_URL": "https://github.com",
    "HABARI_GITHUB_INTERNAL_URL": "",
    "HABARI_GITHUB_PATH": "",
    "HABARI_GITHUB_API_URL": "",
    "HABARI_GITHUB_TIMEOUT": "10",
    "HABARI_ADMIN_USERS": "",
    "HABARI_ALLOWED_USERS": "",
    "HABARI_ALLOWED_ORGANIZATIONS": "",
    "HABARI_CULL_AFTER": "0",
    "HABARI_DASHBOARD_BIND": "",  # host:port; empty: no dashboard
    "HABARI_DASHBOARD_URL": "",  # where the proxy finds it
    "HABARI_DASHBOARD_HEALTH": "{}",  # part → what answers when it is well
    "HABARI_SERVER_MEMORY": "",
    "HABARI_SERVER_CPUS": "0",
    "HABARI_SERVER_INTERNET": "0",
    "HABARI_SERVER_NETWORK_OPTIONS": "{}",
    "HABARI_SERVER_PARTNERS": "{}",
    "HABARI_SERVER_LABELS": "{}",
    "PROJECT_PATH": "",
}


class SettingsError(ValueError):
    """Settings that the hub can't start with; the text has one sentence for each and a `Try:`."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join([*problems, "Try: habari-local config show"]))


@dataclass(frozen=True)
class DockerSettings:
    """Servers as containers: of which image, with which limits, in whose company.

    `memory` is in Docker's notation (2G), empty for no limit; `cpus` is 0 for no limit.
    """

    url: str
    prefix: str
    image: str
    user: str
    memory: str
    cpus: float
    internet: bool
    network_options: Mapping[str, str]
    partners: Mapping[str, str]
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Settings:
    """One hub: where it is, who may come in, how their servers start. Secrets stay out of repr."""

    public_url: str
    bind_url: str
    connect_url: str
    proxy_api_url: str
    spawner: str
    github_url: str
    github_internal_url: str
    github_path: str  # where our proxy shows the fake GitHub; empty with the real one
    github_api_url: str
    github_timeout: int  # seconds for each of its answers
    client_id: str
    client_secret: str = field(repr=False)
    db_url: str = field(repr=False)
    api_token: str = field(repr=False)
    admins: frozenset[str]
    users: frozenset[str]
    organizations: frozenset[str]
    cull_after: int  # seconds without activity; 0: never
    dashboard_bind: str
    dashboard_url: str
    dashboard_health: Mapping[str, str]
    homes_dir: str
    server_command: str
    server_config: str
    server_env_file: str
    server_version_file: str
    project_path: str
    docker: DockerSettings | None

    @property
    def scopes(self) -> list[str]:
        """The GitHub scopes to ask for: none, unless membership must be seen."""
        return ["read:org"] if self.organizations else []


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the hub's settings from `environment`.

    Raises:
        SettingsError: with every problem found, not only the first.
    """
    env = {**DEFAULTS, **environment}
    problems = problems_in(env)
    if problems:
        raise SettingsError(problems)
    github = env["HABARI_GITHUB_URL"].rstrip("/")
    own_api = "https://api.github.com" if github == "https://github.com" else f"{github}/api/v3"
    return Settings(
        public_url=env["HABARI_PUBLIC_URL"].rstrip("/"),
        bind_url=env["HABARI_HUB_BIND_URL"],
        connect_url=env["HABARI_HUB_CONNECT_URL"],
        proxy_api_url=env["HABARI_PROXY_API_URL"],
        spawner=env["HABARI_SPAWNER"],
        github_url=github,
        github_internal_url=(env["HABARI_GITHUB_INTERNAL_URL"] or github).rstrip("/"),
        github_path=env["HABARI_GITHUB_PATH"],
        github_api_url=(env["HABARI_GITHUB_API_URL"] or own_api).rstrip("/"),
        github_timeout=int(env["HABARI_GITHUB_TIMEOUT"]),
        client_id=env["HABARI_GITHUB_CLIENT_ID"],
        client_secret=env["HABARI_GITHUB_CLIENT_SECRET"],
        db_url=env["HABARI_HUB_DB_URL"],
        api_token=env["HABARI_HUB_API_TOKEN"],
        admins=names_in(env["HABARI_ADMIN_USERS"]),
        users=names_in(env["HABARI_ALLOWED_USERS"]),
        organizations=names_in(env["HABARI_ALLOWED_ORGANIZATIONS"]),
        cull_after=int(env["HABARI_CULL_AFTER"]),
        dashboard_bind=env["HABARI_DASHBOARD_BIND"],
        dashboard_url=env["HABARI_DASHBOARD_URL"],
        dashboard_health=json.loads(env["HABARI_DASHBOARD_HEALTH"]),
        homes_dir=env.get("HABARI_HOMES_DIR", ""),
        server_command=env.get("HABARI_SERVER_COMMAND", ""),
        server_config=env.get("HABARI_SERVER_CONFIG", ""),
        server_env_file=env.get("HABARI_SERVER_ENV_FILE", ""),
        server_version_file=env.get("HABARI_SERVER_VERSION_FILE", ""),
        project_path=env["PROJECT_PATH"],
        docker=_docker(env) if env["HABARI_SPAWNER"] == "docker" else None,
    )


def problems_in(env: Mapping[str, str]) -> list[str]:
    """What is wrong with the settings `env` (DEFAULTS included), one sentence each."""
    spawner = env["HABARI_SPAWNER"]
    needed = NEEDED + NEEDED_BY.get(spawner, ())
    problems = [f"{name}: not set." for name in needed if not env.get(name)]
    if spawner not in NEEDED_BY:
        problems.append(f"HABARI_SPAWNER: {spawner!r} is none of {', '.join(NEEDED_BY)}.")
    problems += [
        f"{name}: {env[name]!r} is no number of whole seconds."
        for name in ("HABARI_CULL_AFTER", "HABARI_GITHUB_TIMEOUT")
        if not env[name].isdigit()
    ]
    allowed = frozenset[str]().union(*(names_in(env[name]) for name in LISTS))
    if not allowed:
        problems.append(f"{', '.join(LISTS)}: all empty, so nobody could sign in.")
    if "*" in allowed:
        problems.append("Sign-in rules: '*' is refused; name who may sign in.")
    return problems


def _docker(env: Mapping[str, str]) -> DockerSettings:
    return DockerSettings(
        url=env["HABARI_DOCKER_URL"],
        prefix=env["HABARI_DOCKER_PREFIX"],
        image=env["HABARI_SERVER_IMAGE"],
        user=env["HABARI_SERVER_USER"],
        memory=env["HABARI_SERVER_MEMORY"],
        cpus=float(env["HABARI_SERVER_CPUS"]),
        internet=env["HABARI_SERVER_INTERNET"] == "1",
        network_options=json.loads(env["HABARI_SERVER_NETWORK_OPTIONS"]),
        partners=json.loads(env["HABARI_SERVER_PARTNERS"]),
        labels=json.loads(env["HABARI_SERVER_LABELS"]),
    )


def names_in(text: str) -> frozenset[str]:
    """The names in a list by comma, in small letters, as GitHub doesn't tell letters apart."""
    return frozenset(name.strip().lower() for name in text.split(",") if name.strip())
