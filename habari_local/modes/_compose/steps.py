"""The steps of the Compose modes: folders, containers, waiting for each, buckets, networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from habari_local import account, wait
from habari_local.config.secrets import write_changed
from habari_local.drivers import engine
from habari_local.drivers.clearance import clear
from habari_local.drivers.engine import Ours
from habari_local.drivers.watch import Watch
from habari_local.modes._compose import place
from habari_local.modes.base import SAME, Context, Say, Step
from habari_local.paths import private_folder, project_folder

START_SECONDS = 90.0  # how long a service may take before `up` gives up: a cold disk, a busy laptop


@dataclass
class Bringup:
    """One bring-up: what was there before it, and the events since."""

    ours: Ours
    watch: Watch | None = None
    before: frozenset[str] = frozenset()
    same: set[str] = field(default_factory=set)

    def begin(self) -> None:
        """Look at what is there and follow what happens from here on."""
        self.before = frozenset(each.id for each in engine.containers(self.ours))
        self.watch = self.watch or Watch(self.ours)


def folders(mode: str) -> Step:
    """Return the step that makes the project's folder and the one that the hub sees."""

    def action(ctx: Context, say: Say) -> str:
        say("making folders")
        server = private_folder(ctx.checkout.of_mode(mode) / place.SERVER_FOLDER)
        account.give(server)
        if not project_folder(ctx.project_path):
            return SAME
        account.give(ctx.project_path)
        return f"made {ctx.project_path}"

    return Step("folders", "folders", action)


def containers(
    bringup: Bringup,
    mode: str,
    render: Callable[[Context], Mapping[str, str]],
    after: tuple[str, ...],
    only: Callable[[Context], Sequence[str]] = lambda _: (),
) -> Step:
    """Return the step that has Compose make and start what is not there as it should be.

    `render` gives the files that Compose reads; `only` the services to begin with, none for all.
    """

    def action(ctx: Context, say: Say) -> str:
        say("Docker Compose makes the containers")
        project = place.project(ctx, mode)
        project.end_leftovers()
        bringup.begin()
        earlier = _running(bringup.ours)
        for name, text in render(ctx).items():
            write_changed(ctx.checkout.of_mode(mode) / name, text)
        project.up(only(ctx), cancel=ctx.cancel)
        now = _running(bringup.ours)
        bringup.same = {name for name, since in now.items() if earlier.get(name) == since}
        if now == earlier:
            return SAME
        return f"started {', '.join(sorted(set(now) - bringup.same))}"

    def undo(ctx: Context) -> None:
        place.project(ctx, mode).end_leftovers()
        clear(bringup.ours, but=bringup.before, interrupted=bringup.watch is not None)

    return Step("containers", "containers", action, after, undo)


def again(bringup: Bringup, mode: str, after: tuple[str, ...]) -> Step:
    """Return the step that starts what waited for the buckets, or has another key since."""

    def action(ctx: Context, say: Say) -> str:
        say("Docker Compose makes the containers")
        earlier = _running(bringup.ours)
        place.project(ctx, mode).up((), cancel=ctx.cancel)
        now = _running(bringup.ours)
        bringup.same -= {name for name, since in now.items() if earlier.get(name) != since}
        return SAME if now == earlier else "started"

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

    def action(ctx: Context, say: Say) -> str:
        if not ctx.wait and name != "s3":
            return "not waited for"
        watch = bringup.watch
        if watch is None:
            raise RuntimeError("the step `containers` comes first")
        container = _container(bringup.ours, name)
        # One look for what was healthy before we began to follow; the events tell the rest. Looking
        # again and again took a third of the time that the containers need for themselves.
        seen = not page and _healthy(bringup.ours, name)
        wait.until(
            lambda: wait.answers(page) if page else seen or watch.healthy(name),
            title,
            seconds=START_SECONDS,
            failed=lambda: watch.failure(name),
            log=lambda: engine.last_lines(container, 20),
            tick=lambda: say(f"waiting for {page or 'its health check'}"),
            cancel=ctx.cancel,
            hint=f"habari-local logs {name}",
        )
        return SAME if name in bringup.same else "answers"

    return Step(name, title, action, after)


def networks(bringup: Bringup, partners: Callable[[Context], Mapping[str, str]]) -> Step:
    """Return the step that has containers made anew join the networks of users who are at work."""

    def action(ctx: Context, say: Say) -> str:
        say("joining users' networks")
        wanted = partners(ctx)
        found = {each.name: each.networks for each in engine.containers(bringup.ours)}
        missing = [
            (network["Name"], container, alias)
            for network in engine.networks(bringup.ours)
            if engine.USER in (network["Labels"] or {})
            for container, alias in wanted.items()
            if network["Name"] not in found.get(container, ())
        ]
        for each in missing:
            engine.connect(*each)
        return f"joined {len(missing)}" if missing else SAME

    return Step("networks", "users' networks", action, ("containers",))


def _running(ours: Ours) -> dict[str, float | None]:
    return {each.service: each.since for each in engine.containers(ours) if each.service}


def _container(ours: Ours, service: str) -> str:
    found: Sequence[str] = [e.id for e in engine.containers(ours) if e.service == service]
    return found[-1] if found else ""


def _healthy(ours: Ours, service: str) -> bool:
    return any(
        each.health == "healthy" for each in engine.containers(ours) if each.service == service
    )
