"""Kind mode while it is up, and its end: how it is, what it says, stopping and deleting it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence

from habari_local.config.secrets import forget
from habari_local.core import polling
from habari_local.core.errors import HabariError
from habari_local.diagnosis import hints
from habari_local.drivers import kind_nodes, log_files
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.docker.client import remove_all
from habari_local.drivers.kubernetes.pods import Pod
from habari_local.modes.kind import handles
from habari_local.platform.helm import status_and_logs as shared
from habari_local.platform.mode import Context, DownResult, ServiceStatus

COMPONENTS = {"s3": "habari-s3", "github": "habari-github"}  # service → label; else the same


def published(ctx: Context) -> set[int]:
    """Return the ports of this machine that our running containers hold."""
    ports = {port for each in handles.nodes(ctx) if each.running for _, port in each.ports}
    if any(
        each.state == "running" for each in docker_client.containers(handles.resource_labels(ctx))
    ):
        ports.add(ctx.settings.port("registry"))
    return ports


def require_free_ports(ctx: Context, fields: Sequence[str]) -> None:
    """Refuse settings that a whole cluster can't follow: ports and nodes are made with it.

    Raises:
        HabariError: a port of the settings is not among the cluster's, or it has other nodes.
    """
    found = handles.nodes(ctx)
    if not found or not handles.kubeconfig(ctx).is_file():
        return
    there = {port for each in found for _, port in each.ports}
    wanted = {ctx.settings.port(field) for field in fields if field != "registry"}
    missing = ", ".join(map(str, sorted(wanted - there)))
    seen = [f"created without port {missing}"] if missing else []
    if len(found) != ctx.settings.nodes:
        seen.append(f"created with {len(found)} nodes, not {ctx.settings.nodes}")
    if seen:
        raise HabariError(
            f"Cluster {handles.name(ctx)}: {'; '.join(seen)}; a running cluster can't change that.",
            _as_it_was(ctx, wanted, there, len(found)),
        )


def _as_it_was(ctx: Context, wanted: set[int], there: set[int], nodes: int) -> str:
    """Return the command that sets what the cluster was made with: to wipe it would take work."""
    settings = ctx.settings
    if wanted <= there:
        return hints.setting("HABARI_NODES", str(nodes), ctx.environ)
    for offset in range(10_000):
        if {port - settings.port_offset + offset for port in wanted} <= there:
            return hints.setting("HABARI_PORT_OFFSET", str(offset), ctx.environ)
    return "habari-local config show"


def status(ctx: Context, pages: Mapping[str, str]) -> list[ServiceStatus]:
    """Return each service (name → page that answers) and each user's server."""
    up = any(each.running for each in handles.nodes(ctx)) and handles.kubeconfig(ctx).is_file()
    cluster = handles.cluster(ctx)
    pods = cluster.pods(handles.NAMESPACE) if up else []
    memory = cluster.memory(handles.NAMESPACE) if up else {}
    rows = []
    for name, page in pages.items():
        address = "/".join(page.split("/")[:3])
        if name == handles.REGISTRY:
            rows.append(_registry(ctx, page, address))
            continue
        found = [each for each in pods if each.component == COMPONENTS.get(name, name)]
        rows.append(shared.service(name, page, found, memory))
    return rows + shared.servers(pods, memory)


def _registry(ctx: Context, page: str, address: str) -> ServiceStatus:
    found = [
        e for e in docker_client.containers(handles.resource_labels(ctx)) if e.state == "running"
    ]
    if not found:
        return ServiceStatus(handles.REGISTRY, "stopped", address)
    state = "running" if polling.http_ok(page) else "not answering"
    used = docker_client.memory(found[0].id)
    return ServiceStatus(handles.REGISTRY, state, address, found[0].since, used, pid=found[0].pid)


def logs(
    ctx: Context,
    services: Sequence[str],
    wanted: Sequence[str],
    follow: bool,
    lines: int,
    since: float | None,
) -> Iterator[str]:
    """Yield log lines of services and of users' servers (all if nothing is wanted)."""
    if not handles.kubeconfig(ctx).is_file():
        return
    named = [name for name in services if not wanted or name in wanted]
    cluster, labels = handles.cluster(ctx), {COMPONENTS.get(name, name) for name in named}
    pods = [
        each
        for each in cluster.pods(handles.NAMESPACE)
        if each.component in labels or (each.user and (not wanted or each.user in wanted))
    ]
    boxes = (
        docker_client.containers(handles.resource_labels(ctx)) if handles.REGISTRY in named else []
    )
    titles = {each.name: _title(each) for each in pods}

    def read(container: str) -> Iterator[str]:
        ask = docker_client.follow if follow else docker_client.last_lines
        yield from ask(container, lines, since)

    found = shared.pod_logs(cluster, handles.NAMESPACE, titles, lines, since, follow=follow)
    found += [(box.service, read(box.id)) for box in boxes]
    yield from log_files.merge(found, follow=follow)


def _title(pod: Pod) -> str:
    names = {label: name for name, label in COMPONENTS.items()}
    return names.get(pod.component, pod.title)


def _stopped(ctx: Context) -> dict[str, kind_nodes.Node]:
    """Stop the nodes; return by id how they were before."""
    found = handles.nodes(ctx)
    kind_nodes.stop([each for each in found if each.running])
    return {each.id: each for each in found}


def data(ctx: Context) -> list[str]:
    """Return the cluster and its volumes; nothing where no engine answers."""
    if not docker_client.reachable():
        return []
    nodes = [f"cluster {handles.name(ctx)} (homes, buckets, the hub's database)"]
    volumes = [f"volume {each}" for each in docker_client.volumes(handles.resource_labels(ctx))]
    return [*(nodes if handles.nodes(ctx) else ()), *volumes]


def down(ctx: Context, *, wipe: bool) -> DownResult:
    """Stop nodes and registry; what is on them stays. With `wipe` delete it all."""
    interrupted = handles.project(ctx).end_leftovers()
    boxes = docker_client.containers(handles.resource_labels(ctx))
    seen = _stopped(ctx)
    remove_all(handles.resource_labels(ctx), interrupted=interrupted)
    if interrupted:  # what kind had asked the engine for has come meanwhile
        seen = {**_stopped(ctx), **seen}
    nodes = list(seen.values())
    running = [each for each in nodes if each.running]
    names = (*(each.name for each in running), *(each.service for each in boxes))
    shown = tuple(data(ctx))
    if not wipe:
        return DownResult(names, shown)
    if nodes:
        handles.kind(ctx).delete()
    docker_client.remove_volumes(docker_client.volumes(handles.resource_labels(ctx)))
    handles.kubeconfig(ctx).unlink(missing_ok=True)
    shutil.rmtree(handles.keys(ctx), ignore_errors=True)
    forget(ctx.checkout.root / ".habari", handles.S3.key_names)
    return DownResult(names, (), shown)
