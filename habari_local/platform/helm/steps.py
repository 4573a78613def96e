"""The steps of modes on Kubernetes: the release of the chart, and waiting for what it makes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from habari_local.core import polling
from habari_local.core.errors import CommandFailed, HabariError
from habari_local.drivers.helm import Release
from habari_local.drivers.kubernetes.cluster import Cluster
from habari_local.drivers.kubernetes.readiness import PodWatch, Readiness, failures
from habari_local.platform.mode import UNCHANGED, Context, Progress, Step

START_SECONDS = 300.0  # in which nothing changes: a cold disk, an image from far away
DIGEST = "dev.habari/release"  # annotation of the namespace: what the release was made of


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


def release(of: Callable[[Context], Deployment], after: tuple[str, ...]) -> Step:
    """Return the step that has the release follow chart and values, if they differ from its own."""

    def action(ctx: Context, say: Progress) -> str:
        deployment = of(ctx)
        namespace = deployment.release.namespace
        if deployment.cluster.annotation(namespace, DIGEST) == deployment.digest:
            return UNCHANGED
        say("looking for a release that was left pending")
        mended = deployment.release.mend(cancel=ctx.cancel)
        say("helm upgrade --install")
        deployment.cluster.annotate(namespace, DIGEST, "")
        try:
            deployment.release.upgrade(
                deployment.chart, deployment.values, on_line=say, cancel=ctx.cancel
            )
        except CommandFailed as error:
            told = failures(deployment.cluster, namespace)
            details = [*error.details, *told]
            raise HabariError(error.message, error.hint, error.code, details) from error
        deployment.cluster.annotate(namespace, DIGEST, deployment.digest)
        return f"{mended}; upgraded" if mended else "installed"

    return Step("release", "chart", action, after)


def pod(
    names: tuple[str, str, str],
    watch: Callable[[Context], PodWatch],
    cluster: Cluster,
    namespace: str,
    page: str,
    after: tuple[str, ...],
) -> Step:
    """Return the step that waits for a component: for its pods of now, and its page.

    `names` are the service's and its Deployment's, its pods' component or label `app`, and what a
    person calls it. It ends as soon as the pod can't come up any more, with its events and last
    lines.
    """

    name, component, title = names

    def action(ctx: Context, say: Progress) -> str:
        arrival = Readiness(cluster, namespace, name, component)
        if polling.http_ok(page) and arrival.complete():
            return UNCHANGED
        if not ctx.wait and name != "s3":
            return "not waited for"
        following = watch(ctx)
        polling.wait_until(
            lambda: polling.http_ok(page) and arrival.complete(),
            title,
            seconds=START_SECONDS,
            works=polling.changes(lambda: arrival.says(following)),
            failed=lambda: arrival.failed(following),
            log=lambda: arrival.evidence(following),
            tick=lambda: say(arrival.says(following)),
            cancel=ctx.cancel,
            hint=f"habari-local logs {name}",
        )
        return "answers"

    return Step(name, title, action, after)
