"""A Kubernetes cluster by its client: pods, their events and logs, and small objects of ours.

Kubeconfig and context are always given: the user's own and its current context are never read.
"""

from __future__ import annotations

import base64
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from habari_local.core.errors import HabariError
from habari_local.core.paths import private_folder
from habari_local.drivers.kubernetes.pods import Pod, described

SECONDS = 10  # for one answer of the API server
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
        loaded = client.Configuration()
        config.load_kube_config(  # type: ignore[no-untyped-call]
            str(self.kubeconfig),
            self.context,
            client_configuration=loaded,
            persist_config=False,
            temp_file_path=str(self.keys) if self.keys else None,
        )
        loaded.retries = urllib3.Retry(total=0)
        loaded.proxy = None
        return client.CoreV1Api(client.ApiClient(loaded))

    @cached_property
    def apps(self) -> Any:
        """The API of what makes pods."""
        from kubernetes import client

        return client.AppsV1Api(self.api.api_client)

    def deployment(self, namespace: str, name: str) -> Any:
        """Return a Deployment as the client has it; None if it is not there, or nothing answers."""
        ask = self.apps.read_namespaced_deployment
        return self.attempt(lambda: ask(name, namespace, _request_timeout=SECONDS))

    def replica_sets(self, namespace: str, labels: Mapping[str, str]) -> list[Any]:
        """Return the ReplicaSets with these labels as the client has them; none without answer."""
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        ask = self.apps.list_namespaced_replica_set
        listed = self.attempt(
            lambda: ask(namespace, label_selector=selector, _request_timeout=SECONDS).items
        )
        return list(listed or ())

    def answers(self) -> bool:
        """Whether the API server answers who asks for an object."""
        ask = self.api.list_namespace
        return self.attempt(lambda: ask(limit=1, _request_timeout=SECONDS)) is not None

    def attempt(self, ask: Any) -> Any:
        """Return what the API server answers to `ask()`, None where it doesn't or refuses."""
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        try:
            return ask()
        except (ApiException, HTTPError, OSError):
            return None

    def pods(self, namespace: str) -> list[Pod]:
        """Return the pods of a namespace; none while nothing answers."""
        listed = self.attempt(
            lambda: self.api.list_namespaced_pod(namespace, _request_timeout=SECONDS).items
        )
        return [described(each) for each in listed or ()]

    def memory(self, namespace: str) -> dict[str, int]:
        """Return the bytes that each pod works with, by its name; none until they are measured."""
        used: dict[str, int] = {}
        for node in self.attempt(lambda: self.api.list_node(_request_timeout=SECONDS).items) or ():
            summary = self.attempt(lambda name=node.metadata.name: self._summary(name)) or {}
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
        """Return the last lines of a pod's log, of the container before it if there is no other."""
        for previous in (False, True):
            text = self.attempt(
                lambda before=previous: self.api.read_namespaced_pod_log(
                    pod,
                    namespace,
                    tail_lines=count,
                    previous=before,
                    _request_timeout=SECONDS,
                    **_age(since),
                )
            )
            if text:
                return str(text).splitlines()
        return []

    def follow(
        self, namespace: str, pod: str, count: int, since: float | None = None
    ) -> Iterator[str]:
        """Yield the last lines of a pod's log and then each new one, until it ends."""
        answer = self.api.read_namespaced_pod_log(
            pod, namespace, tail_lines=count, follow=True, _preload_content=False, **_age(since)
        )
        rest = b""
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
        return [each for each in found if each.name.startswith(prefix)]

    def _events(self, namespace: str, selector: str) -> list[Event]:
        ask = self.api.list_namespaced_event
        listed = self.attempt(
            lambda: ask(namespace, field_selector=selector, _request_timeout=SECONDS).items
        )
        return sorted((_event(each) for each in listed or ()), key=lambda each: each.when)

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

    def refusal(self) -> str:
        """Return why the API server does not answer us, in words; "" if it does."""
        from kubernetes.client.exceptions import ApiException
        from kubernetes.config import ConfigException
        from urllib3.exceptions import HTTPError

        try:
            self.api.get_api_resources(_request_timeout=SECONDS)
        except ApiException as error:
            return f"{error.status} {error.reason}"
        except ConfigException as error:
            return str(error)
        except (HTTPError, OSError) as error:
            return f"no answer ({type(error).__name__})"
        return ""

    def secret(self, namespace: str, name: str) -> dict[str, str]:
        """Return what is in a secret that is text; nothing where there is none."""
        found = self.attempt(
            lambda: self.api.read_namespaced_secret(name, namespace, _request_timeout=SECONDS)
        )
        data = (found.data if found else None) or {}
        return {key: base64.b64decode(text).decode(errors="replace") for key, text in data.items()}

    def claims(self, namespace: str) -> list[str]:
        """Return the names of the claims to volumes."""
        ask = self.api.list_namespaced_persistent_volume_claim
        listed = self.attempt(lambda: ask(namespace, _request_timeout=SECONDS).items)
        return sorted(each.metadata.name for each in listed or ())

    def delete_pod(self, namespace: str, name: str, *, at_once: bool = False) -> None:
        """Delete a pod, given no time to end by itself if `at_once`; none there is fine."""
        more = {"grace_period_seconds": 0} if at_once else {}
        self.attempt(
            lambda: self.api.delete_namespaced_pod(
                name, namespace, _request_timeout=SECONDS, **more
            )
        )

    def annotation(self, namespace: str, name: str) -> str:
        """Return an annotation of a namespace, "" where there is none."""
        found = self.attempt(lambda: self.api.read_namespace(namespace, _request_timeout=SECONDS))
        return str((found.metadata.annotations or {}).get(name, "")) if found else ""

    def annotate(self, namespace: str, name: str, value: str) -> None:
        """Set an annotation of a namespace."""
        body = {"metadata": {"annotations": {name: value}}}
        with _translate_errors():
            self.api.patch_namespace(namespace, body, _request_timeout=SECONDS)

    def keep_namespace(self, namespace: str, labels: Mapping[str, str]) -> None:
        """Make a namespace unless it is there."""
        body = {"apiVersion": "v1", "kind": "Namespace"}
        made = {**body, "metadata": {"name": namespace, "labels": dict(labels)}}
        with _translate_errors():
            self.api.patch_namespace(namespace, made, **APPLY)

    def keep_secret(self, namespace: str, name: str, values: Mapping[str, str]) -> bool:
        """Make a secret hold just these values; return whether that changed it."""
        data = {key: base64.b64encode(text.encode()).decode() for key, text in values.items()}
        there = self.attempt(lambda: self.api.read_namespaced_secret(name, namespace))
        if there is not None and there.data == data:
            return False
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}
        with _translate_errors():
            self.api.patch_namespaced_secret(name, namespace, body, **APPLY)
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


def _age(since: float | None) -> dict[str, int]:
    """Return how old a log line may be, as the API asks for it."""
    return {} if since is None else {"since_seconds": max(1, math.ceil(time.time() - since))}


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Turn what the client raises into a sentence; what was sent is not in it."""
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except (ApiException, HTTPError, OSError) as error:
        reason = getattr(error, "reason", "") or type(error).__name__
        raise HabariError(
            f"Kubernetes: {reason}, a change was expected to be taken.",
            "habari-local status",
        ) from error
