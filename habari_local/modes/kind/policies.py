"""NetworkPolicies of the cluster: what makes them hold, and whether they do, by trying.

Upstream's node keeps pods from each other and not from the node that they are on: its API server,
its kubelet, its metadata address (docs/adr/0081).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence

from habari_local.config.render import kind as render
from habari_local.config.secrets import write_private
from habari_local.config.settings import Settings
from habari_local.core import polling
from habari_local.core.errors import CommandFailed, HabariError, NotReady, NotRunning
from habari_local.drivers import kind
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.kubernetes import probe_pod
from habari_local.drivers.kubernetes.cluster import SECONDS, Cluster
from habari_local.modes.kind.platform import APPLY, NAME, NAMESPACE, KindPlatform
from habari_local.platform.helm.steps import DIGEST
from habari_local.platform.mode import UNCHANGED, Context, Progress, Step

IMAGE = "netpol"
SYSTEM = "kube-system"
DAEMON = "habari-netpol"
OWN = "netpol"  # the DaemonSet of a node from packages
DELETE = ("delete", "--ignore-not-found", "--wait", "--filename")
TABLE = ("nft", "delete", "table", "inet", "habari_netpol")
APPLIED = "dev.habari/enforcer"  # annotations of the namespace: what was applied,
TRIED = "dev.habari/policies"  # and what was tried, on what
START_SECONDS = 120.0
# What the chart's policy denies a user's server on its own node, and what it allows it.
DENIED = {"the API server": "kubernetes.default.svc:443", "the kubelet": f"{probe_pod.NODE}:10250"}
ALLOWED = "hub:8081"
REMEDY = "habari-local config set HABARI_POLICY_ENFORCER habari"


def ours(settings: Settings) -> bool:
    """Whether a pod of ours on each node is to make them hold."""
    by_default = "habari" if settings.images == "upstream" else "node"
    chosen = settings.policy_enforcer
    return (by_default if chosen == "auto" else chosen) == "habari"


def enforcer(settings: Settings) -> str:
    """Return what makes them hold: "habari", in a node or beside it, or upstream's "node"."""
    return "habari" if ours(settings) or settings.images == "packages" else "node"


def enforced(platform: KindPlatform, after: tuple[str, ...]) -> Step:
    """Return the step that has our enforcer on each node, or takes it away."""

    def action(ctx: Context, say: Progress) -> str:
        cluster = platform.cluster
        wanted = _objects(platform) if ours(ctx.settings) and not _has(cluster, OWN) else ""
        digest = hashlib.sha256(wanted.encode()).hexdigest()[:16] if wanted else ""
        applied = cluster.annotation(NAMESPACE, APPLIED)
        if applied == digest and _has(cluster, DAEMON) == bool(wanted):
            return UNCHANGED
        say("kubectl apply" if wanted else "kubectl delete")
        cluster.annotate(NAMESPACE, APPLIED, "")
        file = ctx.checkout.of_mode(NAME) / "enforcer.json"
        write_private(file, wanted or _objects(platform))
        platform.kubectl(*(APPLY if wanted else DELETE), str(file))
        if not wanted:
            _remove_rules(platform.nodes())
            return "removed"
        if ctx.wait:
            polling.wait_until(
                lambda: _up(cluster),
                "NetworkPolicies",
                seconds=START_SECONDS,
                cancel=ctx.cancel,
                tick=lambda: say("waiting for the enforcer's pods"),
                hint=f"habari-local kubectl -- --namespace {SYSTEM} describe pods -l app={DAEMON}",
            )
        cluster.annotate(NAMESPACE, APPLIED, digest)
        return "our enforcer is on each node"

    return Step("enforcer", "enforcer of NetworkPolicies", action, after)


def held(platform: KindPlatform, after: tuple[str, ...], note: Callable[[str], None]) -> Step:
    """Return the step that tries as a user's server what the policies deny it.

    What is open is said as its outcome, and given to `note` at each call for who reads the end.
    """

    def action(ctx: Context, say: Progress) -> str:
        if not ctx.wait:
            return "not tried"
        cluster, on = platform.cluster, _state(platform)
        before, _, known = cluster.annotation(NAMESPACE, TRIED).partition(" ")
        if before == on:
            if known:
                note(known)
            return UNCHANGED
        say("trying what they deny a user's server")
        outcome, warning = _outcome(cluster)
        cluster.annotate(NAMESPACE, TRIED, f"{on} {warning}")
        if warning:
            note(warning)
        return outcome

    return Step("policies", "NetworkPolicies", action, after)


def _outcome(cluster: Cluster) -> tuple[str, str]:
    """Try it; return what is to be said of it, and what is to be said each time."""
    try:
        reached = _tried(cluster)
    except HabariError as error:
        why = f"Whether NetworkPolicies hold could not be tried: {error.message}"
        return why, why
    if not reached.get(ALLOWED):
        why = f"Whether NetworkPolicies hold could not be tried: a probe does not reach {ALLOWED}"
        return why, why
    opened = " and ".join(name for name, address in DENIED.items() if reached[address])
    if not opened:
        return f"hold: a user's server reaches neither {' nor '.join(DENIED)}", ""
    warning = (
        f"NetworkPolicies are NOT enforced on this node for what is on the node itself: users'"
        f" servers reach {opened}. Try: {REMEDY}"
    )
    return warning, warning


def _tried(cluster: Cluster) -> dict[str, bool]:
    """Return which places a pod reaches that the policies take for a user's server.

    Raises:
        NotReady: it could not be tried.
    """
    try:
        hub = cluster.deployment(NAMESPACE, "hub")
        if hub is None:
            raise NotRunning("JupyterHub", "kind")
        pod = hub.spec.template.spec
        secrets = [each.name for each in pod.image_pull_secrets or ()]
        labels = probe_pod.server_labels(cluster, NAMESPACE)
        image = pod.containers[0].image
        where = probe_pod.ProbeTarget(cluster, NAMESPACE, image, secrets, labels)
        return probe_pod.can_connect(where, [*DENIED.values(), ALLOWED])
    except ValueError as error:  # what the probe printed was no JSON
        raise NotReady("Probe", 0, "nothing was told by it", [], "habari-local up") from error


def _state(platform: KindPlatform) -> str:
    """Return what decides whether they hold: release, enforcer, and the nodes as they run now."""
    release = [platform.cluster.annotation(NAMESPACE, each) for each in (DIGEST, APPLIED)]
    since = [
        (each.id, docker_client.api().inspect_container(each.id)["State"]["StartedAt"])
        for each in platform.nodes()
    ]
    return hashlib.sha256(json.dumps([*release, sorted(since)]).encode()).hexdigest()[:16]


def _objects(platform: KindPlatform) -> str:
    folder = platform.ctx.checkout.root / "kind" / "manifests"
    known = platform.pushed({IMAGE: IMAGE})
    return render.as_list(render.manifests(folder, [IMAGE], known))


def _remove_rules(nodes: Sequence[kind.Node]) -> None:
    """Take away the enforcer's rules: they outlive it, so that its restart is no gap."""
    for each in nodes:
        try:
            kind.execute(each, TABLE)
        except CommandFailed as error:
            if "No such file or directory" not in error.output:
                raise


def _daemon(cluster: Cluster, name: str) -> object:
    ask = cluster.apps.read_namespaced_daemon_set
    return cluster.read(lambda: ask(name, SYSTEM, _request_timeout=SECONDS))


def _has(cluster: Cluster, name: str) -> bool:
    return _daemon(cluster, name) is not None


def _up(cluster: Cluster) -> bool:
    found = _daemon(cluster, DAEMON)
    status = getattr(found, "status", None)
    if status is None or (status.observed_generation or 0) < found.metadata.generation:  # type: ignore[attr-defined]
        return False
    wanted = status.desired_number_scheduled or 0
    counts = (status.updated_number_scheduled, status.number_ready)
    return wanted > 0 and all((each or 0) == wanted for each in counts)
