"""Homes and the hub's database of a release of the chart: out of their volumes and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

from habari_local.core import polling
from habari_local.core.container_user import USERS
from habari_local.core.errors import HabariError, NotRunning
from habari_local.drivers.kubernetes import claim_name
from habari_local.drivers.kubernetes.cluster import SECONDS
from habari_local.drivers.kubernetes.readiness import Rollout
from habari_local.drivers.kubernetes.volume_pod import PodImage, Volume, run_in_pod
from habari_local.drivers.tar_stream import Report, Sink
from habari_local.platform.helm.steps import HelmPlatform
from habari_local.platform.mode import Archive, Context, Home

HUB = 1000  # of the chart's hub
OWNER = "hub.jupyter.org/username"  # KubeSpawner's annotation of a claim
STORAGE = "component=singleuser-storage"
LABELS = {
    "app": "jupyterhub",
    "app.kubernetes.io/component": "singleuser-server",
    "app.kubernetes.io/managed-by": "kubespawner",
    "app.kubernetes.io/name": "jupyterhub",
    "component": "singleuser-storage",
}
CAPACITY = "10Gi"  # the chart's own
CLAIM, FILE = "hub-db-dir", "jupyterhub.sqlite"
ROLL_SECONDS = 300.0


class HelmBackup:
    """What makes a mode with a release of the chart one of `SupportsBackup`.

    `applied` is the annotation of the namespace by which `up` knows that it has nothing to do.
    """

    applied = ""

    def platform(self, ctx: Context) -> HelmPlatform:
        """Return where the release is."""
        raise NotImplementedError

    def homes(self, ctx: Context) -> Sequence[Home]:
        """Return the homes, by their claims."""
        platform = self.platform(ctx)
        listed = platform.cluster.raw_claims(platform.namespace, STORAGE)
        homes = [each for each in listed if OWNER in (each.metadata.annotations or {})]
        return [_home(each, platform.server_uid) for each in homes]

    @contextmanager
    def maintenance(self, ctx: Context) -> Iterator[None]:
        """Have no hub run for the block; when it raises, none runs after it either."""
        platform = self.platform(ctx)
        cluster, namespace = platform.cluster, platform.namespace
        digest = cluster.annotation(namespace, self.applied) if self.applied else ""
        if digest:  # so that `up` brings back what is stopped here
            cluster.annotate(namespace, self.applied, "")
        _scale(platform, 0)
        polling.wait_until(lambda: not _hub_pods(platform), "JupyterHub", seconds=ROLL_SECONDS)
        yield
        _scale(platform, 1)
        polling.wait_until(
            Rollout(cluster, namespace, "hub").done,
            "JupyterHub",
            seconds=ROLL_SECONDS,
            hint="habari-local logs hub",
        )
        if digest:
            cluster.annotate(namespace, self.applied, digest)

    def home_of(self, ctx: Context, owner: str) -> Home:
        """Return a user's home, or the claim that KubeSpawner would make for one.

        Raises:
            HabariError: the chart's values call claims otherwise than KubeSpawner does by itself.
        """
        for each in self.homes(ctx):
            if each.owner == owner:
                return each
        return _new_home(self.platform(ctx), owner)

    def take_home(self, ctx: Context, home: Home, into: Sink) -> Report:
        """Write all that can be read in a home's volume."""
        platform = self.platform(ctx)
        return run_in_pod(_volume(platform, home), _hub_image(platform), "pack", into=into)

    def put_home(self, ctx: Context, home: Home, source: Archive) -> Report:
        """Make the claim as KubeSpawner did unless it is there, and unpack into its volume."""
        platform = self.platform(ctx)
        claim = {name: home.about[name] for name in ("metadata", "spec")}
        if claim["metadata"]["name"] not in platform.cluster.claims(platform.namespace):
            make = platform.cluster.api.create_namespaced_persistent_volume_claim
            platform.cluster.write(
                lambda: make(platform.namespace, claim, _request_timeout=SECONDS)
            )
        volume, image = _volume(platform, home), _hub_image(platform)
        return run_in_pod(
            volume,
            image,
            "unpack",
            source=source.file,
            **source.options,
            users=[home.about["uid"], platform.server_uid],
        )

    def take_database(self, ctx: Context, into: Sink) -> bool:
        """Write the hub's database, if it is the chart's own."""
        platform = self.platform(ctx)
        if not _has_database(platform):
            return False
        volume, image = _database(platform), _hub_image(platform)
        run_in_pod(volume, image, "pack-database", file=FILE, into=into)
        return True

    def put_database(self, ctx: Context, source: IO[bytes]) -> None:
        """Put another one in its place, while no hub runs.

        Raises:
            HabariError: the chart keeps no database here.
        """
        platform = self.platform(ctx)
        if not _has_database(platform):
            raise HabariError(
                f"Hub in {platform.namespace}: its database is not in the volume {CLAIM}, so it"
                " can't be replaced.",
                "habari-local backup restore --help",
            )
        volume, image = _database(platform), _hub_image(platform)
        run_in_pod(volume, image, "unpack-database", file=FILE, source=source)


def _scale(platform: HelmPlatform, replicas: int) -> None:
    patch = platform.cluster.apps.patch_namespaced_deployment_scale
    body = {"spec": {"replicas": replicas}}
    platform.cluster.write(lambda: patch("hub", platform.namespace, body, _request_timeout=SECONDS))


def _hub_pods(platform: HelmPlatform) -> list[str]:
    pods = platform.cluster.pods(platform.namespace)
    return [each.name for each in pods if each.component == "hub"]


def _has_database(platform: HelmPlatform) -> bool:
    return CLAIM in platform.cluster.claims(platform.namespace)


def _database(platform: HelmPlatform) -> Volume:
    return Volume(platform.cluster, platform.namespace, CLAIM, HUB, HUB)


def _volume(platform: HelmPlatform, home: Home) -> Volume:
    name = home.about["metadata"]["name"]
    return Volume(platform.cluster, platform.namespace, name, platform.server_uid, USERS)


def _hub_image(platform: HelmPlatform) -> PodImage:
    """Return the hub's image: every node that pulls it may, and it has Python."""
    found = platform.cluster.deployment(platform.namespace, "hub")
    if found is None:
        raise NotRunning(f"JupyterHub in {platform.namespace}")
    pod = found.spec.template.spec
    return PodImage(pod.containers[0].image, [each.name for each in pod.image_pull_secrets or ()])


def _home(claim: Any, uid: int) -> Home:
    """Return a home as its claim says; what its cluster added to the claim is left out."""
    meta, spec = claim.metadata, claim.spec
    kept = {k: v for k, v in meta.annotations.items() if k.startswith("hub.jupyter.org/")}
    wanted = {"accessModes": spec.access_modes, "resources": {"requests": spec.resources.requests}}
    if spec.storage_class_name:
        wanted["storageClassName"] = spec.storage_class_name
    about = {
        "metadata": {"name": meta.name, "labels": meta.labels, "annotations": kept},
        "spec": wanted,
        "uid": uid,
    }
    return Home(meta.annotations[OWNER], about)


def _new_home(platform: HelmPlatform, owner: str) -> Home:
    """Return a home as the release's values have KubeSpawner make it."""
    singleuser = platform.release.values().get("singleuser") or {}
    storage = singleuser.get("storage") or {}
    dynamic = storage.get("dynamic") or {}
    template = dynamic.get("pvcNameTemplate") or claim_name.TEMPLATES[0]
    if template not in claim_name.TEMPLATES:
        raise HabariError(
            f"Home of {owner}: it is not there yet, and claims are called {template} here; the hub"
            " makes it when its user first starts a server.",
            "habari-local open",
        )
    spec: dict[str, Any] = {
        "accessModes": dynamic.get("storageAccessModes") or ["ReadWriteOnce"],
        "resources": {"requests": {"storage": storage.get("capacity") or CAPACITY}},
    }
    if dynamic.get("storageClass"):
        spec["storageClassName"] = dynamic["storageClass"]
    metadata = {
        "name": claim_name.claim_name(owner),
        "labels": {**LABELS, OWNER: claim_name.slug(owner)},
        "annotations": {OWNER: owner},
    }
    return Home(owner, {"metadata": metadata, "spec": spec, "uid": platform.server_uid})
