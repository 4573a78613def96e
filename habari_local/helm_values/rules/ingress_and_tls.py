"""Where production is found, and where it finds S3."""

from __future__ import annotations

import re
from collections.abc import Iterator

from habari_local.helm_values.rules.hub_settings import CONFIG, code, settings
from habari_local.helm_values.rules.sign_in import CLASS, GITHUB, split
from habari_local.helm_values.values import (
    Data,
    Place,
    at,
    leaves,
    map_at,
    name_at,
    text_at,
    texts_at,
)

HOSTS: Place = ("ingress", "hosts")
PATH = "/hub/oauth_callback"
OWN_HTTPS: Place = ("proxy", "https")
ROUTE: Place = ("httpRoute",)
ACME: Place = (*OWN_HTTPS, "letsencrypt", "acmeServer")
# Let's Encrypt's directory for trying out: no browser trusts its certificates.
STAGING = re.compile(r"(^|\.)acme-staging[\w-]*\.")
ENVIRONMENT: Place = ("singleuser", "extraEnv")
# How the S3 of this repository's modes is called: in kind, in Compose, as programs.
S3_STAND_IN = re.compile(
    r"^(localhost|127\..*|\[?::1\]?|.*\.localhost|s3|s3\.[\w-]+(\.svc(\..*)?)?|.*(moto|localstack).*)$"
)
ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")
# Annotations by which a certificate is managed outside the ingress.
MANAGED = re.compile(
    r"managed-certificates$|pre-shared-cert$|certificate-arn$|ssl-cert(ificate)?$|ssl-redirect-port$"
    r"|router\.tls(\.certresolver)?$|backend-config$|(^|/)certificate|certificate-name$|certmap$"
)
NO_OAUTH = re.compile(
    r"ldap|lti|hmac|dummy|null|native|first|pam|saml|remote|header|jwt", re.IGNORECASE
)


def callback(data: Data) -> Iterator[tuple[Place, str]]:
    """GitHub sends people back to this address: by https, to the host that they opened."""
    given = [
        (each.place, each.value)
        for each in settings(data)
        if each.trait == "oauth_callback_url" and isinstance(each.value, str) and each.value
    ]
    computed = any("oauth_callback_url" in text for _, text in code(data))
    variables = str(at(data, ("hub", "extraEnv"), ""))
    computed |= "OAUTH_CALLBACK_URL" in variables or bool(NO_OAUTH.search(text_at(data, *CLASS)))
    if not (given or computed):
        yield (*GITHUB, "oauth_callback_url"), f"not set, https://HOST{PATH} was expected"
    for place, url in given:
        if "://" in url or place[:2] == CONFIG:
            yield from ((place, says) for says in _wrong(data, url))


def _wrong(data: Data, url: str) -> Iterator[str]:
    parts = split(url)
    if parts.scheme != "https":
        yield "not https: whoever is on the way could sign in as another person"
    base = text_at(data, "hub", "baseUrl").strip("/")
    path = f"/{base}{PATH}" if base else PATH
    if parts.path != path:
        yield f"its path is not the hub's, {path} was expected"
    if "@" in parts.netloc:
        yield "has a name before its host, the host alone was expected"
    hosts = {each.lower() for each in _hosts(data)}
    host = (parts.hostname or "").lower()
    wildcard = f"*.{host.partition('.')[2]}"
    if hosts and host not in hosts and wildcard not in hosts:
        yield "its host is none that people open, one of ingress.hosts was expected"


def tls(data: Data) -> Iterator[tuple[Place, str]]:
    """Something in front of the proxy has a certificate for every name."""
    ingress = at(data, ("ingress", "enabled")) is True
    if not (ingress or _elsewhere(data)):
        yield ("ingress", "enabled"), "neither ingress nor proxy.https is enabled: no https"
    yield from untrusted(data)
    if not ingress or _managed(data, ("ingress", "annotations")):
        return
    covered, everything = _covered(data)
    hosts = texts_at(data, *HOSTS)
    if not hosts and not text_at(data, *HOSTS):  # a text is told by the schema
        yield HOSTS, "empty, the name that people open was expected"
    for number, host in enumerate(hosts):
        known = {host.lower(), f"*.{host.lower().partition('.')[2]}"}
        if not (everything or known & covered):
            yield (*HOSTS, number), "not among the hosts of ingress.tls: no certificate for it"


def untrusted(data: Data) -> Iterator[tuple[Place, str]]:
    """Yield the directory of the proxy's certificates, if it is one for trying out."""
    own = at(data, (*OWN_HTTPS, "enabled")) is True
    kind = text_at(data, *OWN_HTTPS, "type") or "letsencrypt"  # the chart's default
    host = split(text_at(data, *ACME)).hostname or ""
    if own and kind == "letsencrypt" and STAGING.search(host):
        says = "gives certificates that no browser trusts, Let's Encrypt's own was expected"
        yield ACME, f"{says}: https://acme-v02.api.letsencrypt.org/directory"


def _elsewhere(data: Data) -> bool:
    """Whether https is spoken by the proxy, a gateway, or the load balancer in front of it."""
    return (
        at(data, (*OWN_HTTPS, "enabled")) is True
        or at(data, (*ROUTE, "enabled")) is True
        or _managed(data, ("proxy", "service", "annotations"))
    )


def _managed(data: Data, place: Place) -> bool:
    return any(MANAGED.search(str(name)) for name in map_at(data, *place))


def s3(data: Data) -> Iterator[tuple[Place, str]]:
    """Servers use the S3 of production; its data outlives the cluster."""
    for place, value in leaves(at(data, ENVIRONMENT), ENVIRONMENT):
        host = split(value).hostname if isinstance(value, str) else None
        if name_at(data, place) in ENDPOINTS and S3_STAND_IN.match(host or ""):
            yield place, "the S3 of a laptop, none (AWS) or a lasting one was expected"


def _hosts(data: Data) -> list[str]:
    hosts: list[str] = []
    if at(data, ("ingress", "enabled")) is True:
        hosts += texts_at(data, *HOSTS)
        hosts += [each for each in _covered(data)[0] if not hosts]
    if at(data, (*OWN_HTTPS, "enabled")) is True:
        hosts += texts_at(data, *OWN_HTTPS, "hosts")
    if at(data, (*ROUTE, "enabled")) is True:
        hosts += texts_at(data, *ROUTE, "hostnames")
    return hosts


def _covered(data: Data) -> tuple[set[str], bool]:
    """Return the hosts of ingress.tls, and whether an entry is for all of them."""
    entries = at(data, ("ingress", "tls"))
    count = len(entries) if isinstance(entries, list) else 0
    names = [texts_at(data, "ingress", "tls", number, "hosts") for number in range(count)]
    return {each.lower() for some in names for each in some}, any(not some for some in names)
