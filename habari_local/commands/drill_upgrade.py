"""`habari-local drill upgrade`: an upgrade and the way back, rehearsed with people's things."""

from __future__ import annotations

import secrets
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from habari_local.commands.options import AsJson, ModeName
from habari_local.core.console import Result, Table
from habari_local.core.errors import FAILED

if TYPE_CHECKING:
    from habari_local.drills.user_state import Comparison


def upgrade(
    reference: Annotated[
        str, typer.Option("--from", metavar="REF", help="The commit that is deployed now.")
    ],
    mode: ModeName = None,
    as_json: AsJson = False,
) -> Result:
    """Rehearse an upgrade and the way back.

    Bring a commit up, give people notebooks and servers, upgrade to the working tree. Then back
    again. Each time all of it must be there, and servers must not have been restarted. It has a
    platform of its own, which is deleted at the end. Exit 1 if anything differs.

    Example: habari-local drill upgrade --from main --mode kind
    """
    from habari_local.drills import user_state
    from habari_local.drills.scratch_platform import scratch_platform, start_servers

    began, run = time.monotonic(), f"drill-{secrets.token_hex(3)}"
    with scratch_platform("upgrade", mode or "kind", _say) as (second, up):
        _say(f"bringing up {reference}")
        second.be(reference)
        up()
        people = start_servers(second, run)
        for person in people:
            user_state.create(person, run)
        before = user_state.read_state(people, run)
        found: list[tuple[str, Comparison]] = []
        for step in ("upgraded", "back"):
            _say("upgrading to the working tree" if step == "upgraded" else f"back to {reference}")
            second.be_working_tree() if step == "upgraded" else second.be(reference)
            up()
            after = user_state.read_state(people, run)
            found += [(step, each) for each in user_state.compare(before, after)]
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
