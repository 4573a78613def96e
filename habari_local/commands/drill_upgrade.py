"""`habari-local drill upgrade`: an upgrade and the way back, rehearsed with people's things."""

from __future__ import annotations

import secrets
import shutil
import sys
import time
from collections.abc import Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from habari_local.commands.options import AsJson, ModeName
from habari_local.console import Result, Table
from habari_local.errors import FAILED, HabariError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from habari_local.drills.belongings import Compared
    from habari_local.drills.people import Person
    from habari_local.drills.second_checkout import SecondCheckout

FOLDER = "drill-upgrade"
OFFSET = 3100  # added to this checkout's ports: both may be up at once


def upgrade(
    reference: Annotated[
        str, typer.Option("--from", metavar="REF", help="The commit that is out now.")
    ],
    mode: ModeName = None,
    as_json: AsJson = False,
) -> Result:
    """Bring a commit up, give people notebooks and servers, upgrade to the working tree.

    Then back again. Each time all of it must be there, and servers must not have been restarted.
    It has a platform of its own, which is deleted at the end. Exit 1 if anything differs.

    Example: habari-local drill upgrade --from main --mode kind
    """
    from habari_local.drills import belongings

    began, run = time.monotonic(), f"drill-{secrets.token_hex(3)}"
    with _second(mode or "kind") as (second, up):
        _say(f"bringing up {reference}")
        second.be(reference)
        up()
        people = _people(second, run)
        for person in people:
            belongings.make(person, run)
        before = belongings.seen(people, run)
        found: list[tuple[str, Compared]] = []
        for step in ("upgraded", "back"):
            _say("upgrading to the working tree" if step == "upgraded" else f"back to {reference}")
            second.be_working_tree() if step == "upgraded" else second.be(reference)
            up()
            after = belongings.seen(people, run)
            found += [(step, each) for each in belongings.compared(before, after)]
    bad = [each for _, each in found if not each.good]
    seconds = time.monotonic() - began
    rows = [
        (step, e.owner, e.what, "ok" if e.good else "DIFFERS", e.before, e.after)
        for step, e in found
    ]
    said = f"{len(found)} things compared in {seconds:.0f} s, {len(bad) or 'none'} differ."
    data: dict[str, Any] = {
        "good": not bad,
        "from": reference,
        "seconds": seconds,
        "compared": [{"step": step, **asdict(each), "good": each.good} for step, each in found],
    }
    table = Table(("after", "whose", "what", "state", "before", "now"), rows)
    return Result(data, [table, said], FAILED if bad else 0, as_json=as_json)


def _say(text: str) -> None:
    sys.stderr.write(f"{text} …\n")


@contextmanager
def _second(mode: str) -> Iterator[tuple[SecondCheckout, Any]]:
    """Give a second checkout and what brings it up; nothing of it is left at the end."""
    from habari_local.config.load import environment, load
    from habari_local.drills.second_checkout import SecondCheckout
    from habari_local.paths import find_checkout

    checkout = find_checkout()
    settings = load(checkout.root).settings
    folder = checkout.state / FOLDER
    environ = {**environment(), **_given(checkout.root, settings.port_offset)}
    second = SecondCheckout(checkout.root, folder, environ)
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
        _say("deleting the rehearsal's platform")
        with suppress(HabariError):
            second.call("down", "--mode", mode, "--wipe")
            shutil.rmtree(folder, ignore_errors=True)


def _given(root: Path, offset: int) -> Mapping[str, str]:
    """Return this checkout's settings as the second one gets them: its own ports, no .env."""
    from habari_local.config.load import load
    from habari_local.config.render.dist import as_text
    from habari_local.config.settings import fields_by_variable

    loaded = load(root)
    given = {
        name: as_text(getattr(loaded.settings, field))
        for name, field in fields_by_variable().items()
        if loaded.sources[name] not in ("default", "environment")
    }
    chart = loaded.settings.chart
    named = {"HABARI_CHART": str((root / chart).resolve())} if chart else {}
    return {**given, **named, "HABARI_PORT_OFFSET": str(offset + OFFSET)}


def _people(second: SecondCheckout, run: str) -> list[Person]:
    """Return people with running servers: two who may sign in, and an admin."""
    from habari_local.drills.people import Hub, Person

    where = second.endpoints()
    if not where.hub:
        raise HabariError(
            f"Mode {where.mode}: no hub, so nobody whose things could be looked at.",
            "habari-local drill upgrade --help",
        )
    names = [*where.users["allowed"][:2], *where.users["admin"][:1]]
    hub = Hub(where)
    for name in names:
        hub.ensure(name)
        hub.start(name)
    hub.close()
    return [Person(where, name, run) for name in names]
