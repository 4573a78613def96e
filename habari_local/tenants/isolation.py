"""Whether tenants are apart: what each of them would need to reach another is tried, for real."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import permutations
from typing import Any

from habari_local.core.errors import NotReady
from habari_local.drivers.jupyterhub import session
from habari_local.drivers.kubernetes import probe_pod
from habari_local.drivers.kubernetes.api_errors import ApiError
from habari_local.drivers.kubernetes.cluster import SECONDS, Cluster
from habari_local.helm_values.values import Data, text_at
from habari_local.modes.cluster.platform import ClusterPlatform
from habari_local.platform.mode import Endpoints

# What the account of a tenant's hub must not be allowed in another namespace.
RIGHTS = (("get", "secrets"), ("list", "pods"), ("create", "pods"), ("get", "configmaps"))


KEY = "key in buckets"
ACCOUNT = "rights of the hub's account"
PORTS = {"hub": 8081, "proxy": 8001}  # their own interfaces, for the deployment alone


@dataclass(frozen=True)
class Finding:
    """One thing that was tried: from whom, at whom, what, whether it is as it should be."""

    tenant: str
    other: str
    tried: str
    good: bool
    outcome: str
    known: bool = True  # False where it could not be tried: neither refused nor reached

    @property
    def state(self) -> str:
        """The finding in a word."""
        return "not tried" if not self.known else "ok" if self.good else "REACHED"


class NotTriedError(Exception):
    """Something could not be tried; the message says why."""


def _finding(one: str, other: str, tried: str, attempt: Callable[[], Finding]) -> Finding:
    """Return what an attempt found, or that it could not be made: that is no refusal."""
    try:
        return attempt()
    except (NotTriedError, ApiError, NotReady) as error:
        return Finding(one, other, tried, good=False, outcome=str(error), known=False)


@dataclass(frozen=True)
class TenantUnderTest:
    """A tenant that is up."""

    name: str
    platform: ClusterPlatform
    endpoints: Endpoints
    values: Data

    @property
    def cluster(self) -> Cluster:
        """Its cluster."""
        return self.platform.cluster

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return self.platform.namespace

    def probe(self) -> probe_pod.ProbeTarget:
        """Return where its probes run, as pods that the policies take for its users' servers."""
        image = (text_at(self.values, "singleuser", "image", key) for key in ("name", "tag"))
        secrets = [str(each) for each in self.values.get("imagePullSecrets") or ()]
        labels = probe_pod.server_labels(self.cluster, self.namespace)
        return probe_pod.ProbeTarget(self.cluster, self.namespace, ":".join(image), secrets, labels)

    def _service(self, name: str) -> Any:
        ask = self.cluster.api.read_namespaced_service
        return ask(name, self.namespace, _request_timeout=SECONDS)

    def addresses(self) -> dict[str, str]:
        """Return what others must not get to: the hub's and the proxy's own interfaces."""
        found = {}
        for name, port in (("hub", 8081), ("proxy-api", 8001)):
            service = self.cluster.write(partial(self._service, name))
            found[f"service {name}"] = f"{service.spec.cluster_ip}:{port}"
        for pod in self.cluster.raw_pods(self.namespace):
            component = (pod.metadata.labels or {}).get("component", "")
            if component in PORTS and pod.status.pod_ip:
                found[f"pod {component}"] = f"{pod.status.pod_ip}:{PORTS[component]}"
        return found


def findings(
    parties: Sequence[TenantUnderTest], buckets: Callable[[TenantUnderTest, TenantUnderTest], str]
) -> Iterator[Finding]:
    """Yield what was found of each tenant and each other; of one alone, what it can reach itself.

    `buckets` tells what a tenant's key may do in another's buckets, "" if nothing.
    """
    yield from _network(parties)
    for one, other in permutations(parties, 2):
        yield from _names(one, other)
        yield _finding(one.name, other.name, ACCOUNT, partial(_rights, one, other))
        yield _token(one, other)
        yield _finding(one.name, other.name, KEY, partial(_key, one, other, buckets))


def _key(
    one: TenantUnderTest,
    other: TenantUnderTest,
    buckets: Callable[[TenantUnderTest, TenantUnderTest], str],
) -> Finding:
    seen = buckets(one, other)
    return Finding(one.name, other.name, KEY, not seen, seen or "refused")


def _network(parties: Sequence[TenantUnderTest]) -> Iterator[Finding]:
    with ExitStack() as stack:
        servers = {
            each.name: stack.enter_context(probe_pod.listener(each.probe())) for each in parties
        }
        for one in parties:
            targets = {("", "own hub"): one.addresses()["service hub"]}
            for other in parties:
                if other is not one:
                    theirs = {**other.addresses(), "server": servers[other.name]}
                    targets |= {(other.name, what): at for what, at in theirs.items()}
            seen = probe_pod.can_connect(one.probe(), list(targets.values()))
            for (name, what), address in targets.items():
                is_open = seen.get(address)
                told = {True: "open", False: "closed", None: "the probe told nothing of it"}[
                    is_open
                ]
                good = is_open is (not name)  # of the others nothing is open, and the own hub is
                known = is_open is not None
                yield Finding(one.name, name or one.name, f"server to {what}", good, told, known)


def _names(one: TenantUnderTest, other: TenantUnderTest) -> Iterator[Finding]:
    s3, theirs = one.endpoints.s3, other.endpoints.s3
    pairs = {
        "address": (one.endpoints.hub_url, other.endpoints.hub_url),
        "lake": (s3.lake_bucket, theirs.lake_bucket),
        "notebooks": (s3.notebooks_bucket, theirs.notebooks_bucket),
        "key": (s3.access_key_id, theirs.access_key_id),
    }
    same = [name for name, (mine, yours) in pairs.items() if mine and mine == yours]
    told = f"the same {', '.join(same)}" if same else "all are different"
    yield Finding(one.name, other.name, "address, buckets, key", not same, told)


def _rights(one: TenantUnderTest, other: TenantUnderTest) -> Finding:
    from kubernetes import client

    ask = client.AuthorizationV1Api(one.cluster.api.api_client).create_subject_access_review
    may = []
    for verb, resource in RIGHTS:
        about = {"namespace": other.namespace, "verb": verb, "resource": resource}
        user = f"system:serviceaccount:{one.namespace}:hub"
        body: Any = {"spec": {"user": user, "resourceAttributes": about}}
        answer: Any = one.cluster.write(partial(ask, body, _request_timeout=SECONDS))
        if answer.status.allowed:
            may.append(f"{verb} {resource}")
    told = f"may {', '.join(may)}" if may else "has none"
    return Finding(one.name, other.name, ACCOUNT, not may, told)


def _token(one: TenantUnderTest, other: TenantUnderTest) -> Finding:
    import requests

    tried, token = "token at the hub", one.endpoints.hub_api_token
    if not token:
        return Finding(one.name, other.name, tried, good=True, outcome="has none")
    with session(token) as web:
        try:
            answer = web.get(f"{other.endpoints.hub_url}hub/api/users", timeout=SECONDS)
        except requests.RequestException as error:
            said = f"no answer ({type(error).__name__})"
            return Finding(one.name, other.name, tried, good=False, outcome=said, known=False)
    good, known = answer.status_code in (401, 403), answer.status_code < 500
    return Finding(one.name, other.name, tried, good, f"answered {answer.status_code}", known)
