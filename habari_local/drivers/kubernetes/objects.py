"""Objects of a cluster by their manifests: how they are, and how the API server would make them.

What would be made is asked for as a dry run
(https://kubernetes.io/docs/reference/using-api/api-concepts/#dry-run).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from habari_local.drivers.kubernetes.cluster import SECONDS, Cluster

Manifest = Mapping[str, Any]
APPLY = "application/apply-patch+yaml"


class Objects:
    """The objects of one namespace, and those that are in none."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster, self._namespace = cluster, namespace
        self._kinds: dict[str, dict[str, tuple[str, bool]]] = {}

    def live(self, manifest: Manifest) -> dict[str, Any] | None:
        """Return the object of a manifest as it is now; None where there is none.

        Raises:
            ApiError: the cluster did not tell.
        """
        path = self._path(manifest)
        return self._ask("GET", path) if path else None

    def tried(self, manifest: Manifest) -> dict[str, Any]:
        """Return the object as it would be with what the manifest says.

        Raises:
            ApiError: the cluster does not take the manifest.
        """
        query = [("dryRun", "All"), ("force", "true"), ("fieldManager", "habari-local")]
        found = self._ask("PATCH", self._path(manifest), query, dict(manifest))
        return found or {}

    def apply(self, manifest: Manifest) -> None:
        """Have the cluster hold what a manifest says.

        Raises:
            ApiError: the cluster does not take the manifest.
        """
        query = [("force", "true"), ("fieldManager", "habari-local")]
        self._ask("PATCH", self._path(manifest), query, dict(manifest))

    def delete(self, manifest: Manifest) -> bool:
        """Delete the object of a manifest, and what it owns; return whether there was one.

        Raises:
            ApiError: the cluster refused or did not answer.
        """
        path = self._path(manifest)
        query = [("propagationPolicy", "Background")]
        return bool(path) and self._ask("DELETE", path, query) is not None

    def _path(self, manifest: Manifest) -> str:
        """Return an object's address, "" of a kind that the cluster does not know."""
        version, metadata = str(manifest["apiVersion"]), manifest["metadata"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        if root not in self._kinds:
            listed = (self._ask("GET", root) or {}).get("resources", ())
            kinds = {
                r["kind"]: (r["name"], r["namespaced"]) for r in listed if "/" not in r["name"]
            }
            self._kinds[root] = kinds
        if manifest["kind"] not in self._kinds[root]:
            return ""
        plural, namespaced = self._kinds[root][manifest["kind"]]
        namespace = metadata.get("namespace") or self._namespace
        within = f"/namespaces/{namespace}" if namespaced else ""
        return f"{root}{within}/{plural}/{metadata['name']}"

    def _ask(
        self,
        method: str,
        path: str,
        query: list[tuple[str, str]] | None = None,
        body: Any = None,
    ) -> dict[str, Any] | None:
        """Return what is answered; None for what is not there."""
        client = self._cluster.api.api_client
        headers = {"Accept": "application/json"} | ({"Content-Type": APPLY} if body else {})
        request = client.param_serialize(
            method=method,
            resource_path=path,
            query_params=query or [],
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )

        def answered() -> dict[str, Any]:
            from kubernetes.client.exceptions import ApiException

            answer = client.call_api(*request, _request_timeout=SECONDS)
            body = answer.read()
            if answer.status >= 400:
                raise ApiException(answer.status, f"{answer.reason or ''} for {path}".strip())
            found: dict[str, Any] = json.loads(body)
            return found

        if method == "GET":
            return self._cluster.read(answered)
        return self._cluster.write(answered)
