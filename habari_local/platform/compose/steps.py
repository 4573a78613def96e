"""The steps of the Compose modes: folders, containers, waiting for each, buckets, networks."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from habari_local.config.secrets import write_changed
from habari_local.core import container_user, polling
from habari_local.core.paths import private_folder
from habari_local.drivers import operating_system, processes
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.docker.client import Container
from habari_local.drivers.docker.compose import Project
from habari_local.drivers.docker.events import ContainerEvents
from habari_local.platform import steps as shared_steps
from habari_local.platform.compose.platform import SERVER_FOLDER, ComposePlatform
from habari_local.platform.mode import UNCHANGED, Context, Progress, Step

START_SECONDS = 90.0  # of doing nothing, after which `up` gives up on a service


@dataclass
class Bringup:
    """One bring-up: what was there before it, what is there now, and the events since.

    The engine is asked once where nothing has changed: the steps after `containers` read `now`.
    """

    platform: ComposePlatform
    watch: ContainerEvents | None = None
    before: frozenset[str] = frozenset()
    same: set[str] = field(default_factory=set)
    now: Sequence[Container] = ()
    lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self) -> None:
        """Look at what is there."""
        self.look()
        self.before = frozenset(each.id for each in self.now)

    def look(self) -> dict[str, float | None]:
        """Look at what is there now; return since when each service runs."""
        self.now = self.platform.containers()
        return self.since()

    def since(self) -> dict[str, float | None]:
        """Return since when each service ran when we looked last."""
        return {each.service: each.since for each in self.now if each.service}

    def follow(self) -> ContainerEvents:
        """Follow what happens from here on; return what tells of it.

        What happened between the last look and the first event is looked at once more: no event
        tells of it.
        """
        with self.lock:
            if self.watch is None:
                self.watch = ContainerEvents(self.platform.labels)
                self.look()
        return self.watch

    def container(self, service: str) -> Container | None:
        """Return the newest container of a service."""
        return next((each for each in reversed(self.now) if each.service == service), None)


def folders(platform: ComposePlatform) -> Step:
    """Return the step that makes the project's folder and the one that the hub sees."""

    def prepare() -> None:
        container_user.chown(private_folder(platform.folder / SERVER_FOLDER))

    return shared_steps.folders(prepare)


def containers(
    bringup: Bringup,
    render: Callable[[ComposePlatform], Mapping[str, str]],
    after: tuple[str, ...],
    only: Sequence[str] = (),
    partners: Callable[[ComposePlatform], Mapping[str, str]] = lambda _: {},
) -> Step:
    """Return the step that has Compose make and start what is not there as it should be.

    `render` gives the files that Compose reads; `only` the services to begin with, none for all;
    `partners` the containers on users' networks and their names there: one that is recreated joins
    those before it starts, so that no hub looks for servers that it can't reach yet.
    """
    platform, project = bringup.platform, bringup.platform.project

    def action(ctx: Context, say: Progress) -> str:
        project.end_leftovers()
        bringup.begin()
        for name, text in render(platform).items():
            write_changed(platform.folder / name, text)
        if _is_applied(project, bringup.now):
            bringup.same = {each.service for each in bringup.now if each.service}
            return UNCHANGED
        say("Docker Compose creates the containers")
        bringup.follow()
        earlier = bringup.since()
        if partners(platform) and _networks_of_users(bringup):
            project.up(only, cancel=ctx.cancel, start=False)
            bringup.look()
            _join(bringup, partners(platform))
        project.up(only, cancel=ctx.cancel)
        now = bringup.look()
        if not only:
            _record_applied(project, bringup.now)
        bringup.same = {name for name, since in now.items() if earlier.get(name) == since}
        if now == earlier:
            return UNCHANGED
        return f"started {', '.join(sorted(set(now) - bringup.same))}"

    def undo(_ctx: Context) -> None:
        project.end_leftovers()
        interrupted = bringup.watch is not None
        docker_client.remove_all(platform.labels, but=bringup.before, interrupted=interrupted)

    return Step("containers", "containers", action, after, undo)


def again(bringup: Bringup, after: tuple[str, ...]) -> Step:
    """Return the step that starts what waited for the buckets, or has another key since."""
    project = bringup.platform.project

    def action(ctx: Context, say: Progress) -> str:
        if _is_applied(project, bringup.now):
            return UNCHANGED
        say("Docker Compose creates the containers")
        bringup.follow()
        earlier = bringup.look()
        project.up((), cancel=ctx.cancel)
        now = bringup.look()
        _record_applied(project, bringup.now)
        bringup.same -= {name for name, since in now.items() if earlier.get(name) != since}
        return UNCHANGED if now == earlier else "started"

    return Step("server", "what needs the key", action, after)


def service(
    bringup: Bringup,
    name: str,
    title: str,
    page: str,
    after: tuple[str, ...] = ("containers",),
) -> Step:
    """Return the step that waits for one service: for its page, or without one its health check.

    It ends at once, with the container's last lines, when the container ends or is unhealthy.
    """

    def action(ctx: Context, say: Progress) -> str:
        if not ctx.wait and name != "s3":
            return "not waited for"
        # One look for what was healthy before we began to follow; the events tell the rest. Looking
        # again and again took a third of the time that the containers need for themselves.
        seen = not page and _healthy(bringup.container(name))
        if name in bringup.same and (seen or (page and polling.http_ok(page))):
            return UNCHANGED
        watch = bringup.follow()
        container = bringup.container(name)
        seen = not page and _healthy(container)
        effort = polling.Effort(lambda: _processor_time(container))

        def works() -> bool:
            started = page and polling.http_ok(page, accept=range(100, 600))
            return bool(ctx.installs) or (not started and effort.grown())

        polling.wait_until(
            lambda: polling.http_ok(page) if page else seen or watch.healthy(name),
            title,
            seconds=START_SECONDS,
            failed=lambda: watch.failure(name),
            log=lambda: docker_client.last_lines(container.id, 20) if container else [],
            tick=lambda: say(f"waiting for {page or 'its health check'}{ctx.meanwhile}"),
            cancel=ctx.cancel,
            hint=f"habari-local logs {name}",
            works=works,
        )
        return UNCHANGED if name in bringup.same else "answers"

    return Step(name, title, action, after)


def _healthy(container: Container | None) -> bool:
    return container is not None and container.health == "healthy"


def _processor_time(container: Container | None) -> float:
    """Return what a service has had of a processor, its health checks left out."""
    if container is None or container.pid is None:
        return 0.0
    process = operating_system.process_in_container(container.id, container.pid)
    return processes.processor_time(process) if process else 0.0


def networks(bringup: Bringup, partners: Callable[[ComposePlatform], Mapping[str, str]]) -> Step:
    """Return the step that has containers join the networks of users who came meanwhile."""

    def action(_ctx: Context, say: Progress) -> str:
        say("joining users' networks")
        joined = _join(bringup, partners(bringup.platform))
        return f"joined {joined}" if joined else UNCHANGED

    return Step("networks", "users' networks", action, ("containers",))


def _networks_of_users(bringup: Bringup) -> list[str]:
    found = docker_client.networks(bringup.platform.labels)
    return [each["Name"] for each in found if docker_client.USER in (each["Labels"] or {})]


def _join(bringup: Bringup, partners: Mapping[str, str]) -> int:
    """Have the partners join the networks of users on which they are not; return how many did."""
    found = {each.name: each.networks for each in bringup.now}
    missing = [
        (network, container, alias)
        for network in _networks_of_users(bringup)
        for container, alias in partners.items()
        if container in found and network not in found[container]
    ]
    for each in missing:
        docker_client.connect(*each)
    return len(missing)


def _is_applied(project: Project, now: Sequence[Container]) -> bool:
    """Whether the containers that are there are what the files ask for, all of them running.

    Asking Compose takes a program and most of a second, so the answer of the last time is kept: of
    which files it was given, by which configuration and image each container is known. It holds
    while the files are the same and the engine has just those containers running. Without it, or
    where anything differs, Compose is asked: a cache, deleted without loss.
    """
    try:
        kept = json.loads(_applied_file(project).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(kept == _applied_state(project, now)) and all(
        each.state == "running" for each in now if each.service
    )


def _record_applied(project: Project, now: Sequence[Container]) -> None:
    """Keep what Compose has just made of the files."""
    write_changed(_applied_file(project), json.dumps(_applied_state(project, now), indent=1) + "\n")


def _applied_state(project: Project, now: Sequence[Container]) -> dict[str, object]:
    seen = hashlib.sha256()
    for path in (*project.files, *sorted(project.env_file.parent.glob("*.env"))):
        seen.update(path.read_bytes())
    services = sorted([each.service, each.made_from] for each in now if each.service)
    return {"files": seen.hexdigest(), "containers": services}


def _applied_file(project: Project) -> Path:
    return project.env_file.with_name("applied.json")
