"""Small pods that mount one volume and nothing else, to carry what is in it in or out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from secrets import token_hex
from typing import IO, Any, Literal

from habari_local.core import polling
from habari_local.core.errors import CommandFailed
from habari_local.drivers import tar_container
from habari_local.drivers.kubernetes.api_errors import ApiError
from habari_local.drivers.kubernetes.cluster import SECONDS, Cluster
from habari_local.drivers.kubernetes.pod_exec import Pod, execute
from habari_local.drivers.kubernetes.pods import described
from habari_local.drivers.tar_container import AT_MOST, MOUNT
from habari_local.drivers.tar_stream import Report, Sink, read_report

START_SECONDS = 180.0  # a volume may have to be made, or to come over from another node
REFUSED = (400, 403, 422)  # what an admission says of a pod that may not be
ENDED = ("Succeeded", "Failed")  # phases
LABELS = {"app": "habari-carrier"}
Verb = Literal["pack", "unpack", "pack-database", "unpack-database"]


@dataclass(frozen=True)
class Volume:
    """A claim, and who what is in it belongs to."""

    cluster: Cluster
    namespace: str
    claim: str
    user: int
    group: int


@dataclass(frozen=True)
class PodImage:
    """What carriers run: any image with Python 3.11 or newer, and who may pull it."""

    reference: str
    pull_secrets: Sequence[str] = ()


def run_in_pod(
    volume: Volume,
    image: PodImage,
    verb: Verb,
    *,
    file: str = "",
    source: IO[bytes] | None = None,
    into: Sink | None = None,
    **options: Any,
) -> Report:
    """Have `verb` of tar_stream.py done with a volume, or with one file of it.

    A whole volume is read and written as root, where the cluster lets a pod be that.

    Raises:
        HabariError: no pod came up with it, or what it did failed.
    """
    path = f"{MOUNT}/{file}" if file else MOUNT
    argv = tar_container.command(verb, options, path)
    with _volume_pod(volume, image, as_root=not file) as pod:
        try:
            return read_report(execute(pod, argv, source=source, into=into))
        except CommandFailed as error:
            raise tar_container.explained(f"Volume of {volume.claim}", error) from error


@contextmanager
def _volume_pod(volume: Volume, image: PodImage, *, as_root: bool) -> Iterator[Pod]:
    cluster, namespace = volume.cluster, volume.namespace
    name = f"habari-carrier-{token_hex(4)}"
    pods = cluster.raw_pods(namespace)
    _remove_ended(cluster, namespace, pods)
    node = _node_of(volume.claim, pods)
    make, ask = cluster.api.create_namespaced_pod, cluster.api.read_namespaced_pod

    def create(*, root: bool) -> None:
        body = _body(name, volume, image, node, as_root=root)
        cluster.write(lambda: make(namespace, body, _request_timeout=SECONDS))

    try:
        create(root=as_root)
    except ApiError as error:
        if not as_root or error.status not in REFUSED:
            raise
        create(root=False)  # the owner's right is what the cluster's policy leaves
    try:

        def seen() -> Any:
            return cluster.write(lambda: ask(name, namespace, _request_timeout=SECONDS))

        polling.wait_until(
            lambda: described(seen()).ready,
            f"Carrier of {volume.claim}",
            seconds=START_SECONDS,
            failed=lambda: described(seen()).failure or None,
            log=lambda: [str(each) for each in cluster.events(namespace, name)],
        )
        yield Pod(cluster, namespace, name, "carrier")
    finally:
        cluster.delete_pod(namespace, name)


def _node_of(claim: str, pods: Sequence[Any]) -> str:
    """Return the node on which somebody has the volume now: where one may, a second one may too."""
    for pod in pods:
        claims = [each.persistent_volume_claim for each in pod.spec.volumes or ()]
        mounts = any(each and each.claim_name == claim for each in claims)
        if mounts and pod.status.phase not in ENDED and pod.spec.node_name:
            return str(pod.spec.node_name)
    return ""


def _remove_ended(cluster: Cluster, namespace: str, pods: Sequence[Any]) -> None:
    """Delete what is left of carriers whose tool was killed, or was refused the deletion."""
    for pod in pods:
        ours = (pod.metadata.labels or {}).get("app") == LABELS["app"]
        if ours and pod.status.phase in ENDED:
            cluster.delete_pod(namespace, pod.metadata.name)


def _body(
    name: str, volume: Volume, image: PodImage, node: str, *, as_root: bool
) -> dict[str, Any]:
    rights: dict[str, Any] = {
        "drop": ["ALL"],
        **({"add": tar_container.CAPABILITIES} if as_root else {}),
    }
    container = {
        "name": "carrier",
        "image": image.reference,
        "command": tar_container.IDLE,
        "env": [{"name": n, "value": v} for n, v in tar_container.environment().items()],
        "volumeMounts": [{"name": "carried", "mountPath": MOUNT}],
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": rights},
    }
    claim = {"persistentVolumeClaim": {"claimName": volume.claim}, "name": "carried"}
    return {
        "metadata": {"name": name, "labels": LABELS},
        "spec": {
            **({"nodeName": node} if node else {}),
            "restartPolicy": "Never",
            "activeDeadlineSeconds": AT_MOST,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 0,
            "tolerations": [{"operator": "Exists"}],  # where users' servers run, so may it
            "imagePullSecrets": [{"name": each} for each in image.pull_secrets],
            "securityContext": {
                "runAsNonRoot": not as_root,
                "runAsUser": 0 if as_root else volume.user,
                "runAsGroup": 0 if as_root else volume.group,
                "fsGroup": volume.group,
                "fsGroupChangePolicy": "OnRootMismatch",
            },
            "containers": [container],
            "volumes": [claim],
        },
    }
