"""The steps that have the cluster run: created, started, or replaced where it is half there."""

from __future__ import annotations

import time
from collections.abc import Sequence

from habari_local.config.render.helm import PROJECT
from habari_local.core import polling
from habari_local.core.errors import HabariError
from habari_local.drivers import kind
from habari_local.images import bundled_binaries
from habari_local.modes.kind.platform import NAME, KindPlatform
from habari_local.platform.mode import UNCHANGED, Context, Progress, Step

START_SECONDS = 120.0  # how long nodes and API server may take
REFUSED_SECONDS = 30.0  # how long an API server that starts may refuse what it will allow
ADMIN = "/etc/kubernetes/admin.conf"  # the control plane's own kubeconfig
WRITTEN = "/etc/kubernetes/manifests/etcd.yaml"  # what kubeadm writes last before it waits


def programs(after: tuple[str, ...]) -> Step:
    """Return the step that has kind, helm and kubectl on this machine."""

    def action(ctx: Context, say: Progress) -> str:
        if not bundled_binaries.from_image(ctx.images):
            for name in bundled_binaries.NAMES:
                bundled_binaries.program(ctx.images, name)
            return UNCHANGED
        say("copying kind, helm and kubectl out of their image")
        return "copied" if bundled_binaries.unpack(ctx.images) else UNCHANGED

    return Step("tools", "kind, helm, kubectl", action, after)


def leftovers(platform: KindPlatform, after: tuple[str, ...]) -> Step:
    """Return the step that takes away what a killed kind left, before anything works with it."""

    def action(ctx: Context, say: Progress) -> str:  # noqa: ARG001 (the platform's)
        kubeconfig = platform.kubeconfig
        # Nobody else writes our kubeconfig, and who may have locked it is ended by now.
        kubeconfig.with_name("kubeconfig.lock").unlink(missing_ok=True)
        found = platform.nodes()
        renewed = _renew_mounts(found, say)
        if not found or kubeconfig.is_file():
            return renewed
        kind.start([each for each in found if not each.running])
        if _is_complete(platform, found, say):
            platform.kind.export()
            kubeconfig.chmod(0o600)
            return "its kubeconfig was lost"
        say("removing a half-created cluster")
        platform.kind.delete()
        return "a half-created cluster, removed"

    return Step("leftovers", "what a killed one left", action, after)


def _renew_mounts(found: Sequence[kind.Node], say: Progress) -> str:
    """Restart nodes whose folder of this machine was deleted while they ran; say if there were any.

    They keep the deleted one, in which no server can start, even where another has its path now.
    The kernel marks it (proc_pid_mountinfo(5)).
    """
    argv = ["grep", "--quiet", f"//deleted {PROJECT} ", "/proc/self/mountinfo"]
    lost = [each for each in found if each.running and _succeeds(each, argv)]
    if not lost:
        return UNCHANGED
    say("restarting the nodes: the project folder was deleted under them")
    kind.stop(lost)
    kind.start(lost)
    return "the deleted project folder, in use by the nodes; restarted"


def cluster(platform: KindPlatform, after: tuple[str, ...]) -> Step:
    """Return the step that creates the cluster, or starts the one that is there."""
    made: list[str] = []

    def action(_ctx: Context, say: Progress) -> str:
        outcome = _bring_up(platform, say, made)
        _await_api_server(platform, say)
        platform.cluster.keep_namespace(platform.namespace, platform.labels.labels)
        return outcome

    def undo(_ctx: Context) -> None:
        if "created" in made:
            platform.kind.delete()
        elif made:
            kind.stop(platform.nodes())

    return Step("cluster", "cluster", action, after, undo)


def _await_api_server(platform: KindPlatform, say: Progress) -> None:
    """Wait until the API server does what it is asked.

    Raises:
        ApiError: it refuses, and not only while it starts and its own roles are not there yet.
        NotReady: it does not answer.
    """
    began, said = time.monotonic(), [""]

    def answers() -> bool:
        error = platform.cluster.unanswered()
        if error is None:
            return True
        if not error.transient and time.monotonic() - began > REFUSED_SECONDS:
            raise error
        said[0] = error.said
        return False

    polling.wait_until(
        answers,
        "Kubernetes",
        seconds=START_SECONDS,
        log=lambda: said,
        cancel=platform.ctx.cancel,
        tick=lambda: say(f"waiting for the API server: {said[0]}"),
        hint=f"docker logs {platform.name}-control-plane",
    )


def _bring_up(platform: KindPlatform, say: Progress, made: list[str]) -> str:
    found = platform.nodes()
    if found and not platform.kubeconfig.is_file():
        # An ended kind had asked the engine for it, and it came after `leftovers` had looked.
        say("removing a node that came late")
        platform.kind.delete()
        found = []
    stopped = [each for each in found if not each.running]
    if stopped:
        made.append("started")
        say("starting the nodes")
        kind.start(stopped)
    if found:
        return "started again" if stopped else UNCHANGED
    made.append("created")
    ctx = platform.ctx
    config = ctx.checkout.of_mode(NAME) / "cluster.yaml"
    image = ctx.images.reference("node")
    platform.kind.create(config, image, on_line=say, cancel=ctx.cancel)
    platform.kubeconfig.chmod(0o600)
    return "made"


def _is_complete(platform: KindPlatform, found: Sequence[kind.Node], say: Progress) -> bool:
    """Whether kind finished it: only then was our namespace made, and people's data.

    Raises:
        NotReady: it can't be said, since its API server does not answer.
    """
    main = [each for each in found if each.name.endswith("-control-plane")]
    if not main or not _succeeds(main[0], ["test", "-s", WRITTEN]):
        return False
    kubectl = ["kubectl", "--kubeconfig", ADMIN]
    polling.wait_until(
        lambda: _succeeds(main[0], [*kubectl, "get", "--raw", "/readyz"]),
        "Kubernetes",
        seconds=START_SECONDS,
        cancel=platform.ctx.cancel,
        tick=lambda: say("checking that the cluster is complete"),
        hint=f"docker logs {main[0].name}",
    )
    return _succeeds(main[0], [*kubectl, "get", "namespace", platform.namespace])


def _succeeds(node: kind.Node, argv: Sequence[str]) -> bool:
    try:
        kind.execute(node, argv)
    except HabariError:
        return False
    return True
