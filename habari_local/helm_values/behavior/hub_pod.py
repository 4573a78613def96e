"""Whether the hub's own pod stays up, and is reached where the chart looks for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from habari_local.helm_values.behavior.finding import Finding, of_trait
from habari_local.helm_values.behavior.images import containers
from habari_local.helm_values.behavior.object_values import items
from habari_local.helm_values.evaluate import Evaluation
from habari_local.helm_values.values import Data, Place, at, map_at, text_at

PORT = 8081  # of the hub, in the chart's Service and probes
PROBE: Place = ("hub", "livenessProbe")
LEAST = 10  # seconds that a hub has to begin to listen
IMAGE: Place = ("hub", "image")
OFFICIAL = re.compile(r"((quay|docker)\.io/)?jupyterhub/k8s-hub")
CHART = re.compile(r"jupyterhub-(\d+)\.\d+\.\d+.*")
LOCAL = re.compile(r"localhost|127\..*|\[?::1\]?")


def stays(evaluation: Evaluation) -> Iterator[Finding]:
    """The hub's pod is not ended before it listens, and writes its database."""
    for made in evaluation.manifests:
        spec = map_at(made, "spec", "template", "spec")
        for container in containers({"spec": spec}):
            if made.get("kind") == "Deployment" and container.get("name") == "hub":
                yield from _of_probe(container)
                yield from _of_disk(spec, container)


def fits(evaluation: Evaluation) -> Iterator[Finding]:
    """The chart's own hub image is of the chart's version: each loads the other's configuration."""
    name, tag = text_at(evaluation.whole, *IMAGE, "name"), text_at(evaluation.whole, *IMAGE, "tag")
    charts = {
        int(found[1])
        for made in evaluation.manifests
        if (found := CHART.fullmatch(text_at(made, "metadata", "labels", "helm.sh/chart")))
    }
    version = re.match(r"(\d+)\.\d+\.\d+", tag)
    if OFFICIAL.fullmatch(name) and version and charts and int(version[1]) < min(charts):
        says = f"is of chart {version[1]}, and can't load the configuration of chart {min(charts)}"
        yield Finding((*IMAGE, "tag"), says)


def reached(evaluation: Evaluation) -> Iterator[Finding]:
    """Hub and proxy find each other where the chart has them, and nobody else the hub."""
    hub = evaluation.get("hub", default={})
    for name in ("hub_bind_url", "hub_port"):
        given = hub.get(name)
        port = given if isinstance(given, int) else _port(given)
        if port not in (None, PORT):
            says = f"the hub listens at {port}, and the chart looks for it at {PORT}"
            yield of_trait(evaluation, "hub", name, says)
    yield from _of_proxy(evaluation)
    yield from _of_flags(evaluation)
    for made in evaluation.manifests:
        ours = made.get("kind") == "Service" and text_at(made, "metadata", "name").endswith("hub")
        if ours and text_at(made, "spec", "type") == "LoadBalancer":
            says = "the hub's API is on the internet in plain HTTP, past proxy and certificate"
            yield Finding(("hub", "service", "type"), says)


def _port(given: object) -> int | None:
    try:
        return urlsplit(given).port if isinstance(given, str) else None
    except ValueError:
        return None


def _of_proxy(evaluation: Evaluation) -> Iterator[Finding]:
    proxy = evaluation.get("proxy", default={})
    place: Place = ("hub", "config", "ConfigurableHTTPProxy")
    if proxy.get("should_start") is True:
        says = "the hub's image has no proxy to start, the chart runs it as a pod of its own"
        yield Finding((*place, "should_start"), says)
    host = urlsplit(str(proxy.get("api_url") or "")).hostname or ""
    if LOCAL.fullmatch(host):
        says = "the proxy is a pod of its own, and not at the hub's: the hub can't start"
        yield Finding((*place, "api_url"), says)


def _of_flags(evaluation: Evaluation) -> Iterator[Finding]:
    flags = at(evaluation.whole, ("proxy", "chp", "extraCommandLineFlags"))
    for number, flag in enumerate(flags if isinstance(flags, list) else ()):
        if re.match(r"--[\w-]+\s", str(flag)):
            says = "one word for the proxy, which does not know it and ends: = was expected"
            yield Finding(("proxy", "chp", "extraCommandLineFlags", number), says)


def _of_probe(container: Data) -> Iterator[Finding]:
    probe = container.get("livenessProbe")
    if not isinstance(probe, dict):
        return
    first = probe.get("initialDelaySeconds") or 0
    every, times = probe.get("periodSeconds") or 10, probe.get("failureThreshold") or 3
    if all(isinstance(each, int) for each in (first, every, times)):
        seconds = first + every * times
        if seconds < LEAST:
            says = f"the hub is ended after {seconds} s, before it listens: it never starts"
            yield Finding((*PROBE, "initialDelaySeconds"), says)


def _of_disk(spec: Data, container: Data) -> Iterator[Finding]:
    """Yield a volume that belongs to root, as new disks do, with a hub that is somebody else."""
    claims = any(each.get("persistentVolumeClaim") for _, each in items(spec.get("volumes")))
    security = map_at(spec, "securityContext")
    user = at(container, ("securityContext", "runAsUser"), security.get("runAsUser"))
    opened = bool(spec.get("initContainers"))  # which may give it away
    if claims and user and not opened and security.get("fsGroup") is None:
        says = "not set: a new disk belongs to root, and the hub can't write its database"
        yield Finding(("hub", "podSecurityContext", "fsGroup"), says)
