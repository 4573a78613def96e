"""Kind mode: Zero to JupyterHub's chart on a local Kubernetes; see the list in `steps`."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from habari_local.config.render import helm as render
from habari_local.config.secrets import forget
from habari_local.config.settings import variable
from habari_local.core import polling
from habari_local.core.errors import HabariError, NotRunning
from habari_local.diagnosis import hints
from habari_local.diagnosis.host_limits import LIMITS, NETWORKS
from habari_local.diagnosis.requirements import (
    CONTAINERS,
    EVERY_MODE,
    TOOLS,
    Requirement,
    require_all,
    require_docker,
)
from habari_local.drivers import kind, log_files
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.kubernetes.pods import Pod
from habari_local.helm_values.chart import chart_path
from habari_local.images import bundled_binaries, space
from habari_local.modes.kind import (
    create_cluster,
    extra_manifests,
    node_images,
    policies,
    production,
)
from habari_local.modes.kind.platform import (
    COMPONENTS,
    NAME,
    NAMESPACE,
    REGISTRY,
    S3,
    KindPlatform,
    component,
)
from habari_local.platform.helm import pod_status
from habari_local.platform.helm import steps as helm_steps
from habari_local.platform.helm.backup import HelmBackup
from habari_local.platform.mode import (
    SHELL,
    Address,
    Context,
    DownResult,
    Endpoints,
    Home,
    PodIssue,
    Program,
    ServiceStatus,
    Step,
    build_endpoints,
    origin,
    require_free_port,
)
from habari_local.platform.scheduler import images_step
from habari_local.platform.steps import folders
from habari_local.s3.s3_client import S3Target

TITLES: Mapping[str, str] = {
    "registry": "registry",
    "s3": "S3",
    "github": "fake GitHub",
    "proxy": "proxy",
    "hub": "JupyterHub",
}
PORTS: Mapping[str, str] = {"registry": "registry", "s3": "s3", "github": "github", "proxy": "hub"}
PAGES: Mapping[str, str] = {
    "registry": "/v2/",
    "s3": "/_habari/health",
    "github": "/_habari/health",
    "hub": "/hub/health",
    "proxy": "/_chp_healthz",
}
# The kubelet names a pod's control groups after it; systemd has _ for the - in that name.
SIGNAL = """
signal=$1
pod=$(echo "$2" | sed 's/-/[-_]/g')
grep -l "pod$pod" /proc/[0-9]*/cgroup 2>/dev/null | cut -d/ -f3 | xargs -r kill -s "$signal"
"""


class KindMode(HelmBackup):
    """A kind cluster with the chart, S3 and the fake GitHub in it."""

    name = NAME
    summary = "a local Kubernetes by kind, with Zero to JupyterHub's chart: what GKE will do"
    s3_backend = "localstack"
    applied = helm_steps.DIGEST
    watched = ("hub", "jupyter", "images", "kind")

    def __init__(self) -> None:
        """Begin without notes for the user; a bring-up may find some."""
        self.notes: list[str] = []

    def platform(self, ctx: Context) -> KindPlatform:
        """Return what runs."""
        return KindPlatform(ctx)

    def requirements(self) -> Sequence[Requirement]:
        """Return what must be on the machine."""
        return (
            *EVERY_MODE,
            *CONTAINERS,
            *NETWORKS,
            *TOOLS,
            LIMITS,
            space.requirement(self.name, self.s3_backend),
        )

    def services(self, ctx: Context) -> Sequence[str]:
        """Return the services that the settings ask for."""
        there = {"registry", "proxy", "hub", *extra_manifests.images(ctx.settings)}
        return [name for name in TITLES if name in there]

    def check(self, ctx: Context) -> None:
        """Refuse what can't succeed before anything starts: no Docker, a taken port, no chart."""
        require_docker(ctx.environ)
        if not bundled_binaries.from_image(ctx.images):
            for name in bundled_binaries.NAMES:
                bundled_binaries.program(ctx.images, name)
            require_all(TOOLS, ctx.environ)
        if ctx.settings.chart:
            chart_path(ctx.settings, ctx.checkout.root, ctx.environ)
        platform, services = KindPlatform(ctx), self.services(ctx)
        ours = _published(platform)
        for service in services:
            field = PORTS.get(service)
            if field is None or ctx.settings.port(field) in ours:
                continue
            port = ctx.settings.port(field)
            require_free_port(ctx, variable(f"{field}_port"), port, TITLES[service])
        _require_same_cluster(platform, [PORTS[name] for name in services if name in PORTS])

    def steps(self, ctx: Context) -> Sequence[Step]:
        """Return the bring-up."""
        platform, names = KindPlatform(ctx), extra_manifests.images(ctx.settings)
        own = ["node", "registry", *(["tools"] if ctx.settings.images == "packages" else [])]
        self.notes.clear()
        steps = [
            folders(platform.project.end_leftovers),  # what a killed habari-local left at work
            images_step([*own, *names]),
            create_cluster.programs(("folders", "images")),
            extra_manifests.files(platform, ("tools",)),
            node_images.registry(platform, ("folders", "images")),
            node_images.push(platform, names, ("registry",)),
            create_cluster.leftovers(platform, ("tools",)),
            create_cluster.cluster(platform, ("values", "leftovers")),
            node_images.registries(platform, ("push", "values", "leftovers")),
            node_images.pulls(platform, names, ("registries",)),
            extra_manifests.manifests(platform, ("cluster", "registries")),
            # The hub's pod mounts the pages: before they are there it would only be tried again.
            helm_steps.release(
                lambda: extra_manifests.deployment(platform),
                ("cluster", "registries", "manifests"),
            ),
        ]
        for name in self.services(ctx):
            if name != REGISTRY:
                after = ("manifests",) if name in COMPONENTS else ("release",)
                part = helm_steps.Component(name, component(name), TITLES[name], _page(ctx, name))
                steps.append(helm_steps.rollout(platform, part, after))
        steps += [
            extra_manifests.key(platform, ("s3", "cluster") if "s3" in names else ("cluster",)),
            policies.enforced(platform, ("cluster", "registries")),
            policies.held(platform, ("enforcer", "hub"), self.notes.append),
        ]
        if production.is_configured(ctx.checkout.root):
            steps.append(production.judged(platform, ("values",), self.notes.append))
        return steps

    def endpoints(self, ctx: Context) -> Endpoints:
        """Return where everything is."""
        settings, public = ctx.settings, render.public_url(ctx.settings)
        addresses = {
            "proxy": Address(public, "http://proxy-public"),
            "hub": Address(f"{public}/hub/api", "http://hub:8081/hub/api"),
            **S3.addresses(ctx),
        }
        if not settings.real_github:
            url = f"http://127.0.0.1:{settings.port('github')}"
            addresses["github"] = Address(url, "http://github:8008")
        cluster = KindPlatform(ctx).cluster
        kubernetes = {
            "kubeconfig": str(cluster.kubeconfig),
            "context": cluster.context,
            "namespace": NAMESPACE,
            "enforcer": policies.enforcer(settings),
        }
        return build_endpoints(ctx, self.name, public, addresses, S3.endpoint(ctx), kubernetes)

    def status(self, ctx: Context) -> Sequence[ServiceStatus]:
        """Return each service and each user's server."""
        if not ctx.secrets:
            return []
        platform = KindPlatform(ctx)
        up = any(each.running for each in platform.nodes()) and platform.kubeconfig.is_file()
        pods = platform.cluster.pods(NAMESPACE) if up else []
        memory = platform.cluster.memory(NAMESPACE) if up else {}
        rows = []
        for name in self.services(ctx):
            page = _page(ctx, name)
            if name == REGISTRY:
                rows.append(_registry_status(platform, page))
                continue
            found = [each for each in pods if each.component == component(name)]
            rows.append(pod_status.service(name, page, found, memory))
        if not any(each.user for each in pods):
            return rows
        notebook = platform.pushed({"notebook": "notebook"})["notebook"]
        return rows + pod_status.servers(pods, memory, notebook)

    def logs(
        self,
        ctx: Context,
        services: Sequence[str],
        *,
        follow: bool,
        lines: int,
        since: float | None = None,
    ) -> Iterator[str]:
        """Yield log lines, the newest `lines` of each service first, then users' servers."""
        platform = KindPlatform(ctx)
        if not platform.kubeconfig.is_file():
            return
        named = [name for name in self.services(ctx) if not services or name in services]
        labels = {component(name): name for name in named}
        titles = {
            each.name: labels.get(each.component, each.title)
            for each in platform.cluster.pods(NAMESPACE)
            if each.component in labels or (each.user and (not services or each.user in services))
        }
        found = pod_status.pod_logs(
            platform.cluster, NAMESPACE, titles, lines, since, follow=follow
        )
        boxes = platform.registry_containers() if REGISTRY in named else []
        found += docker_client.container_logs(boxes, lines, since, follow=follow)
        yield from log_files.merge(found, follow=follow)

    def follow(self, ctx: Context, edited: Collection[Path]) -> None:
        """Leave every edit to `up`: it sends images that changed and upgrades the release."""

    def restart(self, ctx: Context, service: str) -> None:
        """Delete a service's pod: another takes its place."""
        platform = KindPlatform(ctx)
        if service == REGISTRY:
            for each in platform.registry_containers():
                docker_client.restart(each.id)
            return
        for pod in _pods(platform, service):
            platform.cluster.delete_pod(NAMESPACE, pod.name)

    def shell(
        self, ctx: Context, service: str, user: str, command: Sequence[str], *, terminal: bool
    ) -> Program:
        """Return what runs a command in the first pod that runs.

        Raises:
            NotRunning: none does.
        """
        platform = KindPlatform(ctx)
        running = [
            each
            for each in platform.cluster.pods(NAMESPACE)
            if (each.user == user if user else each.component == component(service))
            and each.phase == "Running"
        ]
        if not running:
            raise NotRunning("Pod")
        kubectl = str(bundled_binaries.program(ctx.images, "kubectl"))
        cluster = platform.cluster
        at = (f"--kubeconfig={cluster.kubeconfig}", f"--context={cluster.context}")
        options = ("--stdin", *(("--tty",) if terminal else ()), f"--namespace={NAMESPACE}")
        argv = (kubectl, *at, "exec", *options, running[0].name, "--", *(command or SHELL))
        return Program(argv, bundled_binaries.environment(ctx.images), ctx.checkout.root)

    def pod_issue(self, ctx: Context, service: str, user: str) -> PodIssue | None:
        """Return what keeps a service's pod, or that of a user's server, from running."""
        platform = KindPlatform(ctx)
        if not platform.kubeconfig.is_file():
            return None
        if user:
            return pod_status.user_issue(platform.cluster, NAMESPACE, user)
        return pod_status.component_issue(platform.cluster, NAMESPACE, component(service))

    def killed_for_memory(self, ctx: Context, user: str) -> str:
        """Return what of a user's server was killed for memory."""
        return pod_status.killed_for_memory(KindPlatform(ctx).cluster, NAMESPACE, user)

    def kill(self, ctx: Context, part: str) -> None:
        """Take a part's pod away at once, as a machine that goes away does."""
        platform = KindPlatform(ctx)
        if part == REGISTRY:
            _signal_registry(platform, "kill", "running")
            return
        for each in _pods(platform, part):
            platform.cluster.delete_pod(NAMESPACE, each.name, at_once=True)

    def freeze(self, ctx: Context, part: str) -> None:
        """Stop a part's processes where they are."""
        platform = KindPlatform(ctx)
        if part == REGISTRY:
            _signal_registry(platform, "pause", "running")
        _signal_pods(platform, part, "STOP")

    def thaw(self, ctx: Context, part: str) -> None:
        """Let a part's processes go on."""
        platform = KindPlatform(ctx)
        if part == REGISTRY:
            _signal_registry(platform, "unpause", "paused")
        _signal_pods(platform, part, "CONT")

    def bucket_access(self, ctx: Context) -> S3Target:
        """Return the S3 with the administrator's key, where it is ours."""
        return S3.target(ctx)

    def delete_home(self, ctx: Context, home: Home) -> None:
        """Delete a home's claim, if the hub, which does so with its owner, has not."""
        self.platform(ctx).cluster.delete_claim(NAMESPACE, home.about["metadata"]["name"])

    def data(self, ctx: Context) -> Sequence[str]:
        """Return the cluster, in which all data is, and the volumes of its nodes."""
        if not docker_client.reachable():
            return []
        platform = KindPlatform(ctx)
        nodes = [f"cluster {platform.name} (homes, buckets, the hub's database)"]
        volumes = [f"volume {each}" for each in docker_client.volumes(platform.labels)]
        return [*(nodes if platform.nodes() else ()), *volumes]

    def down(self, ctx: Context, *, wipe: bool) -> DownResult:
        """Stop the nodes with all that is on them, and the registry; with `wipe` delete both."""
        platform = KindPlatform(ctx)
        interrupted = platform.project.end_leftovers()
        boxes = platform.registry_containers()
        seen = _stop_nodes(platform)
        docker_client.remove_all(platform.labels, interrupted=interrupted)
        if interrupted:  # what kind had asked the engine for has come meanwhile
            seen = {**_stop_nodes(platform), **seen}
        running = [each for each in seen.values() if each.running]
        names = (*(each.name for each in running), *(each.service for each in boxes))
        shown = tuple(self.data(ctx))
        if not wipe:
            return DownResult(names, shown)
        if seen:
            platform.kind.delete()
        docker_client.remove_volumes(docker_client.volumes(platform.labels))
        platform.kubeconfig.unlink(missing_ok=True)
        shutil.rmtree(platform.keys, ignore_errors=True)
        forget(ctx.checkout.root / ".habari", S3.key_names)
        return DownResult(names, (), shown)


def _page(ctx: Context, service: str) -> str:
    """Return what answers on this machine when a service is well."""
    return f"http://127.0.0.1:{ctx.settings.port(PORTS.get(service, 'hub'))}{PAGES[service]}"


def _published(platform: KindPlatform) -> set[int]:
    """Return the ports of this machine that our running containers hold."""
    ports = {port for each in platform.nodes() if each.running for _, port in each.ports}
    if any(each.state == "running" for each in platform.registry_containers()):
        ports.add(platform.ctx.settings.port("registry"))
    return ports


def _require_same_cluster(platform: KindPlatform, fields: Sequence[str]) -> None:
    """Refuse settings that a whole cluster can't follow: ports and nodes are made with it.

    Raises:
        HabariError: a port of the settings is not among the cluster's, or it has other nodes.
    """
    found, settings = platform.nodes(), platform.ctx.settings
    if not found or not platform.kubeconfig.is_file():
        return
    there = {port for each in found for _, port in each.ports}
    wanted = {settings.port(field) for field in fields if field != "registry"}
    missing = ", ".join(map(str, sorted(wanted - there)))
    seen = [f"created without port {missing}"] if missing else []
    if len(found) != settings.nodes:
        seen.append(f"created with {len(found)} nodes, not {settings.nodes}")
    if seen:
        raise HabariError(
            f"Cluster {platform.name}: {'; '.join(seen)}; a running cluster can't change that.",
            _as_it_was(platform.ctx, wanted, there, len(found)),
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


def _registry_status(platform: KindPlatform, page: str) -> ServiceStatus:
    found = [each for each in platform.registry_containers() if each.state == "running"]
    if not found:
        return ServiceStatus(REGISTRY, "stopped", origin(page))
    state = "running" if polling.http_ok(page) else "not answering"
    used = docker_client.memory(found[0].id)
    return ServiceStatus(REGISTRY, state, origin(page), found[0].since, used, pid=found[0].pid)


def _pods(platform: KindPlatform, part: str) -> Sequence[Pod]:
    """Return the pods of a service, or (as `server`) that of one user's server."""
    found = platform.cluster.pods(NAMESPACE)
    if part == "server":
        return [each for each in found if each.user and each.phase == "Running"][:1]
    return [each for each in found if each.component == component(part)]


def _signal_pods(platform: KindPlatform, part: str, name: str) -> None:
    for pod in _pods(platform, part):
        for each in platform.nodes():
            kind.execute(each, ["sh", "-c", SIGNAL, "sh", name, pod.uid])


def _signal_registry(platform: KindPlatform, how: docker_client.Signal, state: str) -> None:
    found = [each.id for each in platform.registry_containers() if each.state == state]
    docker_client.signal_containers(how, found)


def _stop_nodes(platform: KindPlatform) -> dict[str, kind.Node]:
    """Stop the nodes; return by id how they were before."""
    found = platform.nodes()
    kind.stop([each for each in found if each.running])
    return {each.id: each for each in found}


MODE = KindMode()
