"""Homes and the hub's database of a release of the chart: taken out of their volumes, put back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from habari_local.core import polling
from habari_local.core.container_user import JOVYAN, USERS
from habari_local.core.errors import HabariError, NotRunning
from habari_local.drivers.kubernetes.cluster import SECONDS, Cluster
from habari_local.drivers.kubernetes.readiness import Rollout
from habari_local.drivers.kubernetes.volume_pod import PodImage, Volume, run_in_pod
from habari_local.platform.backup_protocol import Home
from habari_local.platform.mode import Context

HUB = 1000  # of the chart's hub
OWNER = "hub.jupyter.org/username"  # KubeSpawner's annotation of a claim
STORAGE = "component=singleuser-storage"
CLAIM, FILE = "hub-db-dir", "jupyterhub.sqlite"
ROLL_SECONDS = 300.0


@dataclass(frozen=True)
class ReleaseBackup:
    """A release's volumes."""

    cluster: Cluster
    namespace: str
    account: int = JOVYAN  # the number of the one that servers run as

    def homes(self) -> list[Home]:
        """Return the homes, by their claims."""
        listed: list[Any] = self.cluster.api.list_namespaced_persistent_volume_claim(
            self.namespace, label_selector=STORAGE, _request_timeout=SECONDS
        ).items
        return [_home(each) for each in listed if OWNER in (each.metadata.annotations or {})]

    def take_home(self, home: Home, into: IO[bytes]) -> None:
        """Write all that is in a home's volume."""
        run_in_pod(self._volume(home), self._image(), "pack", into=into)

    def put_home(self, home: Home, source: IO[bytes]) -> None:
        """Make the claim as KubeSpawner did unless it is there, and unpack into its volume."""
        claim, there = home.about, self.cluster.claims(self.namespace)
        if claim["metadata"]["name"] not in there:
            self.cluster.api.create_namespaced_persistent_volume_claim(
                self.namespace, {**claim}, _request_timeout=SECONDS
            )
        run_in_pod(self._volume(home), self._image(), "unpack", source=source)

    def take_database(self, into: IO[bytes]) -> bool:
        """Write the hub's database, if it is the chart's own."""
        if not self._has_database():
            return False
        run_in_pod(self._database(), self._image(), "pack-database", file=FILE, into=into)
        return True

    def put_database(self, source: IO[bytes]) -> None:
        """Put another one in its place, and have the hub run on it.

        Raises:
            HabariError: the chart keeps no database here.
        """
        if not self._has_database():
            raise HabariError(
                f"Hub in {self.namespace}: its database is not in the volume {CLAIM}, where one"
                " was expected to be put.",
                "habari-local backup restore --help",
            )
        image = self._image()
        with self._without_hub():
            run_in_pod(self._database(), image, "unpack-database", file=FILE, source=source)

    @contextmanager
    def _without_hub(self) -> Iterator[None]:
        """Have no hub run meanwhile, and wait until it does again."""
        self._scale(0)
        try:
            polling.wait_until(self._gone, "JupyterHub", seconds=ROLL_SECONDS)
            yield
        finally:
            self._scale(1)
        polling.wait_until(
            Rollout(self.cluster, self.namespace, "hub").done,
            "JupyterHub",
            seconds=ROLL_SECONDS,
            hint="habari-local logs hub",
        )

    def _gone(self) -> bool:
        return not [p for p in self.cluster.pods(self.namespace) if p.component == "hub"]

    def _scale(self, replicas: int) -> None:
        patch = self.cluster.apps.patch_namespaced_deployment_scale
        patch("hub", self.namespace, {"spec": {"replicas": replicas}}, _request_timeout=SECONDS)

    def _has_database(self) -> bool:
        return CLAIM in self.cluster.claims(self.namespace)

    def _database(self) -> Volume:
        return Volume(self.cluster, self.namespace, CLAIM, HUB, HUB)

    def _volume(self, home: Home) -> Volume:
        name = home.about["metadata"]["name"]
        return Volume(self.cluster, self.namespace, name, self.account, USERS)

    def _image(self) -> PodImage:
        """Return the hub's: every node that pulls it may, and it has Python."""
        found = self.cluster.deployment(self.namespace, "hub")
        if found is None:
            raise NotRunning(f"JupyterHub in {self.namespace}")
        pod = found.spec.template.spec
        return PodImage(
            pod.containers[0].image, [each.name for each in pod.image_pull_secrets or ()]
        )


class VolumeBackup:
    """What modes with a release of the chart have in common as `Keeping`."""

    def kept(self, ctx: Context) -> ReleaseBackup:
        """Return the release's volumes."""
        raise NotImplementedError

    def homes(self, ctx: Context) -> Sequence[Home]:
        """Return the homes that are there."""
        return self.kept(ctx).homes()

    def take_home(self, ctx: Context, home: Home, into: IO[bytes]) -> None:
        """Write all that is in a home."""
        self.kept(ctx).take_home(home, into)

    def put_home(self, ctx: Context, home: Home, source: IO[bytes]) -> None:
        """Make a home unless it is there, and lay what was taken over what is in it."""
        self.kept(ctx).put_home(home, source)

    def take_database(self, ctx: Context, into: IO[bytes]) -> bool:
        """Write the hub's database."""
        return self.kept(ctx).take_database(into)

    def put_database(self, ctx: Context, source: IO[bytes]) -> None:
        """Put a database in the place of the hub's."""
        self.kept(ctx).put_database(source)


def _home(claim: Any) -> Home:
    """Return a home as its claim says; what its cluster added to the claim is left out."""
    meta, spec = claim.metadata, claim.spec
    kept = {k: v for k, v in meta.annotations.items() if k.startswith("hub.jupyter.org/")}
    wanted = {"accessModes": spec.access_modes, "resources": {"requests": spec.resources.requests}}
    if spec.storage_class_name:
        wanted["storageClassName"] = spec.storage_class_name
    about = {
        "metadata": {"name": meta.name, "labels": meta.labels, "annotations": kept},
        "spec": wanted,
    }
    return Home(meta.annotations[OWNER], about)
