"""What runs in process mode: each service's command, environment, ports and address.

The environment is of the checkout's making, whatever shell calls `up`: a service whose environment
differs is another service, and restarts. So nothing is taken from the caller but how this machine
reaches the network, and that once: what the platform was first started with holds until it is down.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from habari_local.config.secrets import write_changed
from habari_local.config.settings import FAKE_GITHUB_PATH
from habari_local.core.versions import pinned
from habari_local.drivers import npm, uv
from habari_local.identity.users import people
from habari_local.platform.mode import Context

NAME = "process"
HOST = "127.0.0.1"
HUB_SOURCES = ("jupyterhub_config.py", "habari_hub", "habari_dashboard", "requirements.txt")
PAGES = ("templates/*.html", *(f"habari_dashboard/*.{kind}" for kind in ("html", "js", "css")))
# Of jupyter/: what a server reads when it starts.
SERVER_SOURCES = (
    "singleuser.py",
    "jupyter_server_config.py",
    "lab",
    "habari_contents/habari_contents",
)
PROXY = "node_modules/configurable-http-proxy/bin/configurable-http-proxy"
PRELOADED = ("end_cut_answers.cjs", "listen_on_ipv6_too.cjs")  # of images/proxy: each says why

# Programs of the machine and, on macOS, of Homebrew; never those of a virtual environment.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/homebrew/bin"
# A company's proxies and certificates: without them hub and servers reach neither GitHub nor AWS.
NETWORK = (
    *("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE"),
    "NODE_EXTRA_CA_CERTS",
)
# Component environment → the lock that it is made from.
LOCKS = {
    "hub": "hub/requirements.txt",
    "proxy": "images/proxy/requirements.txt",
    "notebook": "jupyter/requirements.txt",
    "s3-moto": "images/s3/requirements-moto.txt",
    "s3-localstack": "images/s3/requirements-localstack.txt",
}
# uv finds or downloads one.
NEWER_PYTHON = {"s3-localstack": pinned("python", "localstack")}


@dataclass(frozen=True)
class Service:
    """One process of the platform; `ports` maps a setting's variable to the port that it opens.

    `helpers` are the services that it starts itself, and leaves behind when it is killed. `turn` is
    the variable by which one that is to follow a running one gets the FIFO on which it waits for
    that one's end; empty: it can't be started beside it.
    """

    name: str
    title: str
    argv: tuple[str, ...]
    ports: Mapping[str, int]
    health: str
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    sources: tuple[Path, ...] = ()
    helpers: tuple[str, ...] = ()
    turn: str = ""

    @cached_property
    def digest(self) -> str:
        """What a running process must carry to be this service as it should be now."""
        seen = hashlib.sha256(json.dumps([self.argv, sorted(self.env.items())]).encode())
        for source in self.sources:
            for path in sorted(source.rglob("*.py")) if source.is_dir() else [source]:
                seen.update(path.read_bytes())
        return seen.hexdigest()[:16]


def environment(ctx: Context, name: str) -> Path:
    """Return the folder of a component's environment, called after what its lock says.

    Another lock makes another folder: what runs keeps the packages that it was started with, in
    this checkout and in those that share the folder of environments.
    """
    known = uv.digest(ctx.checkout.root / LOCKS[name], NEWER_PYTHON.get(name, ""))
    return ctx.checkout.root / ".habari" / "envs" / f"{name}-{known[:10]}"


def all_of(ctx: Context) -> list[Service]:
    """Return the services that the settings ask for, in the order of their start."""
    wanted = [] if ctx.settings.s3_backend == "aws" else [s3(ctx)]
    if not ctx.settings.real_github:
        wanted.append(github(ctx))
    return [*wanted, proxy(ctx), hub(ctx)]


def s3_environment_name(ctx: Context) -> str:
    """Return the component environment that the S3 backend runs in."""
    return f"s3-{ctx.settings.s3_backend}"


def s3(ctx: Context) -> Service:
    """S3: moto or LocalStack, behind our own journal that keeps what was acknowledged."""
    backend, port = ctx.settings.s3_backend, ctx.settings.port("s3")
    source = ctx.checkout.root / "images" / "s3"
    data = ctx.checkout.root / ".habari" / NAME / f"s3-{backend}"
    python = _program(ctx, s3_environment_name(ctx), "python")
    return Service(
        "s3",
        f"S3 ({backend})",
        (
            *(python, "-m", "habari_s3", "--backend", backend, "--data", str(data)),
            *("--host", HOST, "--port", str(port)),
        ),
        {"HABARI_S3_PORT": port},
        f"http://{HOST}:{port}/_habari/health",
        {
            **base_environment(ctx),
            "PYTHONPATH": str(source),
            "HABARI_S3_ROOT_ACCESS_KEY_ID": ctx.secrets["s3_root_access_key_id"],
            "HABARI_S3_ROOT_SECRET_ACCESS_KEY": ctx.secrets["s3_root_secret_access_key"],
        },
        (source / "habari_s3", source / f"requirements-{backend}.txt"),
    )


def github(ctx: Context) -> Service:
    """The fake GitHub."""
    port = ctx.settings.port("github")
    root = ctx.checkout.root
    script = root / "habari_local" / "identity" / "github.py"
    return Service(
        "github",
        "fake GitHub",
        (_program(ctx, "hub", "python"), str(script), "--host", HOST, "--port", str(port)),
        {"HABARI_GITHUB_PORT": port},
        f"http://{HOST}:{port}/_habari/health",
        {
            **base_environment(ctx),
            "HABARI_GITHUB_CLIENT_ID": ctx.secrets["github_client_id"],
            "HABARI_GITHUB_CLIENT_SECRET": ctx.secrets["github_client_secret"],
            "HABARI_GITHUB_CONTROL_TOKEN": ctx.secrets["github_control_token"],
            "HABARI_GITHUB_REDIRECT_URI": f"{public_url(ctx)}/hub/oauth_callback",
            "HABARI_GITHUB_USERS": json.dumps(people(ctx.settings)),
        },
        (script, root / "hub" / "requirements.txt"),
    )


def proxy(ctx: Context) -> Service:
    """The proxy that people's browsers talk to, apart from the hub so that it outlives one."""
    port, api = ctx.settings.port("hub"), ctx.settings.port("proxy_api")
    source = ctx.checkout.root / "images" / "proxy"
    return Service(
        "proxy",
        "proxy",
        (
            *(
                str(npm.node(environment(ctx, "proxy"))),
                "--max-semi-space-size=1",
                *(f"--require={source / name}" for name in PRELOADED),
                str(environment(ctx, "proxy") / PROXY),
            ),
            *("--ip", HOST, "--port", str(port), "--api-ip", HOST, "--api-port", str(api)),
            *("--error-target", f"{hub_url(ctx)}/hub/error"),
        ),
        {"HABARI_HUB_PORT": port, "HABARI_PROXY_API_PORT": api},
        f"http://{HOST}:{port}/_chp_healthz",
        {
            **base_environment(ctx),
            "CONFIGPROXY_AUTH_TOKEN": ctx.secrets["proxy_token"],
            "HABARI_HUB_PORT": str(port),
        },
        tuple(source / name for name in ("package-lock.json", "requirements.txt", *PRELOADED)),
    )


def hub(ctx: Context) -> Service:
    """JupyterHub, with the configuration that the Docker hub uses too."""
    root, settings, secrets = ctx.checkout.root, ctx.settings, ctx.secrets
    folder = root / ".habari" / NAME
    return Service(
        "hub",
        "JupyterHub",
        (
            *(_program(ctx, "hub", "python"), "-m", "habari_hub"),
            *("-f", str(root / "hub" / "jupyterhub_config.py")),
        ),
        {
            "HABARI_HUB_API_PORT": settings.port("hub_api"),
            "HABARI_DASHBOARD_PORT": settings.port("dashboard"),
        },
        f"{hub_url(ctx)}/hub/health",
        {
            **base_environment(ctx),
            "PYTHONPATH": str(root / "hub"),
            "HABARI_PUBLIC_URL": public_url(ctx),
            "HABARI_HUB_BIND_URL": hub_url(ctx),
            "HABARI_PROXY_API_URL": f"http://{HOST}:{settings.port('proxy_api')}",
            "CONFIGPROXY_AUTH_TOKEN": secrets["proxy_token"],
            "HABARI_HUB_DB_URL": f"sqlite:///{folder / 'jupyterhub.sqlite'}",
            "HABARI_HUB_API_TOKEN": secrets["hub_api_token"],
            "JUPYTERHUB_CRYPT_KEY": secrets["crypt_key"],
            "JPY_COOKIE_SECRET": secrets["cookie_secret"],
            "HABARI_SPAWNER": "process",
            **_sign_in(ctx),
            "HABARI_ADMIN_USERS": ",".join(settings.admin_users),
            "HABARI_ALLOWED_USERS": ",".join(settings.allowed_users),
            "HABARI_ALLOWED_ORGANIZATIONS": ",".join(settings.allowed_organizations),
            "HABARI_CULL_AFTER": str(settings.cull_after),
            **_dashboard(ctx),
            "HABARI_SERVER_COMMAND": shlex.join(
                [_program(ctx, "notebook", "python"), str(root / "jupyter" / "singleuser.py")]
            ),
            "HABARI_SERVER_CONFIG": str(root / "jupyter" / "jupyter_server_config.py"),
            "HABARI_SERVER_ENV_FILE": str(folder / "server.env"),
            "HABARI_SERVER_VERSION_FILE": str(version_file(ctx)),
            "HABARI_HOMES_DIR": str(folder / "homes"),
            "PROJECT_PATH": str(ctx.project_path),
        },
        (
            *(root / "hub" / name for name in HUB_SOURCES),
            *(page for pages in PAGES for page in sorted((root / "hub").glob(pages))),
        ),
        ("idle-culler", "dashboard"),
        "HABARI_HUB_TURN",
    )


def server_version(ctx: Context) -> str:
    """Return what a user's server is known by that is started from the checkout as it is now."""
    folder = ctx.checkout.root / "jupyter"
    seen = hashlib.sha256(environment(ctx, "notebook").name.encode())
    for name in SERVER_SOURCES:
        top = folder / name
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            if path.is_file() and path.suffix in (".py", ".json"):
                seen.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return seen.hexdigest()[:12]


def version_file(ctx: Context) -> Path:
    """Return the file that tells the hub what `server_version` says."""
    return ctx.checkout.root / ".habari" / NAME / "server.version"


def _dashboard(ctx: Context) -> dict[str, str]:
    own = f"{HOST}:{ctx.settings.port('dashboard')}"
    around = [] if ctx.settings.s3_backend == "aws" else [s3(ctx)]
    around += [] if ctx.settings.real_github else [github(ctx)]
    health = {each.name: each.health for each in (*around, proxy(ctx))}
    return {
        "HABARI_DASHBOARD_BIND": own,
        "HABARI_DASHBOARD_URL": f"http://{own}",
        "HABARI_DASHBOARD_HEALTH": json.dumps({**health, "hub": f"{hub_url(ctx)}/hub/health"}),
    }


def _sign_in(ctx: Context) -> dict[str, str]:
    settings, secrets, real = ctx.settings, ctx.secrets, ctx.settings.real_github
    url = "https://github.com" if real else f"http://{HOST}:{settings.port('github')}"
    return {
        "HABARI_GITHUB_URL": url,
        "HABARI_GITHUB_INTERNAL_URL": url,
        "HABARI_GITHUB_PATH": "" if real else FAKE_GITHUB_PATH,
        "HABARI_GITHUB_API_URL": "https://api.github.com" if real else f"{url}/api/v3",
        "HABARI_GITHUB_CLIENT_ID": settings.github_client_id or secrets["github_client_id"],
        "HABARI_GITHUB_CLIENT_SECRET": settings.github_client_secret.get_secret_value()
        or secrets["github_client_secret"],
    }


def public_url(ctx: Context) -> str:
    """Return the address that people open, without a slash at its end."""
    return f"http://localhost:{ctx.settings.port('hub')}"


def hub_url(ctx: Context) -> str:
    """Return the hub's own address behind the proxy."""
    return f"http://{HOST}:{ctx.settings.port('hub_api')}"


def _program(ctx: Context, component: str, name: str) -> str:
    return str(environment(ctx, component) / "bin" / name)


def base_environment(ctx: Context) -> dict[str, str]:
    """Return what every service gets, before what is its own."""
    local = "localhost,127.0.0.1"
    return {
        **network(ctx),
        "PATH": PATH,
        "HOME": str(ctx.checkout.root / ".habari" / NAME),
        "LANG": "C.UTF-8",
        "NO_PROXY": local,
        "no_proxy": local,
        "PYTHONUNBUFFERED": "1",
    }


def network(ctx: Context) -> Mapping[str, str]:
    """Return how the platform reaches the network: as it was started, else as the caller.

    A file that can't be read counts as none: an `up` that finds nothing running writes it.
    """
    try:
        kept = json.loads(_network_file(ctx).read_text(encoding="utf-8"))
        return {name: str(kept[name]) for name in NETWORK if name in kept}
    except (OSError, ValueError, TypeError):
        return {name: ctx.environ[name] for name in NETWORK if ctx.environ.get(name)}


def remember_network(ctx: Context) -> None:
    """Keep how the caller reaches the network, privately: a proxy's URL may have a password."""
    found = {name: ctx.environ[name] for name in NETWORK if ctx.environ.get(name)}
    ctx.checkout.of_mode(NAME)
    write_changed(_network_file(ctx), json.dumps(found, indent=1) + "\n")


def forget_network(ctx: Context) -> None:
    """Drop it: the next `up` takes its caller's."""
    _network_file(ctx).unlink(missing_ok=True)


def is_network_remembered(ctx: Context) -> bool:
    """Whether a running platform has written down what it was started with."""
    return _network_file(ctx).is_file()


def _network_file(ctx: Context) -> Path:
    return ctx.checkout.root / ".habari" / NAME / "network.json"
