"""Who may sign in to production, and who says who somebody is."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from habari_local.helm_values.rules.hub_settings import CODE, CONFIG, Setting, code, settings
from habari_local.helm_values.values import Data, Place, at, map_at, text_at

CLASS: Place = (*CONFIG, "JupyterHub", "authenticator_class")
COOKIES: Place = (*CONFIG, "JupyterHub", "tornado_settings", "cookie_options")
SAME_SITE: Place = (*COOKIES, "samesite")
GITHUB: Place = (*CONFIG, "GitHubOAuthenticator")
# Names of JupyterHub and their classes that ask nobody who they are, one password of all, or a
# name and password that whoever comes first may choose; none has users of the hub's own system.
ASKS_NOBODY = re.compile(
    r"(dummy|null|none|shared-?password|native|first-?use|tmp|pam|local|default|"
    r"(\w+\.)*(Dummy|Null|SharedPassword|Native|FirstUse|Tmp|PAM|Local)Authenticator)",
    re.IGNORECASE,
)
# Names that the packages of the chart's hub register (entry points jupyterhub.authenticators).
KNOWN = {
    *("github", "local-github", "google", "local-google", "azuread", "local-azuread", "auth0"),
    *("local-auth0", "bitbucket", "local-bitbucket", "cilogon", "local-cilogon", "generic-oauth"),
    *("local-generic-oauth", "gitlab", "local-gitlab", "globus", "local-globus", "mediawiki"),
    *("okpy", "local-okpy", "openshift", "local-openshift", "lti11", "lti13", "hmac", "ldap"),
}
# Who gives an account to anybody that asks for one.
PUBLIC = ("GitHub", "Google", "GitLab", "Globus", "CILogon", "Bitbucket", "MediaWiki", "Auth0")
ALLOWS = ("allowed_users", "admin_users", "allowed_organizations", "allowed_groups")
LISTS = ("allowed_users", "admin_users", "blocked_users")
SECRET_VARIABLES = ("GITHUB_CLIENT_SECRET", "OAUTH_CLIENT_SECRET")
EVERYBODY = {"everyone", "everybody", "all", "*", "users", "authenticated", "system:authenticated"}
WEAKENED = {
    "auth_refresh_age": "whoever was taken off a list stays signed in, more than 0 was expected",
    "enable_pkce": "a code that somebody overheard can be used, true was expected",
    "validate_server_cert": "anybody on the way can say who people are, true was expected",
}
CLUSTER_NAMES = (".svc", ".local", ".internal", ".localhost", ".test", ".invalid")


def authenticator(data: Data) -> Iterator[tuple[Place, str]]:
    """Somebody must say who people are."""
    given = [each for each in settings(data) if each.trait == "authenticator_class"]
    if not any(each.value for each in given):
        yield (
            CLASS,
            "not set, and the chart's own lets everybody in as anybody; github was expected",
        )
    for each in given:
        name = each.value
        if not isinstance(name, str):
            if name is not None:
                yield each.place, "no text, the name of an authenticator was expected"
        elif ASKS_NOBODY.fullmatch(name.strip()):
            yield each.place, "lets people in as whom they say they are, github was expected"
        elif name and each.place == CLASS and "." not in name and name not in KNOWN:
            yield each.place, "no authenticator of the chart's hub has this name"
    for place, text in code(data):
        if re.search(r"\b(Dummy|Null|SharedPassword|Tmp|FirstUse)Authenticator\b", text):
            yield place, "uses an authenticator that asks nobody who they are"


def allow_list_set(data: Data) -> Iterator[tuple[Place, str]]:
    """Somebody must be allowed in, since JupyterHub 5 by a rule; and never everybody."""
    found = [each for each in settings(data) if each.cls.endswith("Authenticator")]
    open_to_all = open_to_the_world(data)
    own = [text for _, text in code(data) if "def check_allowed" in text]
    allowed = any("super().check_allowed" not in text for text in own)
    managed = any(each.trait == "manage_groups" and each.value for each in found)
    for each in found:
        allowed |= each.trait.startswith(("allowed_", "admin_")) and bool(_names(each.value))
        allowed |= each.trait == "allow_all" and not open_to_all and bool(each.value)
        yield from ((each.place, says) for says in _open(each, open_to_all, managed))
    if not allowed:
        yield GITHUB, f"nobody may sign in, one of {', '.join(ALLOWS)} was expected"


def _open(each: Setting, open_to_all: bool, managed: bool) -> Iterator[str]:
    """Yield what is wrong with one rule of who is let in."""
    if each.trait == "allow_all" and each.value and open_to_all:
        yield "lets in everybody who has an account anywhere"
    elif each.trait == "allow_existing_users" and each.value:
        yield "lets in whoever was let in once, false was expected"
    elif each.trait == "allowed_teams" and each.cls != "BitbucketOAuthenticator":
        yield "no setting of oauthenticator, allowed_organizations with ORG:TEAM was expected"
    elif each.trait in ("admin_groups", "allowed_groups") and _names(each.value):
        if {str(name).lower() for name in _names(each.value)} & EVERYBODY:
            yield "everybody is in this group, one of some was expected"
        elif not managed and not each.cls.startswith("LDAP"):
            yield "needs manage_groups, without which the hub does not start"
    elif each.trait in LISTS and each.value is not None:
        names = each.value
        if isinstance(names, str) and each.place[:2] == CODE:
            return  # a name of Python's
        if not isinstance(names, list | tuple | set) or not all(
            isinstance(name, str) for name in names
        ):
            yield "no list of texts, names were expected"
        elif any(not name.strip() or name.strip() == "*" for name in names):
            yield "a blank or a star, which is nobody's name"


def _names(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [value] if value.strip() else []
    if not isinstance(value, list | tuple | set | dict):
        return [value] if value else []
    return [name for name in value if not isinstance(name, str) or name.strip()]


def open_to_the_world(data: Data) -> bool:
    """Whether anybody can have an account where people sign in."""
    names = [each.value for each in settings(data) if each.trait == "authenticator_class"]
    words = [str(each).lower() for each in names if each] or ["github"]
    if any(each.trait in CLOSES and _names(each.value) for each in settings(data)):
        return False
    if not any(word in PRIVATE or "oauthenticator.generic" in word for word in words):
        return True
    return any(provider.lower() in word for word in words for provider in PUBLIC)


# An own server, or the own organization at a public one.
CLOSES = ("hosted_domain", "allowed_idps", "github_url", "gitlab_url", "auth0_domain")
PRIVATE = {"generic-oauth", "azuread", "openshift", "lti11", "lti13", "ldap"} | {
    "ldapauthenticator.ldapauthenticator",
    "ltiauthenticator.ltiauthenticator",
    "ltiauthenticator.lti13.auth.lti13authenticator",
}


def client_secret(data: Data) -> Iterator[tuple[Place, str]]:
    """The secret of the OAuth app must come from somewhere, if only from elsewhere."""
    if not text_at(data, *CLASS).lower().endswith(("github", "githuboauthenticator")):
        return
    variables = at(data, ("hub", "extraEnv"))
    listed = variables if isinstance(variables, list) else []
    names = [str(each.get("name")) for each in listed if isinstance(each, dict)]
    names += list(variables) if isinstance(variables, dict) else []
    given = (
        at(data, (*GITHUB, "client_secret")),
        at(data, (*CONFIG, "OAuthenticator", "client_secret")),
        text_at(data, "hub", "existingSecret"),
        set(names) & set(SECRET_VARIABLES),
        any("client_secret" in text for _, text in code(data)),
        at(data, ("hub", "extraFiles")),
        at(data, ("hub", "extraPodSpec", "envFrom")),
    )
    if not any(given):
        yield ("hub", "existingSecret"), "not set, and no client_secret comes from anywhere else"


def no_fake_github(data: Data) -> Iterator[tuple[Place, str]]:
    """People sign in at GitHub itself (or a GitHub Enterprise), never at a fake one."""
    for each in settings(data):
        key, value = each.trait, each.value
        if not each.cls.endswith("Authenticator") or not isinstance(value, str) or not value:
            continue
        asked = key.endswith("_url") or key.startswith("github_")
        own = key in ("oauth_callback_url", "logout_redirect_url", "github_organization_whitelist")
        if asked and not own and "://" in value:
            seen = private_url_reason(value)
            if seen:
                yield each.place, f"{seen}: a fake GitHub, expected GitHub itself"


def private_url_reason(url: str) -> str:
    """Return what shows that an address is one of a machine or a cluster, "" if it is none."""
    parts = split(url)
    host = parts.hostname or ""
    try:
        if not ipaddress.ip_address(host).is_global:
            return "a private address"
    except ValueError:
        if "." not in host or host.endswith(CLUSTER_NAMES):
            return "a name of this machine or cluster"
    return "" if parts.scheme == "https" else "not https"


def split(url: str) -> Any:
    """Return the parts of an address; of what is none, no parts."""
    try:
        parts = urlsplit(url)
        _ = parts.hostname, parts.port
    except ValueError:
        return urlsplit("")
    return parts


def weakened(data: Data) -> Iterator[tuple[Place, str]]:
    """Protections of the sign-in that somebody turned off."""
    for each in settings(data):
        off = isinstance(each.value, bool | int | float) and not each.value
        if each.cls.endswith("Authenticator") and each.trait in WEAKENED and off:
            yield each.place, WEAKENED[each.trait]
    if text_at(data, *SAME_SITE).lower() == "none":
        yield SAME_SITE, "other sites' pages act with the user's session, Lax was expected"
    names = {"github", "githuboauthenticator"}
    if text_at(data, *CLASS).lower().rpartition(".")[2] in names and not any(
        "refresh_user" in text or "authenticator_class" in text for _, text in code(data)
    ):
        says = "without signIn of config.dist.yaml, who is taken off a list stays signed in"
        yield CODE if map_at(data, *CODE) else CLASS, says
