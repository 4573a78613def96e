"""Where people find production, and by what: as routes and services are rendered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from habari_local.helm_values.behavior.finding import Finding, of_trait
from habari_local.helm_values.behavior.sign_in import OAUTH, kinds
from habari_local.helm_values.evaluate import Evaluation
from habari_local.helm_values.rules.ingress_and_tls import (
    HOSTS,
    MANAGED,
    OWN_HTTPS,
    PATH,
    ROUTE,
    untrusted,
)
from habari_local.helm_values.rules.sign_in import split
from habari_local.helm_values.values import Data, Place, at, map_at, text_at, texts_at

NO_SECRET = ("oauthenticator.generic.GenericOAuthenticator",)  # may ask as a public client


@dataclass
class Ways:
    """How people come to the hub: the hosts of each way, those without a certificate."""

    hosts: list[str] = field(default_factory=list)
    bare: list[tuple[Place, str]] = field(default_factory=list)
    count: int = 0  # of ways by https
    any_host: bool = False  # one of them is opened by a name that is not in the values


def ways(evaluation: Evaluation) -> Ways:
    """Return the ways that are rendered: Ingress, HTTPRoute, a load balancer of the proxy's own."""
    found = Ways()
    for each in evaluation.manifests:
        if each.get("kind") == "Ingress":
            _of_ingress(each, found)
        elif each.get("kind") == "HTTPRoute":  # its gateway has the certificate
            found.count += 1
            found.hosts += texts_at(each, "spec", "hostnames")
            found.any_host |= not texts_at(each, "spec", "hostnames")
        elif each.get("kind") == "Service" and _is_public(each):
            _of_service(evaluation, each, found)
    return found


def _is_public(service: Data) -> bool:
    return text_at(service, "metadata", "name").endswith("proxy-public")


def _of_ingress(ingress: Data, found: Ways) -> None:
    rules = at(ingress, ("spec", "rules")) or []
    hosts = [str(each.get("host") or "") for each in rules if isinstance(each, dict)]
    found.hosts += [each for each in hosts if each]
    found.count += 1
    tls = [each for each in at(ingress, ("spec", "tls")) or [] if isinstance(each, dict)]
    covered = {str(host).lower() for each in tls for host in each.get("hosts") or ()}
    if not any(hosts):
        found.hosts += sorted(covered)
        found.bare.append((HOSTS, "empty, the name that people open was expected"))
    if any(MANAGED.search(str(name)) for name in map_at(ingress, "metadata", "annotations")):
        return
    everything = any(not each.get("hosts") for each in tls)
    for number, host in enumerate(hosts):
        known = {host.lower(), f"*.{host.lower().partition('.')[2]}"}
        if host and not (everything or known & covered):
            says = "not among the hosts of ingress.tls: no certificate for it"
            found.bare.append(((*HOSTS, number), says))


def _of_service(evaluation: Evaluation, service: Data, found: Ways) -> None:
    ports = [each for each in at(service, ("spec", "ports")) or [] if isinstance(each, dict)]
    own = any(each.get("port") == 443 or each.get("name") == "https" for each in ports)
    notes = map_at(service, "metadata", "annotations")
    managed = any(MANAGED.search(str(name)) for name in notes)
    if own or managed:
        hosts = texts_at(evaluation.whole, *OWN_HTTPS, "hosts")
        found.count += 1
        found.hosts += hosts
        found.any_host |= not hosts


def tls(evaluation: Evaluation) -> Iterator[Finding]:
    """Something in front of the proxy has a certificate for every name."""
    if not evaluation.manifests:
        return
    found = ways(evaluation)
    if not found.count and at(evaluation.whole, (*OWN_HTTPS, "enabled")) is True:
        says = "empty: the chart asks for no certificate, and speaks http"
        yield Finding((*OWN_HTTPS, "hosts"), says)
    elif not found.count:
        says = "neither ingress nor proxy.https is enabled: no https"
        yield Finding(("ingress", "enabled"), says)
    for place, says in (*found.bare, *untrusted(evaluation.whole)):
        yield Finding(place, says)


def callback(evaluation: Evaluation) -> Iterator[Finding]:
    """The provider sends people back to this address: by https, to the host that they opened."""
    traits = evaluation.get("authenticator", "traits")
    if not traits or OAUTH not in kinds(evaluation):
        return

    def finding(says: str) -> Finding:
        return of_trait(evaluation, "authenticator", "oauth_callback_url", says)

    url = str(traits.get("oauth_callback_url") or "")
    if not url:
        yield finding(f"not set, https://HOST{PATH} was expected")
        return
    parts, found = split(url), ways(evaluation)
    if parts.scheme != "https":
        yield finding("not https: whoever is on the way could sign in as another person")
    base = text_at(evaluation.whole, "hub", "baseUrl").strip("/")
    path = f"/{base}{PATH}" if base else PATH
    if parts.path != path:
        yield finding(f"its path is not the hub's, {path} was expected")
    if "@" in parts.netloc:
        yield finding("has a name before its host, the host alone was expected")
    of_ingress = at(evaluation.whole, ("ingress", "enabled")) is True
    if of_ingress and parts.port not in (None, 443):
        yield finding("its port is not that of https, at which an ingress listens")
    host = (parts.hostname or "").lower()
    known = {each.lower() for each in found.hosts}
    if known and not found.any_host and not {host, f"*.{host.partition('.')[2]}"} & known:
        where = ".".join(map(str, _named(evaluation)))
        yield finding(f"its host is none that people open, one of {where} was expected")


def _named(evaluation: Evaluation) -> Place:
    kinds_of = {each.get("kind") for each in evaluation.manifests}
    if "Ingress" in kinds_of:
        return HOSTS
    return (*ROUTE, "hostnames") if "HTTPRoute" in kinds_of else (*OWN_HTTPS, "hosts")


def client_secret(evaluation: Evaluation) -> Iterator[Finding]:
    """The secret of the OAuth app must come from somewhere, if only from elsewhere."""
    traits, names = evaluation.get("authenticator", "traits"), kinds(evaluation)
    if not traits or OAUTH not in names or set(NO_SECRET) & set(names):
        return
    if not traits.get("client_secret") and not text_at(evaluation.whole, "hub", "existingSecret"):
        says = "not set, and no client_secret comes from anywhere else"
        yield Finding(("hub", "existingSecret"), says)
