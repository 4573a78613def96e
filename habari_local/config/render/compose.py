"""The files that Compose reads: what `compose/*.yml` calls ${UP_…}, and services' environments."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from habari_local.config.render.dist import as_text
from habari_local.config.secrets import Secrets
from habari_local.config.settings import FAKE_GITHUB_PATH, Settings

# Docker gives the bridge of such a network no address of the host's: a container on it does not
# reach what listens on all of those.
NO_GATEWAY = {"com.docker.network.bridge.inhibit_ipv4": "true"}
Environment = dict[str, str]
People = Sequence[Mapping[str, object]]


@dataclass(frozen=True)
class Place:
    """What the machine and the checkout add to the settings.

    `user` and `docker_group` are numbers as containers take them; `images` are references by name.
    """

    mode: str
    checkout: str
    folder: Path
    project_path: Path
    user: str
    docker_socket: Path
    docker_group: int
    images: Mapping[str, str]
    bind_label: str = ""  # what the options of bind mounts end with
    gateways: bool = False  # the engine gives every network's bridge an address, whatever is asked

    @property
    def project(self) -> str:
        """The name of the Compose project, and what all names in the engine begin with."""
        return f"habari-{self.checkout}-{self.mode}"

    @property
    def project_inode(self) -> int:
        """The number of the project folder's inode; 0 where it is not there."""
        return self.project_path.stat().st_ino if self.project_path.is_dir() else 0

    def container(self, service: str) -> str:
        """The name that Compose gives a service's container."""
        return f"{self.project}-{service}-1"


def public_url(settings: Settings) -> str:
    """Return the address that people open, without a slash at its end."""
    return f"http://localhost:{settings.port('hub')}"


def variables(settings: Settings, place: Place) -> Environment:
    """Return what the Compose files leave open."""
    profiles = {"s3": settings.s3_backend != "aws", "github": not settings.real_github}
    return {
        "COMPOSE_PROFILES": ",".join(name for name, wanted in profiles.items() if wanted),
        "UP_PROJECT": place.project,
        "UP_MODE": place.mode,
        "UP_CHECKOUT": place.checkout,
        "UP_FOLDER": str(place.folder),
        "UP_S3_BACKEND": settings.s3_backend,
        "UP_PROJECT_PATH": str(place.project_path),
        "UP_PROJECT_INODE": str(place.project_inode),
        "UP_USER": place.user,
        "UP_DOCKER_SOCKET": str(place.docker_socket),
        "UP_DOCKER_GROUP": str(place.docker_group),
        "UP_BIND_LABEL": place.bind_label,
        "UP_PORT_HUB": str(settings.port("hub")),
        "UP_PORT_S3": str(settings.port("s3")),
        "UP_PORT_GITHUB": str(settings.port("github")),
        "UP_PORT_NOTEBOOK": str(settings.port("notebook")),
        **{f"UP_IMAGE_{name.upper()}": reference for name, reference in place.images.items()},
    }


def s3(secrets: Secrets) -> Environment:
    """Return the environment of S3."""
    return {
        "HABARI_S3_ROOT_ACCESS_KEY_ID": secrets["s3_root_access_key_id"],
        "HABARI_S3_ROOT_SECRET_ACCESS_KEY": secrets["s3_root_secret_access_key"],
    }


def database(secrets: Secrets) -> Environment:
    """Return the environment of PostgreSQL."""
    return {
        "POSTGRES_USER": "habari",
        "POSTGRES_DB": "habari",
        "POSTGRES_PASSWORD": secrets["database_password"],
    }


def proxy(secrets: Secrets) -> Environment:
    """Return the environment of the proxy."""
    return {"CONFIGPROXY_AUTH_TOKEN": secrets["proxy_token"]}


def github(settings: Settings, secrets: Secrets, people: People) -> Environment:
    """Return the environment of the fake GitHub."""
    return {
        "HABARI_GITHUB_CLIENT_ID": secrets["github_client_id"],
        "HABARI_GITHUB_CLIENT_SECRET": secrets["github_client_secret"],
        "HABARI_GITHUB_CONTROL_TOKEN": secrets["github_control_token"],
        "HABARI_GITHUB_REDIRECT_URI": f"{public_url(settings)}/hub/oauth_callback",
        "HABARI_GITHUB_ALLOWED_HOSTS": "github",
        "HABARI_GITHUB_USERS": json.dumps(people),
    }


def socket(settings: Settings, place: Place) -> Environment:
    """Return the environment of the socket proxy: what the hub may ask of the engine."""
    return {
        "HABARI_SOCKET_PREFIX": f"{place.project}-",
        "HABARI_SOCKET_IMAGE": place.images["notebook"],
        "HABARI_SOCKET_USER": place.user,
        "HABARI_SOCKET_DOCKER_GROUP": str(place.docker_group),
        "HABARI_SOCKET_FOLDER": str(place.project_path),
        "HABARI_SOCKET_PARTNERS": json.dumps(partners(settings, place)),
        "HABARI_SOCKET_LABELS": json.dumps(labels(place)),
        "HABARI_SOCKET_INTERNET": str(int(needs_internet(settings))),
        "HABARI_SOCKET_NETWORK_OPTIONS": json.dumps(network_options(settings, place)),
    }


def partners(settings: Settings, place: Place) -> Environment:
    """Return the containers that join users' networks, and the name that each has there."""
    names = ["hub", "proxy", *(["s3"] if settings.s3_backend != "aws" else [])]
    return {place.container(name): name for name in names}


def labels(place: Place) -> Environment:
    """Return the labels of all that is made for users; `dev.habari.user` comes to them."""
    return {"dev.habari.mode": place.mode, "dev.habari.checkout": place.checkout}


def needs_internet(settings: Settings) -> bool:
    """Whether users' servers must reach the world outside: to get to an S3 that is there."""
    return settings.s3_backend == "aws"


def network_options(settings: Settings, place: Place) -> Environment:
    """Return the options of users' networks; the way outside is the host's address there."""
    return {} if place.gateways or needs_internet(settings) else NO_GATEWAY


def hub(settings: Settings, secrets: Secrets, place: Place) -> Environment:
    """Return the environment of the hub; its file is read by hub/habari_hub/settings.py."""
    real = settings.real_github
    password = secrets["database_password"]
    secret = settings.github_client_secret.get_secret_value()
    return {
        "HABARI_PUBLIC_URL": public_url(settings),
        "HABARI_HUB_BIND_URL": "http://0.0.0.0:8081",
        "HABARI_HUB_CONNECT_URL": "http://hub:8081",
        "HABARI_PROXY_API_URL": "http://proxy-control:8001",
        "CONFIGPROXY_AUTH_TOKEN": secrets["proxy_token"],
        "HABARI_HUB_DB_URL": f"postgresql+psycopg2://habari:{password}@db:5432/habari",
        "HABARI_HUB_API_TOKEN": secrets["hub_api_token"],
        "JUPYTERHUB_CRYPT_KEY": secrets["crypt_key"],
        "JPY_COOKIE_SECRET": secrets["cookie_secret"],
        "HABARI_GITHUB_URL": "https://github.com" if real else "http://github:8008",
        "HABARI_GITHUB_INTERNAL_URL": "https://github.com" if real else "http://github:8008",
        "HABARI_GITHUB_PATH": "" if real else FAKE_GITHUB_PATH,
        "HABARI_GITHUB_API_URL": "https://api.github.com" if real else "http://github:8008/api/v3",
        "HABARI_GITHUB_CLIENT_ID": settings.github_client_id or secrets["github_client_id"],
        "HABARI_GITHUB_CLIENT_SECRET": secret or secrets["github_client_secret"],
        "HABARI_ADMIN_USERS": ",".join(settings.admin_users),
        "HABARI_ALLOWED_USERS": ",".join(settings.allowed_users),
        "HABARI_ALLOWED_ORGANIZATIONS": ",".join(settings.allowed_organizations),
        "HABARI_CULL_AFTER": str(settings.cull_after),
        **dashboard(settings),
        "HABARI_SPAWNER": "docker",
        "HABARI_DOCKER_URL": "tcp://socket:2375",
        "HABARI_DOCKER_PREFIX": place.project,
        "HABARI_SERVER_IMAGE": place.images["notebook"],
        "HABARI_SERVER_USER": place.user,
        "HABARI_SERVER_MEMORY": settings.server_memory,
        "HABARI_SERVER_CPUS": as_text(settings.server_cpus),
        "HABARI_SERVER_INTERNET": str(int(needs_internet(settings))),
        "HABARI_SERVER_NETWORK_OPTIONS": json.dumps(network_options(settings, place)),
        "HABARI_SERVER_PARTNERS": json.dumps(partners(settings, place)),
        "HABARI_SERVER_LABELS": json.dumps(labels(place)),
        "HABARI_SERVER_ENV_FILE": "/run/habari/server.env",
        "PROJECT_PATH": str(place.project_path),
    }


def dashboard(settings: Settings) -> Environment:
    """Return what has the hub start the dashboard, where nobody but the proxy reaches it."""
    return {
        "HABARI_DASHBOARD_BIND": "hub-control:8082",
        "HABARI_DASHBOARD_URL": "http://hub-control:8082",
        "HABARI_DASHBOARD_HEALTH": json.dumps(health(settings, "http://proxy:8000")),
    }


def health(settings: Settings, proxy: str) -> dict[str, str]:
    """Return where each part answers the dashboard when it is well, as containers reach it."""
    parts = {"proxy": f"{proxy}/_chp_healthz", "hub": "http://127.0.0.1:8081/hub/health"}
    if not settings.real_github:
        parts = {"github": "http://github:8008/_habari/health", **parts}
    if settings.s3_backend != "aws":
        parts = {"s3": "http://s3:4566/_habari/health", **parts}
    return parts


def of_hub_mode(
    settings: Settings, secrets: Secrets, place: Place, people: People
) -> dict[str, str]:
    """Return the files of mode hub: name → text; `people` are those whom the fake GitHub knows."""
    files = {
        "compose": variables(settings, place),
        "s3": s3(secrets),
        "db": database(secrets),
        "proxy": proxy(secrets),
        "github": github(settings, secrets, people),
        "socket": socket(settings, place),
        "hub": hub(settings, secrets, place),
    }
    return {f"{name}.env": as_dotenv(values) for name, values in files.items()}


def of_nohub_mode(
    settings: Settings, secrets: Secrets, place: Place, server: Environment
) -> dict[str, str]:
    """Return the files of mode nohub: name → text; `server` is what the notebook server gets."""
    files = {
        "compose": variables(settings, place),
        "s3": s3(secrets),
        "notebook": {**server, "JUPYTER_TOKEN": secrets["notebook_token"]},
    }
    return {f"{name}.env": as_dotenv(values) for name, values in files.items()}


def as_dotenv(values: Mapping[str, str]) -> str:
    """Return the text of a .env file; a value with both a backslash and `$` is Compose's alone."""
    return "".join(f"{name}={_quoted(value)}\n" for name, value in values.items())


def _quoted(value: str) -> str:
    # In single quotes `$` is itself, and a backslash is read in two ways; in double ones in one.
    if "\\" not in value:
        return "'" + value.replace("'", "\\'") + "'"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'
