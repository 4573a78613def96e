"""What becomes of a namespace's pods while we wait for them, told by the API server's watch."""

from __future__ import annotations

import threading
from typing import Any

from habari_local.drivers.kubernetes.cluster import Cluster
from habari_local.drivers.kubernetes.pods import Pod, described

WATCH_SECONDS = 60  # after which the server ends a watch, and we list anew


class PodWatch:
    """Follows the pods of a namespace until closed; thread-safe to ask."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster, self._namespace = cluster, namespace
        self._lock, self._over = threading.Lock(), threading.Event()
        self._pods: dict[str, Pod] = {}
        threading.Thread(target=self._follow, daemon=True).start()

    def close(self) -> None:
        """Stop following."""
        self._over.set()

    def pods(self, component: str) -> list[Pod]:
        """Return the pods of a component, the newest last."""
        with self._lock:
            found = [each for each in self._pods.values() if each.component == component]
        return sorted(found, key=lambda each: each.created)

    def newest(self, component: str, template: str) -> Pod | None:
        """Return the component's newest pod that was made from this template."""
        found = [each for each in self.pods(component) if each.template == template]
        return found[-1] if template and found else None

    def says(self, component: str) -> str:
        """Return in a few words how far the component is."""
        found = self.pods(component)
        if not found:
            return "no pod yet"
        return "ready" if found[-1].ready else f"its pod is {found[-1].phase.lower() or 'made'}"

    def _follow(self) -> None:
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        while not self._over.is_set():
            try:
                self._once()
            except (ApiException, HTTPError, OSError, ValueError):
                self._over.wait(0.5)  # the API server is away: asked again

    def _once(self) -> None:
        from kubernetes import watch

        api = self._cluster.api
        listed = api.list_namespaced_pod(self._namespace, _request_timeout=10)
        with self._lock:
            self._pods = {each.metadata.name: described(each) for each in listed.items}
        following: Any = watch.Watch()  # type: ignore[no-untyped-call]
        for event in following.stream(
            api.list_namespaced_pod,
            self._namespace,
            resource_version=listed.metadata.resource_version,
            timeout_seconds=WATCH_SECONDS,
        ):
            if self._over.is_set():
                following.stop()
                return
            pod = described(event["object"])
            with self._lock:
                if event["type"] == "DELETED":
                    self._pods.pop(pod.name, None)
                else:
                    self._pods[pod.name] = pod
