"""A mode that is a Compose project: how it is looked at and taken down, by labels alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from habari_local.config.secrets import forget
from habari_local.config.settings import variable
from habari_local.core import polling
from habari_local.core.errors import HabariError, NotRunning
from habari_local.diagnosis.host_limits import NETWORKS
from habari_local.diagnosis.requirements import CONTAINERS, EVERY_MODE, Requirement, require_docker
from habari_local.drivers import log_files
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.docker import images as docker_images
from habari_local.drivers.docker.client import Container
from habari_local.images import space
from habari_local.platform.compose.platform import SERVER_FOLDER, ComposePlatform
from habari_local.platform.mode import (
    SHELL,
    Context,
    DownResult,
    Program,
    ServiceStatus,
    require_free_port,
)
from habari_local.platform.s3_setup import S3Setup
from habari_local.s3.s3_client import S3Target

LAST = ("s3", "db")  # stopped after the others, so that saves under way end


class ComposeMode:
    """What `hub` and `nohub` have in common; each adds its steps and endpoints."""

    name = ""
    s3_backend: str
    s3: S3Setup
    titles: Mapping[str, str]  # service → what a person calls it, in the order of the start
    ports: Mapping[str, str]  # service → the setting of the port that it publishes

    def requirements(self) -> Sequence[Requirement]:
        """Return what must be on the machine."""
        return (*EVERY_MODE, *CONTAINERS, *NETWORKS, space.requirement(self.name, self.s3_backend))

    def services(self, ctx: Context) -> Sequence[str]:
        """Return the services that the settings ask for."""
        left_out = {"s3"} if ctx.settings.s3_backend == "aws" else set()
        left_out |= {"github"} if ctx.settings.real_github else set()
        return [name for name in self.titles if name not in left_out]

    def check(self, ctx: Context) -> None:
        """Refuse a machine without Docker, and a taken port, before anything starts."""
        docker_images.program(ctx.environ)
        try:
            found = self.platform(ctx).containers()
        except HabariError:
            require_docker(ctx.environ)
            raise
        running = {each.service for each in found if each.state in ("running", "paused")}
        if not running.issuperset(self.services(ctx)):  # Compose will be needed
            require_docker(ctx.environ)
        for service in self.services(ctx):
            if service in running or service not in self.ports:
                continue
            field = self.ports[service]
            port, title = ctx.settings.port(field), self.titles[service]
            require_free_port(ctx, variable(f"{field}_port"), port, title)

    def platform(self, ctx: Context) -> ComposePlatform:
        """Return what runs."""
        return ComposePlatform(ctx, self.name)

    def bucket_access(self, ctx: Context) -> S3Target:
        """Return the S3 with the administrator's key, where it is ours."""
        return self.s3.target(ctx)

    def url(self, ctx: Context, service: str) -> str:
        """Return a service's address on this machine, without a slash at its end; or nothing."""
        if service not in self.ports:
            return ""
        return f"http://127.0.0.1:{ctx.settings.port(self.ports[service])}"

    def health(self, ctx: Context, service: str) -> str:
        """Return what answers on this machine when the service is well; or nothing."""
        url = self.url(ctx, service)
        pages = {"s3": "/_habari/health", "github": "/_habari/health", "notebook": "/api"}
        return f"{url}{pages[service]}" if url and service in pages else ""

    def status(self, ctx: Context) -> Sequence[ServiceStatus]:
        """Return each service and each user's server."""
        if not ctx.secrets:
            return []
        found = self.platform(ctx).containers()
        memory: dict[str, int | None] = {}
        running = [each.id for each in found if each.state == "running"]
        docker_client.in_parallel(
            lambda each: memory.update({each: docker_client.memory(each)}), running
        )
        by_service = {each.service: each for each in found if each.service}
        rows = [self._row(ctx, n, by_service.get(n), memory) for n in self.services(ctx)]
        servers = sorted((each for each in found if each.user), key=lambda server: server.user)
        now = self.platform(ctx).references(["notebook"])["notebook"] if servers else ""
        now = docker_client.familiar_name(now)
        return rows + [
            ServiceStatus(
                "server",
                each.state,
                "",
                each.since,
                memory.get(each.id),
                each.user,
                each.pid,
                outdated=docker_client.familiar_name(each.image) != now,
            )
            for each in servers
        ]

    def _row(
        self,
        ctx: Context,
        service: str,
        found: Container | None,
        memory: Mapping[str, int | None],
    ) -> ServiceStatus:
        address = self.url(ctx, service)
        if found is None or found.state != "running":
            return ServiceStatus(service, "stopped", address)
        page = self.health(ctx, service)
        good = polling.http_ok(page) if page else found.health != "unhealthy"
        state = "running" if good else "not answering"
        return ServiceStatus(
            service, state, address, found.since, memory.get(found.id), pid=found.pid
        )

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
        wanted = set(services or self.services(ctx))
        found = [
            each
            for each in self.platform(ctx).containers()
            if each.service in wanted or (each.user and (not services or each.user in services))
        ]
        logs = docker_client.container_logs(found, lines, since, follow=follow)
        yield from log_files.merge(logs, follow=follow)

    def restart(self, ctx: Context, service: str) -> None:
        """Stop a service's container and start it again."""
        for each in self.platform(ctx).containers():
            if each.service == service:
                docker_client.restart(each.id)

    def shell(
        self, ctx: Context, service: str, user: str, command: Sequence[str], *, terminal: bool
    ) -> Program:
        """Return what runs a command in a container."""
        found = [
            each
            for each in self.platform(ctx).containers()
            if each.state == "running" and (each.user == user if user else each.service == service)
        ]
        if not found:
            raise NotRunning(f"Server of {user}" if user else service)
        options = ["--interactive", *(["--tty"] if terminal else [])]
        argv = ("docker", "exec", *options, found[0].id, *(command or SHELL))
        return Program(argv, ctx.environ, ctx.checkout.root)

    def running_images(self, ctx: Context) -> Mapping[str, str]:
        """Return the image of each service, and of users' servers, with its digest."""
        services = dict.fromkeys([*self.services(ctx), "notebook"])
        names = self.platform(ctx).references([e for e in services if e != "db"])
        found = {service: docker_images.find(name) for service, name in names.items()}
        return {
            service: f"{names[service]} {image.id}" for service, image in found.items() if image
        }

    def missing(self, ctx: Context) -> str:
        """Return that the image of users' servers is not in the engine."""
        reference = self.platform(ctx).references(["notebook"])["notebook"]
        return "" if docker_images.find(reference) else f"image {reference}: not in the engine"

    def kill(self, ctx: Context, part: str) -> None:
        """End a part at once; the engine takes it for stopped by hand and leaves it to `up`."""
        docker_client.signal_containers("kill", self._of_part(ctx, part, "running"))

    def freeze(self, ctx: Context, part: str) -> None:
        """Stop a part where it is."""
        docker_client.signal_containers("pause", self._of_part(ctx, part, "running"))

    def thaw(self, ctx: Context, part: str) -> None:
        """Let a frozen part go on."""
        docker_client.signal_containers("unpause", self._of_part(ctx, part, "paused"))

    def _of_part(self, ctx: Context, part: str, state: str) -> list[str]:
        found = [each for each in self.platform(ctx).containers() if each.state == state]
        mine = [each.id for each in found if (each.service or (each.user and "server")) == part]
        return mine[:1]

    def data(self, ctx: Context) -> Sequence[str]:
        """Return the volumes; none where no engine answers."""
        labels = self.platform(ctx).labels
        found = docker_client.volumes(labels) if docker_client.reachable() else ()
        return [f"volume {name}" for name in found]

    def down(self, ctx: Context, *, wipe: bool) -> DownResult:
        """Stop and remove what carries our labels: users' servers and hub first, then S3."""
        platform = self.platform(ctx)
        interrupted = platform.project.end_leftovers()
        found = platform.containers()
        docker_client.remove(each for each in found if each.service not in LAST)
        docker_client.remove_all(platform.labels, interrupted=interrupted)
        names = tuple(dict.fromkeys(each.title for each in found))
        volumes = tuple(self.data(ctx))
        if not wipe:
            return DownResult(names, volumes)
        docker_client.remove_volumes(docker_client.volumes(platform.labels))
        folder = ctx.checkout.root / ".habari" / self.name
        (folder / SERVER_FOLDER / "server.env").unlink(missing_ok=True)
        (folder / "notebook.env").unlink(missing_ok=True)
        forget(ctx.checkout.root / ".habari", self.s3.key_names)
        return DownResult(names, (), volumes)
