"""Where production is found, and where it finds S3."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from habari_local.helm_values.rules.sign_in import CONFIG, GITHUB
from habari_local.helm_values.values import Data, Place, at, map_at, text_at, texts_at

HOSTS: Place = ("ingress", "hosts")
PATH = "/hub/oauth_callback"
OWN_HTTPS: Place = ("proxy", "https")
# How the S3 of this repository's modes is called: in kind, in Compose, as programs.
S3_STAND_IN = re.compile(r"^(localhost|127\..*|.*\.localhost|s3(\..*)?|.*(moto|localstack).*)$")
ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")


def callback(data: Data) -> Iterator[tuple[Place, str]]:
    """GitHub sends people back to this address: by https, to the host of the ingress."""
    given = [
        ((*CONFIG, name, "oauth_callback_url"), url)
        for name in map_at(data, *CONFIG)
        if (url := text_at(data, *CONFIG, name, "oauth_callback_url"))
    ]
    if not given:
        yield (*GITHUB, "oauth_callback_url"), f"not set, https://HOST{PATH} was expected"
    for place, url in given:
        yield from ((place, says) for says in _wrong(data, url))


def _wrong(data: Data, url: str) -> Iterator[str]:
    parts = urlsplit(url)
    if parts.scheme != "https":
        yield "not https: whoever is on the way could sign in as another person"
    base = text_at(data, "hub", "baseUrl").strip("/")
    path = f"/{base}{PATH}" if base else PATH
    if parts.path != path:
        yield f"its path is not the hub's, {path} was expected"
    hosts = _hosts(data)
    if hosts and (parts.hostname or "") not in {each.lower() for each in hosts}:
        yield "its host is none of the ingress, one of ingress.hosts was expected"


def tls(data: Data) -> Iterator[tuple[Place, str]]:
    """Something in front of the proxy has a certificate for every name."""
    ingress = at(data, ("ingress", "enabled")) is True
    if not (ingress or at(data, (*OWN_HTTPS, "enabled")) is True):
        yield ("ingress", "enabled"), "neither ingress nor proxy.https is enabled: no https"
    if not ingress:
        return
    covered = _covered(data)
    hosts = texts_at(data, *HOSTS)
    if not hosts:
        yield HOSTS, "empty, the name that people open was expected"
    for number, host in enumerate(hosts):
        if host.lower() not in covered and f"*.{host.lower().partition('.')[2]}" not in covered:
            yield (*HOSTS, number), "not among the hosts of ingress.tls: no certificate for it"


def s3(data: Data) -> Iterator[tuple[Place, str]]:
    """Servers use the S3 of production; its data outlives the cluster."""
    for name in ENDPOINTS:
        place = ("singleuser", "extraEnv", name)
        host = urlsplit(text_at(data, *place)).hostname or ""
        if S3_STAND_IN.match(host):
            yield place, "the S3 of a laptop, none (AWS) or a lasting one was expected"


def _hosts(data: Data) -> list[str]:
    if at(data, ("ingress", "enabled")) is True:
        return texts_at(data, *HOSTS)
    return texts_at(data, *OWN_HTTPS, "hosts")


def _covered(data: Data) -> set[str]:
    entries = at(data, ("ingress", "tls"))
    count = len(entries) if isinstance(entries, list) else 0
    names = [texts_at(data, "ingress", "tls", number, "hosts") for number in range(count)]
    return {each.lower() for some in names for each in some}
