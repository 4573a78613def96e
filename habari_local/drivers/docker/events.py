"""What happens to our containers while we wait for them, by the engine's event stream."""

from __future__ import annotations

import threading
from typing import Any

from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.docker.client import ResourceLabels


class ContainerEvents:
    """Follows the events of our containers until the call ends; thread-safe to ask."""

    def __init__(self, ours: ResourceLabels) -> None:
        self._stream: Any = docker_client.api().events(
            decode=True, filters={**ours.filters, "type": ["container"]}
        )
        self._lock = threading.Lock()
        self._failed: dict[str, str] = {}
        self._healthy: set[str] = set()
        self._started: set[str] = set()
        self._newest: dict[str, str] = {}  # service → container
        threading.Thread(target=self._follow, daemon=True).start()

    def healthy(self, service: str) -> bool:
        """Whether the service was seen to become healthy."""
        with self._lock:
            return service in self._healthy

    def failure(self, service: str) -> str | None:
        """Return why the service can't come up any more, or None."""
        with self._lock:
            return self._failed.get(service)

    def _follow(self) -> None:
        for event in self._stream:
            actor = event["Actor"]
            # Podman has what a health check found in a field of its own.
            found = event.get("HealthStatus")
            action = f"{event['Action']}: {found}" if found else event["Action"]
            self._take(action, actor["ID"], actor["Attributes"])

    def _take(self, action: str, container: str, attributes: dict[str, str]) -> None:
        service = attributes.get(docker_client.SERVICE, "")
        with self._lock:
            # Compose makes the new container before it ends the old: that end is no failure.
            if action == "create":
                self._newest[service] = container
                self._failed.pop(service, None)
                self._healthy.discard(service)
            elif action == "start":
                self._started.add(container)
            elif self._newest.get(service, container) != container:
                return
            elif action == "die" and container in self._started:
                code = attributes.get("exitCode", "unknown")
                self._failed[service] = f"its container ended with exit code {code}"
            elif action == "health_status: unhealthy":
                self._failed[service] = "its container is unhealthy"
            elif action == "health_status: healthy":
                self._healthy.add(service)
