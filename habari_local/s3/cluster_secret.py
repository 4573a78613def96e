"""The servers' key in a cluster: put into its secret, and who of those that run has which."""

from __future__ import annotations

import io
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from habari_local.core.errors import USAGE, HabariError
from habari_local.drivers.kubernetes.cluster import SECONDS, Cluster
from habari_local.drivers.kubernetes.pod_exec import Pod, execute
from habari_local.s3.key_file import ID, SECRET
from habari_local.s3.s3_client import S3Access

SERVERS = "component=singleuser-server"
USER = "hub.jupyter.org/username"


@dataclass(frozen=True)
class KeyInCluster:
    """The secret of a namespace that users' servers take their key from when they start."""

    cluster: Cluster
    namespace: str
    secret: str

    def put(self, access: S3Access, ours: Collection[str]) -> bool:
        """Have the secret hold this key; return whether that changed it.

        Raises:
            HabariError: it is not there, or holds a key that is not among `ours`.
        """
        held = self.cluster.secret(self.namespace, self.secret)
        if held.get(ID) not in ours:
            seen = f"holds {held[ID]}" if held.get(ID) else "without a key, or not there"
            raise HabariError(
                f"Secret {self.secret} of {self.namespace}: {seen}, one of"
                f" {', '.join(sorted(ours))} was expected.",
                f"kubectl --context {self.cluster.context} --namespace {self.namespace} get secret"
                f" {self.secret}",
                USAGE,
            )
        new = {**held, ID: access.access_key_id, SECRET: access.secret_access_key}
        return self.cluster.keep_secret(self.namespace, self.secret, new)

    def without(self, key_id: str) -> list[str]:
        """Return whose servers run with another key, each asked itself; also who did not tell."""
        pods: list[Any] = self.cluster.api.list_namespaced_pod(
            self.namespace, label_selector=SERVERS, _request_timeout=SECONDS
        ).items
        return sorted(
            (pod.metadata.annotations or {}).get(USER, pod.metadata.name)
            for pod in pods
            if self._key_of(pod) != key_id
        )

    def _key_of(self, pod: Any) -> str:
        container = pod.spec.containers[0].name
        out = io.BytesIO()
        try:
            execute(
                Pod(self.cluster, self.namespace, pod.metadata.name, container),
                ["printenv", ID],
                into=out,
            )
        except HabariError:  # about to start, or to end
            return ""
        return out.getvalue().decode(errors="replace").strip()
