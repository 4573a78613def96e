"""The step that has the cluster run: made, started again, or made anew where it is half there."""

from __future__ import annotations

from collections.abc import Sequence

from habari_local.core import polling
from habari_local.core.errors import HabariError
from habari_local.drivers import kind_nodes
from habari_local.modes.kind import handles
from habari_local.platform.mode import UNCHANGED, Context, Progress, Step

START_SECONDS = 120.0  # how long nodes and API server may take
ADMIN = "/etc/kubernetes/admin.conf"  # the control plane's own kubeconfig
WRITTEN = "/etc/kubernetes/manifests/etcd.yaml"  # what kubeadm writes last before it waits


def leftovers(after: tuple[str, ...]) -> Step:
    """Return the step that takes away what a killed kind left, before anything works with it."""

    def action(ctx: Context, say: Progress) -> str:
        # Nobody else writes our kubeconfig, and who may have locked it is ended by now.
        handles.kubeconfig(ctx).with_name("kubeconfig.lock").unlink(missing_ok=True)
        found = handles.nodes(ctx)
        if not found or handles.kubeconfig(ctx).is_file():
            return UNCHANGED
        kind_nodes.start([each for each in found if not each.running])
        if _whole(ctx, found, say):
            handles.kind(ctx).export()
            handles.kubeconfig(ctx).chmod(0o600)
            return "its kubeconfig was lost"
        say("removing a half-created cluster")
        handles.kind(ctx).delete()
        return "a half-created cluster, removed"

    return Step("leftovers", "what a killed one left", action, after)


def cluster(after: tuple[str, ...]) -> Step:
    """Return the step that makes the cluster, or starts the one that is there."""
    made: list[str] = []

    def action(ctx: Context, say: Progress) -> str:
        outcome = _bring(ctx, say, made)
        seen = handles.cluster(ctx)
        polling.wait_until(
            seen.answers,
            "Kubernetes",
            seconds=START_SECONDS,
            cancel=ctx.cancel,
            tick=lambda: say("waiting for the API server"),
            hint=f"docker logs {handles.name(ctx)}-control-plane",
        )
        seen.keep_namespace(handles.NAMESPACE, handles.resource_labels(ctx).labels)
        return outcome

    def undo(ctx: Context) -> None:
        if "created" in made:
            handles.kind(ctx).delete()
        elif made:
            kind_nodes.stop(handles.nodes(ctx))

    return Step("cluster", "cluster", action, after, undo)


def _bring(ctx: Context, say: Progress, made: list[str]) -> str:
    found = handles.nodes(ctx)
    if found and not handles.kubeconfig(ctx).is_file():
        # An ended kind had asked the engine for it, and it came after `leftovers` had looked.
        say("removing a node that came late")
        handles.kind(ctx).delete()
        found = []
    stopped = [each for each in found if not each.running]
    if stopped:
        made.append("started")
        say("starting the nodes")
        kind_nodes.start(stopped)
    if found:
        return "started again" if stopped else UNCHANGED
    made.append("created")
    image = handles.images(ctx).reference("node")
    config = ctx.checkout.of_mode(handles.NAME) / "cluster.yaml"
    handles.kind(ctx).create(config, image, on_line=say, cancel=ctx.cancel)
    handles.kubeconfig(ctx).chmod(0o600)
    return "made"


def _whole(ctx: Context, found: Sequence[kind_nodes.Node], say: Progress) -> bool:
    """Whether kind came to its end with it: only then was our namespace made, and people's data.

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
        cancel=ctx.cancel,
        tick=lambda: say("checking that the cluster is complete"),
        hint=f"docker logs {main[0].name}",
    )
    return _succeeds(main[0], [*kubectl, "get", "namespace", handles.NAMESPACE])


def _succeeds(of: kind_nodes.Node, argv: Sequence[str]) -> bool:
    try:
        kind_nodes.execute(of, argv)
    except HabariError:
        return False
    return True
