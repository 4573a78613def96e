"""Kind mode: Zero to JupyterHub's chart on a local Kubernetes; see the list in `steps`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from habari_local.config.render import helm as render
from habari_local.config.settings import variable
from habari_local.core import container_user
from habari_local.core.errors import PortTaken
from habari_local.diagnosis import hints
from habari_local.diagnosis.requirements import (
    CONTAINERS,
    EVERY_MODE,
    TOOLS,
    Requirement,
    require_all,
    require_docker,
)
from habari_local.drivers import processes
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.kubernetes.readiness import PodWatch
from habari_local.helm_values.chart import chart_path
from habari_local.images import bundled_binaries, space
from habari_local.modes.kind import (
    create_cluster,
    extra_manifests,
    fault_injection,
    handles,
    policies,
    registries,
    status_and_logs,
    steps,
)
from habari_local.platform.compose import image_steps as compose_images
from habari_local.platform.endpoints import build_endpoints
from habari_local.platform.helm import pod_diagnosis
from habari_local.platform.helm import status_and_logs as helm_life
from habari_local.platform.helm import steps as helm_steps
from habari_local.platform.helm.backup import ReleaseBackup, VolumeBackup
from habari_local.platform.mode import (
    Address,
    Context,
    DownResult,
    Endpoints,
    PodIssue,
    Program,
    ServiceStatus,
    Step,
)

TITLES: Mapping[str, str] = {
    "registry": "registry",
    "s3": "S3",
    "github": "fake GitHub",
    "proxy": "proxy",
    "hub": "JupyterHub",
}
PORTS: Mapping[str, str] = {"registry": "registry", "s3": "s3", "github": "github", "proxy": "hub"}


class KindMode(VolumeBackup):
    """A kind cluster with the chart, S3 and the fake GitHub in it."""

    name = handles.NAME
    summary = "a local Kubernetes by kind, with Zero to JupyterHub's chart: what GKE will do"
    s3_backend = "localstack"

    def __init__(self) -> None:
        """Know of nothing that a person should be told; a bring-up may find something."""
        self.notes: list[str] = []

    def requirements(self) -> Sequence[Requirement]:
        """Return what must be on the machine."""
        return (*EVERY_MODE, *CONTAINERS, *TOOLS, space.requirement(self.name, self.s3_backend))

    def services(self, ctx: Context) -> Sequence[str]:
        """Return the services that the settings ask for."""
        there = {"registry", "proxy", "hub", *extra_manifests.images(ctx)}
        return [name for name in TITLES if name in there]

    def check(self, ctx: Context) -> None:
        """Refuse what can't succeed before anything starts: no Docker, a taken port, no chart."""
        require_docker(ctx.environ)
        known = handles.images(ctx)
        if not bundled_binaries.from_image(known):
            for name in bundled_binaries.NAMES:
                bundled_binaries.program(known, name)
            require_all(TOOLS, ctx.environ)
        if ctx.settings.chart:
            chart_path(ctx.settings, ctx.checkout.root, ctx.environ)
        ours = status_and_logs.published(ctx)
        for service in self.services(ctx):
            field = PORTS.get(service)
            if field is None or ctx.settings.port(field) in ours:
                continue
            owner = processes.port_owner(ctx.settings.port(field))
            if owner:
                hint = hints.another_port(ctx.settings, variable(f"{field}_port"), ctx.environ)
                raise PortTaken(ctx.settings.port(field), TITLES[service], owner, hint)
        status_and_logs.require_free_ports(
            ctx, [PORTS[name] for name in self.services(ctx) if name in PORTS]
        )

    def steps(self, ctx: Context) -> Sequence[Step]:
        """Return the bring-up."""
        names = extra_manifests.images(ctx)
        own = ["node", "registry", *(["tools"] if ctx.settings.images == "packages" else [])]
        watches: list[PodWatch] = []

        def watch(ctx: Context) -> PodWatch:
            if not watches:
                watches.append(PodWatch(handles.cluster(ctx), handles.NAMESPACE))
            return watches[0]

        made = [
            steps.folders(),
            compose_images.step([*own, *names]),
            steps.programs(("folders", "images")),
            extra_manifests.files(("tools",)),
            steps.registry(("folders", "images")),
            steps.push(names, ("registry",)),
            create_cluster.leftovers(("tools",)),
            create_cluster.cluster(("values", "leftovers")),
            registries.step(("push", "values", "leftovers")),
            steps.pulls(names, ("registries",)),
            extra_manifests.manifests(("cluster", "registries")),
            # The hub's pod mounts the pages: before they are there it would only be tried again.
            helm_steps.release(extra_manifests.deployment, ("cluster", "registries", "manifests")),
        ]
        for name in self.services(ctx):
            if name == "registry":
                continue
            after = ("manifests",) if name in ("s3", "github") else ("release",)
            made.append(
                helm_steps.pod(
                    (name, status_and_logs.COMPONENTS.get(name, name), TITLES[name]),
                    watch,
                    handles.cluster(ctx),
                    handles.NAMESPACE,
                    self.page(ctx, name),
                    after,
                )
            )
        made.append(extra_manifests.key(("s3", "cluster") if "s3" in names else ("cluster",)))
        self.notes.clear()
        made.append(policies.enforced(("cluster", "registries")))
        made.append(policies.held(("enforcer", "hub"), self.notes.append))
        return made

    def page(self, ctx: Context, service: str) -> str:
        """Return what answers on this machine when the service is well."""
        paths = {
            "registry": "/v2/",
            "s3": "/_habari/health",
            "github": "/_habari/health",
            "hub": "/hub/health",
            "proxy": "/_chp_healthz",
        }
        port = ctx.settings.port(PORTS.get(service, "hub"))
        return f"http://127.0.0.1:{port}{paths[service]}"

    def endpoints(self, ctx: Context) -> Endpoints:
        """Return where everything is."""
        settings, public = ctx.settings, render.public_url(ctx.settings)
        addresses = {
            "proxy": Address(public, "http://proxy-public"),
            "hub": Address(f"{public}/hub/api", "http://hub:8081/hub/api"),
            **handles.S3.addresses(ctx),
        }
        if not settings.real_github:
            url = f"http://127.0.0.1:{settings.port('github')}"
            addresses["github"] = Address(url, "http://github:8008")
        cluster = handles.cluster(ctx)
        kubernetes = {
            "kubeconfig": str(cluster.kubeconfig),
            "context": cluster.context,
            "namespace": handles.NAMESPACE,
            "enforcer": policies.enforcer(settings),
        }
        s3 = handles.S3.endpoint(ctx)
        return build_endpoints(ctx, self.name, public, addresses, s3, kubernetes)

    def status(self, ctx: Context) -> Sequence[ServiceStatus]:
        """Return each service and each user's server."""
        if not ctx.secrets:
            return []
        pages = {name: self.page(ctx, name) for name in self.services(ctx)}
        return status_and_logs.status(ctx, pages)

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
        yield from status_and_logs.logs(ctx, self.services(ctx), services, follow, lines, since)

    def restart(self, ctx: Context, service: str) -> None:
        """Delete a service's pod: another takes its place."""
        if service == handles.REGISTRY:
            for each in docker_client.containers(handles.resource_labels(ctx)):
                docker_client.restart(each.id)
            return
        cluster, component = handles.cluster(ctx), status_and_logs.COMPONENTS.get(service, service)
        for pod in cluster.pods(handles.NAMESPACE):
            if pod.component == component:
                cluster.delete_pod(handles.NAMESPACE, pod.name)

    def shell(
        self, ctx: Context, service: str, user: str, command: Sequence[str], *, terminal: bool
    ) -> Program:
        """Return what runs a command in a pod."""
        cluster, component = handles.cluster(ctx), status_and_logs.COMPONENTS.get(service, service)
        found = [
            each
            for each in cluster.pods(handles.NAMESPACE)
            if (each.user == user if user else each.component == component)
        ]
        kubectl = bundled_binaries.program(handles.images(ctx), "kubectl")
        argv = helm_life.shell(
            kubectl, cluster, handles.NAMESPACE, found, command, terminal=terminal
        )
        return Program(argv, bundled_binaries.environment(handles.images(ctx)), ctx.checkout.root)

    def pod_issue(self, ctx: Context, service: str, user: str) -> PodIssue | None:
        """Return what keeps a service's pod, or that of a user's server, from running."""
        if not handles.kubeconfig(ctx).is_file():
            return None
        cluster = handles.cluster(ctx)
        if user:
            return pod_diagnosis.of_user(cluster, handles.NAMESPACE, user)
        component = status_and_logs.COMPONENTS.get(service, service)
        return pod_diagnosis.of_component(cluster, handles.NAMESPACE, component)

    def kill(self, ctx: Context, part: str) -> None:
        """Take a part's pod away at once."""
        fault_injection.kill(ctx, part)

    def freeze(self, ctx: Context, part: str) -> None:
        """Stop a part's processes where they are."""
        fault_injection.freeze(ctx, part)

    def thaw(self, ctx: Context, part: str) -> None:
        """Let a frozen part go on."""
        fault_injection.thaw(ctx, part)

    def kept(self, ctx: Context) -> ReleaseBackup:
        """Return the release's volumes."""
        return ReleaseBackup(handles.cluster(ctx), handles.NAMESPACE, container_user.uid())

    def data(self, ctx: Context) -> Sequence[str]:
        """Return the cluster, in which all data is, and the volumes of its nodes."""
        return status_and_logs.data(ctx)

    def down(self, ctx: Context, *, wipe: bool) -> DownResult:
        """Stop the nodes with all that is on them, and the registry; with `wipe` delete both."""
        return status_and_logs.down(ctx, wipe=wipe)


MODE = KindMode()
