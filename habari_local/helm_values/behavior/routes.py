"""Whether what people open gets to the hub: routes, the services behind them, the hub's address."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from habari_local.helm_values.behavior.finding import Finding, of_trait
from habari_local.helm_values.behavior.network import selects
from habari_local.helm_values.behavior.object_values import is_address, items, mapped
from habari_local.helm_values.evaluate import Evaluation
from habari_local.helm_values.values import Data, text_at

LOCAL = ("localhost", "127.0.0.1", "::1")


def routed(evaluation: Evaluation) -> Iterator[Finding]:
    """Behind each route is a service, behind that a pod; each host has a route for all paths."""
    services = {
        text_at(made, "metadata", "name"): made
        for made in evaluation.manifests
        if made.get("kind") == "Service"
    }
    base = _base(evaluation)
    for made in evaluation.manifests:
        if made.get("kind") == "Ingress":
            yield from _of_ingress(made, services, base)
        elif made.get("kind") == "HTTPRoute":
            for _, rule in items(mapped(made, "spec").get("rules")):
                for _, each in items(rule.get("backendRefs")):
                    yield from _of_port(services.get(str(each.get("name"))), each.get("port"))
    for service in services.values():
        wanted = mapped(service, "spec").get("selector")
        if wanted and not any(selects({"matchLabels": wanted}, each) for each in _pods(evaluation)):
            says = f"no pod is behind the service {text_at(service, 'metadata', 'name')}"
            yield Finding(("proxy", "service"), says)


def _base(evaluation: Evaluation) -> str:
    return "/" + text_at(evaluation.whole, "hub", "baseUrl").strip("/")


def _pods(evaluation: Evaluation) -> Iterator[Data]:
    for made in evaluation.manifests:
        yield mapped(mapped(mapped(mapped(made, "spec"), "template"), "metadata"), "labels")


def _of_ingress(made: Data, services: dict[str, Data], base: str) -> Iterator[Finding]:
    for _, rule in items(mapped(made, "spec").get("rules")):
        whole = False
        ours = False
        for _, each in items(mapped(rule, "http").get("paths")):
            backend = mapped(mapped(each, "backend"), "service")
            service = services.get(str(backend.get("name")))
            if service is None:
                continue  # of another release
            port = mapped(backend, "port")
            yield from _of_port(service, port.get("name") or port.get("number"))
            ours = True
            whole |= _takes_all(each, base)
        if ours and not whole:
            says = f"no path of it takes everything below {base}: the hub's pages are not found"
            yield Finding(("ingress", "pathType"), says)


def _takes_all(path: Data, base: str) -> bool:
    """Whether requests below the hub's address are for a path; of patterns, the usual ones."""
    kind, text = path.get("pathType"), str(path.get("path") or "/")
    if kind == "Exact":
        return False
    if kind == "ImplementationSpecific":
        if text.startswith("^") or "(" in text:
            return True  # a regular expression of the controller's
        text = text.removesuffix("*")
    prefix = text.rstrip("/")
    return base.rstrip("/") == prefix or f"{base}/".startswith(f"{prefix}/")


def _of_port(service: Data | None, port: Any) -> Iterator[Finding]:
    ports = [each for _, each in items(mapped(service or {}, "spec").get("ports"))]
    if service and not any(port in (each.get("name"), each.get("port")) for each in ports):
        says = f"the service behind the route has no port {port}: nobody gets to the hub"
        yield Finding(("proxy", "service", "disableHttpPort"), says)


def addressed(evaluation: Evaluation) -> Iterator[Finding]:
    """The hub is where proxy, probes and servers look for it."""
    hub = evaluation.get("hub", default={})
    base = _base(evaluation)
    given = hub.get("base_url") if isinstance(hub, dict) else None
    if isinstance(given, str) and "/" + given.strip("/") != base:
        says = "is not hub.baseUrl, where probes and routes look for the hub: it is ended as dead"
        yield of_trait(evaluation, "hub", "base_url", says)
    if isinstance(hub, dict) and _host(hub.get("hub_bind_url")) in LOCAL:
        says = "only the hub's own pod reaches it there, http://:8081 was expected"
        yield of_trait(evaluation, "hub", "hub_bind_url", says)
    for each in evaluation.get("pods", default=[])[:1]:
        yield from _of_server(evaluation, each["pod"])
    yield from _subdomains(evaluation, hub if isinstance(hub, dict) else {})


def _of_server(evaluation: Evaluation, pod: Data) -> Iterator[Finding]:
    container = next((each for _, each in items(mapped(pod, "spec").get("containers"))), {})
    given = {each.get("name"): each.get("value") for _, each in items(container.get("env"))}
    if _host(given.get("JUPYTERHUB_API_URL")) in LOCAL:
        says = "servers look for the hub in their own pod: none starts"
        spawner = evaluation.get("spawner", "traits", default={})
        kind = "spawner" if set(spawner) & {"hub_connect_url", "hub_connect_ip"} else "hub"
        name = "hub_connect_ip" if "hub_connect_ip" in spawner else "hub_connect_url"
        yield of_trait(evaluation, kind, name, says)
    if _host(given.get("JUPYTERHUB_SERVICE_URL")) in LOCAL:
        says = "servers listen where their own pod alone reaches them: none is taken for started"
        yield of_trait(evaluation, "spawner", "ip", says)


def _subdomains(evaluation: Evaluation, hub: Data) -> Iterator[Finding]:
    host = _host(hub.get("subdomain_host"))
    rules = [
        str(rule.get("host") or "")
        for made in evaluation.manifests
        if made.get("kind") == "Ingress"
        for _, rule in items(mapped(made, "spec").get("rules"))
    ]
    if host and not is_address(host) and rules and "" not in rules and f"*.{host}" not in rules:
        says = f"each user has a name below it, and no route is for *.{host}"
        yield of_trait(evaluation, "hub", "subdomain_host", says)


def _host(url: Any) -> str:
    try:
        return urlsplit(str(url or "")).hostname or ""
    except ValueError:
        return ""
