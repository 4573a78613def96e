"""A Kubernetes cluster by its client: pods, their events and logs, and small objects of ours.

Kubeconfig and context are always given: the user's own and its current context are never read.
"""

from __future__ import annotations

import base64
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies_environment

from habari_local.core import polling
from habari_local.core.paths import private_folder
from habari_local.drivers.kubernetes.api_errors import ApiError, translate_errors
from habari_local.drivers.kubernetes.pods import Pod, described

T = TypeVar("T")
SECONDS = 10  # for one answer of the API server
UNKNOWN = "Events could not be listed"
PAUSES = (0.2, 0.5, 1.0)  # seconds before what may pass is asked again
NOT_FOUND, BAD_REQUEST = 404, 400
# As `kubectl apply --server-side`: what is not there is made.
APPLY: dict[str, Any] = {
    "field_manager": "habari-local",
    "force": True,
    "_content_type": "application/apply-patch+yaml",
    "_request_timeout": SECONDS,
}
AGAIN = 4  # times that a kubelet looks for what is to be mounted, in some 4 s
PULL = "Failed to pull image"
STARTED = "Started"  # of a pod whose container runs


@dataclass(frozen=True)
class Event:
    """What a cluster says happened to an object `name`, `count` times, last at `when` (epoch)."""

    name: str
    reason: str
    message: str
    warning: bool
    count: int
    when: float

    def __str__(self) -> str:
        """As a person reads it."""
        return f"{self.reason}: {self.message}"


@dataclass(frozen=True)
class Cluster:
    """A cluster as one context of one kubeconfig sees it.

    The client's TLS wants keys as files: they are in `keys` (made when absent) while this process
    runs, in the system's temporary folder if that is not given. What a killed one leaves is there.
    """

    kubeconfig: Path
    context: str
    keys: Path | None = None

    @cached_property
    def api(self) -> Any:
        """The core API; the client's module is large, so it is imported when first needed."""
        import urllib3
        from kubernetes import client, config

        if self.keys:
            private_folder(self.keys)
        loaded = client.Configuration(proxy="")
        with self.translate_errors(), _credential_errors():
            config.load_kube_config(  # type: ignore[no-untyped-call]
                str(self.kubeconfig),
                self.context,
                client_configuration=loaded,
                persist_config=False,
                temp_file_path=str(self.keys) if self.keys else None,
            )
        loaded.retries = urllib3.Retry(total=0)
        if loaded.proxy:  # `proxy-url` of the kubeconfig: kubectl takes it for every host
            loaded.no_proxy = None
        else:
            loaded.proxy = _proxy_for(loaded.host)
        return client.CoreV1Api(client.ApiClient(loaded))

    @cached_property
    def apps(self) -> Any:
        """The API of what makes pods."""
        from kubernetes import client

        return client.AppsV1Api(self.api.api_client)

    def read(self, ask: Callable[[], T]) -> T | None:
        """Return what the API server answers to `ask()`; None where it says 404, so for one object.

        What may pass is asked again, for some seconds.

        Raises:
            ApiError: it refused, or did not answer.
        """
        try:
            return self._again(ask)
        except ApiError as error:
            if error.status == NOT_FOUND:
                return None
            raise

    def listed(self, ask: Callable[[], Any]) -> list[Any]:
        """Return the items of what `ask()` lists.

        Raises:
            ApiError: it refused, or did not answer; 404 is no empty list.
        """
        items = self._again(lambda: ask().items)
        return list(items or ())

    def write(self, change: Callable[[], T]) -> T:
        """Return what the API server answers to `change()`, which is tried once.

        Raises:
            ApiError: it refused, or did not answer: what became of the change is not known then.
        """
        with self.translate_errors():
            return change()

    def translate_errors(self) -> AbstractContextManager[None]:
        """Have errors of the client in the block raised as `ApiError`."""
        return translate_errors(self.kubeconfig, self.context)

    def _again(self, ask: Callable[[], T]) -> T:
        for pause in (*PAUSES, None):
            try:
                return self.write(ask)
            except ApiError as error:
                # Silence has had its time: a second wait would double it.
                if pause is None or not error.transient or not error.status:
                    raise
            polling.pause(pause)
        raise AssertionError

    def deployment(self, namespace: str, name: str) -> Any:
        """Return a Deployment as the client has it; None if it is not there."""
        ask = self.apps.read_namespaced_deployment
        return self.read(lambda: ask(name, namespace, _request_timeout=SECONDS))

    def replica_sets(self, namespace: str, labels: Mapping[str, str]) -> list[Any]:
        """Return the ReplicaSets with these labels as the client has them."""
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        ask = self.apps.list_namespaced_replica_set
        return self.listed(
            lambda: ask(namespace, label_selector=selector, _request_timeout=SECONDS)
        )

    def raw_pods(self, namespace: str, selector: str = "") -> list[Any]:
        """Return the pods of a namespace as the client has them, those with these labels."""
        ask = self.api.list_namespaced_pod
        more = {"label_selector": selector} if selector else {}
        return self.listed(lambda: ask(namespace, _request_timeout=SECONDS, **more))

    def pods(self, namespace: str) -> list[Pod]:
        """Return the pods of a namespace."""
        return [described(each) for each in self.raw_pods(namespace)]

    def memory(self, namespace: str) -> dict[str, int]:
        """Return the bytes that each pod works with, by its name.

        None until they are measured, nor where this account may not ask nodes: that is a figure
        beside others, which a cluster seldom gives.
        """
        used: dict[str, int] = {}
        with suppress(ApiError):
            for node in self.listed(lambda: self.api.list_node(_request_timeout=SECONDS)):
                summary = self.read(lambda name=node.metadata.name: self._summary(name)) or {}  # type: ignore[misc]
                for each in summary.get("pods", ()):
                    bytes_ = each.get("memory", {}).get("workingSetBytes")
                    if bytes_ and each["podRef"]["namespace"] == namespace:
                        used[each["podRef"]["name"]] = bytes_
        return used

    def _summary(self, node: str) -> dict[str, Any]:
        import json

        answer = self.api.connect_get_node_proxy_with_path(
            node, "stats/summary", _preload_content=False, _request_timeout=SECONDS
        )
        found: dict[str, Any] = json.loads(answer.data)
        return found

    def last_lines(
        self, namespace: str, pod: str, count: int, since: float | None = None
    ) -> list[str]:
        """Return the last lines of a pod's log, of the container before it if there is no other.

        A pod that is gone, or has not begun, has none.
        """
        for previous in (False, True):
            try:
                text = self.read(
                    lambda before=previous: self.api.read_namespaced_pod_log(  # type: ignore[misc]
                        pod,
                        namespace,
                        tail_lines=count,
                        previous=before,
                        _request_timeout=SECONDS,
                        **_age(since),
                    )
                )
            except ApiError as error:
                if error.status != BAD_REQUEST:  # "container is waiting to start"
                    raise
                continue
            if text:
                return str(text).splitlines()
        return []

    def follow(
        self, namespace: str, pod: str, count: int, since: float | None = None
    ) -> Iterator[str]:
        """Yield the last lines of a pod's log and then each new one, until it ends."""
        ask = self.api.read_namespaced_pod_log
        more = {"tail_lines": count, "follow": True, **_age(since)}
        answer = self.read(lambda: ask(pod, namespace, _preload_content=False, **more))
        if answer is None:
            return
        rest = b""
        with self.translate_errors():
            for chunk in answer.stream(decode_content=True):
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    yield line.decode(errors="replace")

    def events(self, namespace: str, name: str) -> list[Event]:
        """Return what happened to one object in the last hour, the newest last."""
        return self._events(namespace, f"involvedObject.name={name}")

    def pod_events(self, namespace: str, prefix: str) -> list[Event]:
        """Return what happened to pods whose names begin so, deleted ones among them."""
        found = self._events(namespace, "involvedObject.kind=Pod")
        return [each for each in found if each.name.startswith(prefix) or each.reason == UNKNOWN]

    def _events(self, namespace: str, selector: str) -> list[Event]:
        """Return the events, the newest last.

        An account that may not list events gets one that says so: they explain a failure, and are
        no reason to end what works.
        """
        ask = self.api.list_namespaced_event
        try:
            listed = self.listed(
                lambda: ask(namespace, field_selector=selector, _request_timeout=SECONDS)
            )
        except ApiError as error:
            return [Event("", UNKNOWN, error.said, warning=False, count=1, when=0.0)]
        return sorted((_event(each) for each in listed), key=lambda each: each.when)

    def missing_mount(self, namespace: str, pod: str) -> str:
        """Return what a pod was to mount and the kubelet did not find, looked for repeatedly.

        The first times don't count: a new namespace gets its own certificates a moment later.
        """
        for each in self.events(namespace, pod):
            if each.reason == "FailedMount" and "not found" in each.message and each.count >= AGAIN:
                return str(each)
        return ""

    def failed_pull(self, namespace: str, pod: str) -> str:
        """Return why an image could not be pulled last; "" where nothing is said of it."""
        found = [each for each in self.events(namespace, pod) if PULL in each.message]
        return found[-1].message if found else ""

    def unanswered(self) -> ApiError | None:
        """Return why the API server does not answer who asks for an object; None if it does."""
        ask = self.api.list_namespace
        try:
            self.write(lambda: ask(limit=1, _request_timeout=SECONDS))
        except ApiError as error:
            return error
        return None

    def require_answer(self) -> None:
        """Refuse a cluster that does not answer us.

        Raises:
            ApiError: with the reason.
        """
        self.write(lambda: self.api.get_api_resources(_request_timeout=SECONDS))

    def secret(self, namespace: str, name: str) -> dict[str, str]:
        """Return what is in a secret that is text; nothing where there is none."""
        found = self.read(
            lambda: self.api.read_namespaced_secret(name, namespace, _request_timeout=SECONDS)
        )
        data = (found.data if found else None) or {}
        return {key: base64.b64decode(text).decode(errors="replace") for key, text in data.items()}

    def delete_secret(self, namespace: str, name: str) -> None:
        """Delete a secret; none there is fine."""
        ask = self.api.delete_namespaced_secret
        self.read(lambda: ask(name, namespace, _request_timeout=SECONDS))

    def raw_claims(self, namespace: str, selector: str = "") -> list[Any]:
        """Return the claims to volumes as the client has them, those with these labels."""
        ask = self.api.list_namespaced_persistent_volume_claim
        more = {"label_selector": selector} if selector else {}
        return self.listed(lambda: ask(namespace, _request_timeout=SECONDS, **more))

    def claims(self, namespace: str) -> list[str]:
        """Return the names of the claims to volumes."""
        return sorted(each.metadata.name for each in self.raw_claims(namespace))

    def delete_claim(self, namespace: str, name: str) -> None:
        """Delete a claim to a volume; none there is fine."""
        ask = self.api.delete_namespaced_persistent_volume_claim
        self.read(lambda: ask(name, namespace, _request_timeout=SECONDS))

    def delete_pod(self, namespace: str, name: str, *, at_once: bool = False) -> None:
        """Delete a pod, given no time to end by itself if `at_once`; none there is fine."""
        more = {"grace_period_seconds": 0} if at_once else {}
        self.read(
            lambda: self.api.delete_namespaced_pod(
                name, namespace, _request_timeout=SECONDS, **more
            )
        )

    def annotation(self, namespace: str, name: str) -> str:
        """Return an annotation of a namespace, "" where there is none."""
        found = self.read(lambda: self.api.read_namespace(namespace, _request_timeout=SECONDS))
        return str((found.metadata.annotations or {}).get(name, "")) if found else ""

    def annotate(self, namespace: str, name: str, value: str) -> None:
        """Set an annotation of a namespace."""
        body = {"metadata": {"annotations": {name: value}}}
        self.write(lambda: self.api.patch_namespace(namespace, body, _request_timeout=SECONDS))

    def keep_namespace(self, namespace: str, labels: Mapping[str, str]) -> None:
        """Make a namespace unless it is there."""
        body = {"apiVersion": "v1", "kind": "Namespace"}
        made = {**body, "metadata": {"name": namespace, "labels": dict(labels)}}
        self.write(lambda: self.api.patch_namespace(namespace, made, **APPLY))

    def keep_secret(self, namespace: str, name: str, values: Mapping[str, str]) -> bool:
        """Make a secret hold just these values; return whether that changed it."""
        data = {key: base64.b64encode(text.encode()).decode() for key, text in values.items()}
        there = self.read(
            lambda: self.api.read_namespaced_secret(name, namespace, _request_timeout=SECONDS)
        )
        if there is not None and there.data == data:
            return False
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}
        self.write(lambda: self.api.patch_namespaced_secret(name, namespace, body, **APPLY))
        return True


def _event(found: Any) -> Event:
    series = found.series
    when = (series and series.last_observed_time) or found.last_timestamp or found.event_time
    return Event(
        name=found.involved_object.name,
        reason=found.reason or "",
        message=found.message or "",
        warning=found.type == "Warning",
        count=(series and series.count) or found.count or 1,
        when=when.timestamp() if when else 0.0,
    )


def _proxy_for(host: str) -> str | None:
    """Return the environment's proxy for a server, as Go's programs take it: none on this machine.

    Source: https://pkg.go.dev/net/http#ProxyFromEnvironment; NO_PROXY is the client's to look at.
    """
    found = urlsplit(host)
    name = found.hostname or ""
    if name == "localhost" or (_is_address(name) and ip_address(name).is_loopback):
        return None
    return getproxies_environment().get(found.scheme)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


@contextmanager
def _credential_errors() -> Iterator[None]:
    """Raise what the client only logs: that a kubeconfig's credential program failed.

    Raises:
        ConfigException: with what the program said.
    """
    from kubernetes.config import ConfigException

    said: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    root, kept = logging.getLogger(), Kept(logging.ERROR)
    root.addHandler(kept)
    try:
        yield
    finally:
        root.removeHandler(kept)
    if said:
        raise ConfigException("; ".join(said))


def _age(since: float | None) -> dict[str, int]:
    """Return how old a log line may be, as the API asks for it."""
    return {} if since is None else {"since_seconds": max(1, math.ceil(time.time() - since))}
