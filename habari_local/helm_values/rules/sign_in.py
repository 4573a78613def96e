"""Who may sign in to production, and who says who somebody is."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from habari_local.helm_values.values import Data, Place, leaves, map_at, text_at

CONFIG: Place = ("hub", "config")
CLASS: Place = (*CONFIG, "JupyterHub", "authenticator_class")
COOKIES: Place = (*CONFIG, "JupyterHub", "tornado_settings", "cookie_options")
SAME_SITE: Place = (*COOKIES, "samesite")
GITHUB: Place = (*CONFIG, "GitHubOAuthenticator")
# Names of JupyterHub and their classes that ask nobody who they are, or one password of all.
ASKS_NOBODY = ("dummy", "null", "shared-password")
CLASSES = re.compile(r"\b(Dummy|Null|SharedPassword)Authenticator\b")
EVERYBODY = re.compile(r"\ballow_all\s*=\s*True\b")
ALLOWS = ("allowed_users", "admin_users", "allowed_organizations", "allowed_teams")
WEAKENED = {
    "auth_refresh_age": "whoever was taken off a list stays signed in, more than 0 was expected",
    "enable_pkce": "a code that somebody overheard can be used, true was expected",
    "validate_server_cert": "anybody on the way can say who people are, true was expected",
}
CLUSTER_NAMES = (".svc", ".local", ".internal", ".localhost", ".test", ".invalid")


def authenticator(data: Data) -> Iterator[tuple[Place, str]]:
    """Somebody must say who people are."""
    name = text_at(data, *CLASS)
    if not name:
        yield (
            CLASS,
            "not set, and the chart's own lets everybody in as anybody; github was expected",
        )
    elif name.lower() in ASKS_NOBODY or CLASSES.search(name):
        yield CLASS, "lets people in as whom they say they are, github was expected"
    for place, value in leaves(map_at(data, "hub", "extraConfig"), ("hub", "extraConfig")):
        if isinstance(value, str) and CLASSES.search(value):
            yield place, "uses an authenticator that asks nobody who they are"


def allow_list_set(data: Data) -> Iterator[tuple[Place, str]]:
    """Somebody must be allowed in, since JupyterHub 5 by a rule; and never everybody."""
    allowed = False
    for name, its in _authenticators(data):
        allowed |= any(its.get(each) for each in ALLOWS)
        if its.get("allow_all"):
            yield (*CONFIG, name, "allow_all"), "lets in everybody who has an account anywhere"
    for place, value in leaves(map_at(data, "hub", "extraConfig"), ("hub", "extraConfig")):
        if isinstance(value, str) and EVERYBODY.search(value):
            yield place, "sets allow_all, which lets in everybody who has an account anywhere"
    if not allowed:
        yield GITHUB, f"nobody may sign in, one of {', '.join(ALLOWS)} was expected"


def client_secret(data: Data) -> Iterator[tuple[Place, str]]:
    """The secret of the OAuth app must come from somewhere, if only from elsewhere."""
    given = (
        text_at(data, *GITHUB, "client_secret"),
        text_at(data, "hub", "existingSecret"),
        map_at(data, "hub", "extraEnv", "GITHUB_CLIENT_SECRET"),
    )
    if text_at(data, *CLASS) == "github" and not any(given):
        yield ("hub", "existingSecret"), "not set, and no client_secret comes from anywhere else"


def no_fake_github(data: Data) -> Iterator[tuple[Place, str]]:
    """People sign in at GitHub itself (or a GitHub Enterprise), never at a fake one."""
    for name, its in _authenticators(data):
        for key, value in its.items():
            asked = key.endswith("_url") or key.startswith("github_")
            if asked and key != "oauth_callback_url" and isinstance(value, str) and value:
                seen = private_url_reason(value)
                if seen:
                    yield (*CONFIG, name, key), f"{seen}: a fake GitHub, expected GitHub itself"


def private_url_reason(url: str) -> str:
    """Return what shows that an address is one of a machine or a cluster, "" if it is none."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        if not ipaddress.ip_address(host).is_global:
            return "a private address"
    except ValueError:
        if "." not in host or host.endswith(CLUSTER_NAMES):
            return "a name of this machine or cluster"
    return "" if parts.scheme == "https" else "not https"


def _authenticators(data: Data) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what is said to any class of authenticator: traits are set for parents too."""
    for name, its in map_at(data, *CONFIG).items():
        if name.endswith("Authenticator") and isinstance(its, dict):
            yield name, its


def weakened(data: Data) -> Iterator[tuple[Place, str]]:
    """Protections of the sign-in that somebody turned off."""
    for name, its in _authenticators(data):
        for key, says in WEAKENED.items():
            if key in its and its[key] in (False, 0):
                yield (*CONFIG, name, key), says
    if text_at(data, *SAME_SITE).lower() == "none":
        yield SAME_SITE, "other sites' pages act with the user's session, Lax was expected"
