"""The steps of modes on Kubernetes: the release of the chart, and waiting for what it makes."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from habari_local.core import polling
from habari_local.core.errors import CommandFailed, HabariError, NotReady
from habari_local.drivers.helm import Release
from habari_local.drivers.kubernetes.api_errors import ApiError
from habari_local.drivers.kubernetes.cluster import Cluster
from habari_local.drivers.kubernetes.hooks import Hooks
from habari_local.drivers.kubernetes.readiness import PodWatch, Readiness, failures
from habari_local.platform.mode import UNCHANGED, Context, Progress, Step

START_SECONDS = 300.0  # in which nothing changes: a cold disk, an image from far away
DIGEST = "dev.habari/release"  # annotation of the namespace: what the release was made of


class HelmPlatform(Protocol):
    """A release of the chart in a namespace, as every mode on Kubernetes has one."""

    @property
    def cluster(self) -> Cluster:
        """The cluster as its client sees it."""

    @property
    def namespace(self) -> str:
        """Where the release is."""

    @property
    def release(self) -> Release:
        """The release of the chart."""

    @property
    def server_uid(self) -> int:
        """Whom users' servers run as."""

    @property
    def pod_watch(self) -> PodWatch:
        """What follows the pods for those who are in its block."""


@dataclass(frozen=True)
class Deployment:
    """Where the release is, and what it is made of; `values` are its files, later ones win."""

    cluster: Cluster
    release: Release
    chart: Path
    values: Sequence[Path]

    @property
    def digest(self) -> str:
        """The hash of chart and values."""
        seen = hashlib.sha256()
        files = sorted(self.chart.rglob("*")) if self.chart.is_dir() else [self.chart]
        for path in [*(each for each in files if each.is_file()), *self.values]:
            seen.update(path.name.encode() + b"\0" + path.read_bytes())
        return seen.hexdigest()[:16]


def release(of: Callable[[], Deployment], after: tuple[str, ...]) -> Step:
    """Return the step that has the release follow chart and values, if they differ from its own.

    Undone, the release is again what ran before; a first one is left to the next `up`.
    """
    before: list[tuple[int, str]] = []  # the good revision and its digest; empty: nothing changed

    def action(ctx: Context, say: Progress) -> str:
        deployment = of()
        namespace, release = deployment.release.namespace, deployment.release
        digest = deployment.cluster.annotation(namespace, DIGEST)
        if digest == deployment.digest:
            return UNCHANGED
        say("looking for a release that was left pending")
        recovered = release.recover(cancel=ctx.cancel)
        good = [each.number for each in release.history() if each.good]
        before.extend([(good[-1], digest)] if good else [])
        say("helm upgrade --install")
        deployment.cluster.annotate(namespace, DIGEST, "")
        upgrade(deployment, ctx, say)
        deployment.cluster.annotate(namespace, DIGEST, deployment.digest)
        return f"{recovered}; upgraded" if recovered else "installed"

    def undo(_ctx: Context) -> str | None:
        if not before:
            return None
        deployment, (number, digest) = of(), before[0]
        said, done = roll_back(deployment.release, number)
        if done:
            with suppress(ApiError):  # without it the next `up` has helm compare
                deployment.cluster.annotate(deployment.release.namespace, DIGEST, digest)
        return said

    return Step("release", "chart", action, after, undo)


def upgrade(
    deployment: Deployment,
    ctx: Context,
    say: Progress,
    *,
    seconds: float = START_SECONDS,
    growing: bool = False,
    hint: str = "habari-local kubectl -- describe pods",
) -> None:
    """Have the release follow chart and values; its hooks are watched, as helm tells nothing.

    Args:
        deployment: what of, and where.
        ctx: whose `cancel` ends it.
        say: shows what is waited for.
        seconds: how long nothing may change; a pull that goes on is a change.
        growing: whether the cluster may add nodes.
        hint: what to try when a hook can't end.

    Raises:
        CommandFailed: helm refused the values, or a hook failed.
        NotReady: a hook can't end, with its events and last lines; helm was ended.
        Cancelled: `ctx.cancel` was set.
    """
    release, cluster = deployment.release, deployment.cluster
    hooks, over = Hooks(cluster, release.namespace, growing=growing), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        helm = pool.submit(
            release.upgrade, deployment.chart, deployment.values, on_line=say, cancel=over
        )
        try:
            polling.wait_until(
                helm.done,
                f"Release {release.name}",
                seconds=seconds,
                works=hooks.works,
                failed=hooks.failed,
                log=hooks.evidence,
                tick=lambda: hooks.show(say),
                cancel=ctx.cancel,
                hint=hint,
            )
        finally:
            over.set()  # ends helm, unless it has ended
    try:
        helm.result()
    except CommandFailed as error:
        error.details = (*error.details, *failures(cluster, release.namespace))
        raise


def roll_back(release: Release, number: int) -> tuple[str, bool]:
    """Have the release be again what a revision was; return what became of it, and if it is so."""
    try:
        release.rollback(number)
    except HabariError as error:  # what led here is the error that is shown
        return (
            f"Release {release.name}: not rolled back to revision {number}: {error.message}",
            False,
        )
    return f"Release {release.name}: rolled back to revision {number}.", True


@dataclass(frozen=True)
class Component:
    """A Deployment `name` whose pods are labelled `label`, what people call it, and its page.

    `page` answers when it is up; where it is empty, its pods tell.
    """

    name: str
    label: str
    title: str
    page: str = ""

    @property
    def answers(self) -> bool:
        """Whether its page does, if it has one."""
        return not self.page or polling.http_ok(self.page)


def rollout(
    platform: HelmPlatform,
    component: Component,
    after: tuple[str, ...],
    *,
    seconds: float = START_SECONDS,
    growing: bool = False,
    hint: Callable[[str], str] | None = None,
) -> Step:
    """Return the step that waits until a component runs in its newest form, and answers.

    It ends as soon as its pod can't come up any more, with the pod's events and last lines.

    Args:
        platform: where it is.
        component: which.
        after: the steps before it.
        seconds: how long nothing may change.
        growing: whether the cluster may add nodes.
        hint: what to try, by the message of what went wrong.
    """

    def action(ctx: Context, say: Progress) -> str:
        name, label = component.name, component.label
        pods = Readiness(platform.cluster, platform.namespace, name, label, growing=growing)
        if component.answers and pods.complete():
            return UNCHANGED
        if not ctx.wait and name != "s3":
            return "not waited for"
        try:
            with platform.pod_watch as watch:
                polling.wait_until(
                    lambda: component.answers and pods.complete(),
                    component.title,
                    seconds=seconds,
                    works=polling.changes(lambda: pods.progress(watch)),
                    failed=lambda: pods.failed(watch),
                    log=lambda: pods.evidence(watch),
                    tick=lambda: say(pods.progress(watch)),
                    cancel=ctx.cancel,
                    hint=f"habari-local logs {name}",
                )
        except NotReady as error:
            error.hint = hint(error.message) if hint else error.hint
            raise
        return "answers" if component.page else "runs"

    return Step(component.name, component.title, action, after)
