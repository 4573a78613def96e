"""The platform of a rehearsal: a second checkout of its own, people with servers, nothing left."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from habari_local.config.load import environment, load
from habari_local.config.render.dist import as_text
from habari_local.config.settings import fields_by_variable
from habari_local.core.errors import HabariError
from habari_local.core.paths import find_checkout
from habari_local.drills.hub_client import HubClient, HubUser
from habari_local.drills.worktree import Worktree

OFFSET = 3100  # added to this checkout's ports: both may be up at once
Up = Callable[[], None]


@contextmanager
def scratch_platform(
    name: str, mode: str, say: Callable[[str], None]
) -> Iterator[tuple[Worktree, Up]]:
    """Give a second checkout and what brings it up; nothing of it is left at the end."""
    checkout = find_checkout()
    settings = load(checkout.root).settings
    folder = checkout.state / f"drill-{name}"
    environ = {**environment(), **_given(checkout.root, settings.port_offset)}
    second = Worktree(checkout.root, folder, environ)
    shared = checkout.environments  # a cache of what the locks name, for both
    shared.mkdir(mode=0o700, exist_ok=True)
    (folder / ".habari").mkdir(mode=0o700, parents=True, exist_ok=True)
    link = folder / ".habari" / "envs"
    if not link.is_symlink():
        link.symlink_to(shared)

    def up() -> None:
        second.call("up", "--mode", mode)

    try:
        yield second, up
    finally:
        say("deleting the rehearsal's platform")
        with suppress(HabariError):
            second.be_working_tree()  # an older commit's may know no --yes
        with suppress(HabariError):
            second.call("down", "--mode", mode, "--wipe", "--yes")
            shutil.rmtree(folder, ignore_errors=True)


def _given(root: Path, offset: int) -> Mapping[str, str]:
    """Return this checkout's settings as the second one gets them: its own ports, no .env."""
    loaded = load(root)
    given = {
        name: as_text(getattr(loaded.settings, field))
        for name, field in fields_by_variable().items()
        if loaded.sources[name] not in ("default", "environment")
    }
    chart = loaded.settings.chart
    named = {"HABARI_CHART": str((root / chart).resolve())} if chart else {}
    return {**given, **named, "HABARI_PORT_OFFSET": str(offset + OFFSET)}


def start_servers(second: Worktree, run: str) -> list[HubUser]:
    """Return people with running servers: two who may sign in, and an admin."""
    where = second.endpoints()
    if not where.hub:
        raise HabariError(
            f"Mode {where.mode}: no hub, so nobody whose things could be looked at.",
            "habari-local drill --help",
        )
    names = [*where.users["allowed"][:2], *where.users["admin"][:1]]
    hub = HubClient(where)
    for name in names:
        hub.ensure(name)
        hub.start(name)
    hub.close()
    return [HubUser(where, name, run) for name in names]
