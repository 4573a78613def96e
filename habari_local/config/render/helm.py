"""The chart's values that settings decide: the third layer, each value with its reason as comment.

The layers are config.dist.yaml (production), kind/values.yaml (what every machine has in common)
and this one; later ones win.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from habari_local.config.render import compose
from habari_local.config.secrets import Secrets
from habari_local.config.settings import FAKE_GITHUB_PATH, Settings
from habari_local.core.container_user import JOVYAN, USERS
from habari_local.core.yaml11 import quoted

PAGES = "habari-pages"  # the map of files that holds hub/templates
DASHBOARD = "habari-dashboard"  # the one that holds hub/habari_dashboard
PROJECT = "/habari/project"  # where a node has the project's folder
HUB_API_SCOPES = [
    *("admin:users", "admin:servers", "access:servers", "tokens"),
    *("list:services", "read:hub", "read:roles", "read:metrics", "proxy", "shutdown"),
    "access:services!service=dashboard",
]


@dataclass(frozen=True)
class Value:
    """One value: where it stands in the chart's values, and why it is not production's."""

    path: tuple[str, ...]
    value: Any
    reason: str


@dataclass(frozen=True)
class HubFiles:
    """Out of the checkout's hub/: Python for hub.extraConfig, and the digest of its pages."""

    local_addresses: str
    pages: str = ""


def values(
    settings: Settings,
    secrets: Secrets,
    images: Mapping[str, str],
    server: Mapping[str, str],
    account: int = JOVYAN,
    hub: HubFiles | None = None,
) -> list[Value]:
    """Return the values.

    Args:
        settings: of this call.
        secrets: of the platform.
        images: what runs instead of the chart's own `hub`, `proxy`, `notebook`: REPOSITORY:TAG.
        server: what users' servers are told of S3, without the key, which is in a secret.
        account: the number of the account that owns the folder of PROJECT_PATH.
        hub: what the checkout's hub/ has for a hub that is the chart's own.
    """
    hub = hub or HubFiles("")
    return [
        *_images(images),
        *_kept(secrets),
        *_sign_in(settings, secrets),
        *(() if settings.real_github else _fake_github(hub)),
        *_pages(settings, hub),
        _dashboard(settings),
        *_suite(secrets),
        *_servers(settings, server),
        *_account(account),
    ]


def _images(images: Mapping[str, str]) -> Iterator[Value]:
    places = {"hub": ("hub",), "proxy": ("proxy", "chp"), "notebook": ("singleuser",)}
    for name, reference in images.items():
        repository, _, tag = reference.rpartition(":")
        path = (*places[name], "image")
        yield Value(
            (*path, "name"), repository, "Built here, from the registry beside the cluster."
        )
        yield Value((*path, "tag"), tag, "A hash of all that goes into the image.")


def _kept(secrets: Secrets) -> Iterator[Value]:
    """What must be the same after a restart: the chart would make another at the second upgrade."""
    config, why = ("hub", "config"), "Made once by the tool, so that an upgrade ends no session."
    yield Value((*config, "JupyterHub", "cookie_secret"), secrets["cookie_secret"], why)
    yield Value((*config, "ConfigurableHTTPProxy", "auth_token"), secrets["proxy_token"], why)
    yield Value((*config, "CryptKeeper", "keys"), [secrets["crypt_key"]], why)
    path = "sqlite:////srv/jupyterhub/jupyterhub.sqlite"
    where = "Where the chart mounts the volume: our image works in another folder than the chart's."
    yield Value((*config, "JupyterHub", "db_url"), path, where)


def _sign_in(settings: Settings, secrets: Secrets) -> Iterator[Value]:
    path = ("hub", "config", "GitHubOAuthenticator")
    secret = settings.github_client_secret.get_secret_value()
    real = settings.real_github
    whose = (
        "Of HABARI_GITHUB_CLIENT_ID." if real else "The fake GitHub's: made once, known to nobody."
    )
    found = settings.github_client_id or secrets["github_client_id"]
    yield Value((*path, "client_id"), found, whose)
    yield Value((*path, "client_secret"), secret or secrets["github_client_secret"], whose)
    callback = f"{public_url(settings)}/hub/oauth_callback"
    yield Value((*path, "oauth_callback_url"), callback, "The address on this machine.")
    if not real:
        pod = "Where the hub's pod finds the fake GitHub."
        yield Value((*path, "github_api"), "http://github:8008/api/v3", pod)
        token = "http://github:8008/login/oauth/access_token"  # noqa: S105 (an address)
        yield Value((*path, "token_url"), token, pod)
    yield Value((*path, "admin_users"), list(settings.admin_users), "Of HABARI_ADMIN_USERS.")
    yield Value((*path, "allowed_users"), list(settings.allowed_users), "Of HABARI_ALLOWED_USERS.")
    if settings.allowed_organizations:
        found_in = list(settings.allowed_organizations)
        yield Value((*path, "allowed_organizations"), found_in, "Of HABARI_ALLOWED_ORGANIZATIONS.")
        yield Value((*path, "scope"), ["read:org"], "GitHub tells of memberships to this alone.")


def _fake_github(hub: HubFiles) -> Iterator[Value]:
    """Shown by the proxy at the address that people open, and back to that one: hub/habari_hub."""
    browser = "Where a browser finds the fake GitHub: at whichever address Habari was opened."
    page = f"{FAKE_GITHUB_PATH}/login/oauth/authorize"
    yield Value(("hub", "config", "GitHubOAuthenticator", "authorize_url"), page, browser)
    routes = {f"{FAKE_GITHUB_PATH}/": "http://github:8008"}
    where = ("hub", "config", "ConfigurableHTTPProxy", "extra_routes")
    yield Value(where, routes, "The proxy's way to the fake GitHub.")
    back = "A sign-in ends at the address of this machine that it began at, localhost or another."
    chosen = "c.JupyterHub.authenticator_class"
    code = f"{hub.local_addresses}\n{chosen} = at_local_addresses({chosen})\n"
    # The chart runs these in the order of their names: after production's own `signIn`.
    yield Value(("hub", "extraConfig", "signInLocally"), code, back)


def _pages(settings: Settings, hub: HubFiles) -> Iterator[Value]:
    """Habari's name and logo on the hub's pages: hub/templates, as docs/how-to has it for yours."""
    why = "Habari's name and logo on the hub's pages."
    both = f"{why} And the dashboard."
    places = {PAGES: f"/srv/{PAGES}", DASHBOARD: f"/srv/{DASHBOARD}/habari_dashboard"}
    volumes = [{"name": name, "configMap": {"name": name}} for name in places]
    yield Value(("hub", "extraVolumes"), volumes, both)
    mounts = [{"name": name, "mountPath": path, "readOnly": True} for name, path in places.items()]
    yield Value(("hub", "extraVolumeMounts"), mounts, both)
    config = ("hub", "config", "JupyterHub")
    yield Value((*config, "template_paths"), [f"/srv/{PAGES}"], why)
    once = "A hub reads its pages when it starts: other pages make another pod."
    yield Value(("hub", "annotations", "dev.habari/pages"), hub.pages, once)
    told = {"fake_github": not settings.real_github}
    yield Value((*config, "template_vars"), told, "The sign-in page says so where GitHub is fake.")


def _dashboard(settings: Settings) -> Value:
    """The service of hub/habari_dashboard; kind/manifests/dashboard.yaml is the way to it."""
    parts = compose.health(settings, "http://proxy-public")
    bind, url = "0.0.0.0:8082", "http://dashboard:8082"
    api = "http://127.0.0.1:8081/hub/api"  # the chart's policy keeps the hub from its own service
    code = (
        f"import sys\nsys.path.insert(0, '/srv/{DASHBOARD}')\n"
        "from habari_dashboard import hub_config\n"
        f"hub_config.configure(c, {bind!r}, {url!r}, {parts!r}, {api!r})\n"
    )
    return Value(("hub", "extraConfig", "dashboard"), code, "The dashboard for admins.")


def _suite(secrets: Secrets) -> Iterator[Value]:
    why = (
        "The tool and its end-to-end suite look at users and servers; production has no such token."
    )
    yield Value(("hub", "services", "habari-local", "apiToken"), secrets["hub_api_token"], why)
    role = {"scopes": HUB_API_SCOPES, "services": ["habari-local"]}
    yield Value(("hub", "loadRoles", "habari-local"), role, why)


def _servers(settings: Settings, server: Mapping[str, str]) -> Iterator[Value]:
    for name, text in server.items():
        where = "S3 is in the cluster and its buckets are the settings'."
        # KubeSpawner takes braces for its own, {username} for one.
        plain = text.replace("{", "{{").replace("}", "}}")
        yield Value(("singleuser", "extraEnv", name), plain, where)
    yield Value(
        ("singleuser", "memory", "limit"),
        settings.server_memory or None,
        "Of HABARI_SERVER_MEMORY.",
    )
    yield Value(
        ("singleuser", "memory", "guarantee"), "256M", "A laptop promises less than a cluster."
    )
    yield Value(
        ("singleuser", "cpu", "limit"), settings.server_cpus or None, "Of HABARI_SERVER_CPUS."
    )
    yield Value(("singleuser", "cpu", "guarantee"), 0.05, "A laptop promises less than a cluster.")
    folder = "The folder of PROJECT_PATH, which developers see in their servers."
    volume = [{"name": "project", "hostPath": {"path": PROJECT, "type": "Directory"}}]
    mount = [{"name": "project", "mountPath": "/home/jovyan/project"}]
    yield Value(("singleuser", "storage", "extraVolumes"), volume, folder)
    yield Value(("singleuser", "storage", "extraVolumeMounts"), mount, folder)
    yield Value(
        ("singleuser", "storage", "capacity"), "1Gi", "A disk of one machine; nothing is reserved."
    )
    after = settings.cull_after
    yield Value(("cull", "enabled"), bool(after), "Of HABARI_CULL_AFTER.")
    if after:
        yield Value(("cull", "timeout"), after, "Of HABARI_CULL_AFTER.")
        yield Value(("cull", "every"), max(1, min(60, after // 2)), "Of HABARI_CULL_AFTER.")


def _account(number: int) -> Iterator[Value]:
    if number == JOVYAN:
        return
    why = "Yours: as the image's own a server could not write the folder of PROJECT_PATH."
    yield Value(("singleuser", "uid"), number, why)
    group = "Users, as the image's own account has it: another one would be of the group root."
    yield Value(("hub", "config", "KubeSpawner", "gid"), USERS, group)


def public_url(settings: Settings) -> str:
    """Return the address that people open, without a slash at its end."""
    return f"http://localhost:{settings.port('hub')}"


def as_yaml(found: Sequence[Value]) -> str:
    """Return values as the text of a file, each reason as a comment above its value."""
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap

    root = CommentedMap()
    for each in found:
        place = root
        for key in each.path[:-1]:
            place = place.setdefault(quoted(key), CommentedMap())
        # As plain data: no anchors for what stands twice.
        place[quoted(each.path[-1])] = quoted(json.loads(json.dumps(each.value)))
        indent = 2 * (len(each.path) - 1)
        place.yaml_set_comment_before_after_key(each.path[-1], before=each.reason, indent=indent)
    text = io.StringIO()
    yaml = YAML()
    yaml.width = 10_000
    yaml.dump(root, text)
    return text.getvalue()
