"""`habari-local drill restore`: a backup is made, all is destroyed, and it must come back."""

from __future__ import annotations

import secrets
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from habari_local.commands.options import AsJson, ModeName
from habari_local.core.console import Result, Table
from habari_local.core.errors import FAILED, HabariError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from habari_local.drills.hub_client import HubUser
    from habari_local.drills.scratch_platform import Up
    from habari_local.drills.user_state import Comparison, Seen
    from habari_local.drills.worktree import Worktree


def restore(mode: ModeName = None, as_json: AsJson = False) -> Result:
    """Rehearse a backup and its restore.

    Give people notebooks and servers, back up, delete the platform, restore, compare. It has a
    platform of its own, which is deleted at the end. Exit 1 if anything is not as it was.

    Example: habari-local drill restore --mode kind
    """
    from habari_local.drills import user_state
    from habari_local.drills.scratch_platform import scratch_platform, start_servers

    began, run, chosen = time.monotonic(), f"drill-{secrets.token_hex(3)}", mode or "kind"
    with scratch_platform("restore", chosen, _say) as (second, up):
        _say("bringing up a platform")
        second.be_working_tree()
        up()
        people = start_servers(second, run)
        for person in people:
            user_state.create(person, run)
        before = _lasting(user_state.read_state(people, run))
        backup = str(second.root / ".habari" / "backup")
        _say("backing up")
        took = _timed(lambda: second.call("backup", "create", "--to", backup))
        _destroyed(second, up, people, chosen)
        _say("restoring")
        back = _timed(lambda: second.call("backup", "restore", backup))
        for person in people:
            person.hub.start(person.name)
        found = user_state.compare(before, _lasting(user_state.read_state(people, run)))
    seconds = time.monotonic() - began
    about = {"backup": took, "restore": back, "seconds": seconds}
    return _told(found, about, as_json=as_json)


def _lasting(seen: Mapping[str, Seen]) -> dict[str, Seen]:
    """Leave out that servers run: those are not in a backup."""
    return {
        owner: {what: told for what, told in things.items() if what != "server"}
        for owner, things in seen.items()
    }


def _destroyed(second: Worktree, up: Up, people: Sequence[HubUser], mode: str) -> None:
    """Delete the platform and make it anew, and see that nothing of before is there.

    Raises:
        HabariError: something is, so that a restore would prove nothing.
    """
    import requests

    _say("deleting it, and recreating it")
    second.call("down", "--mode", mode, "--wipe", "--yes")
    up()
    for person in people:
        try:
            person.hub.ask("GET", f"users/{person.name}/tokens/{person.token_id}")
        except requests.HTTPError:
            continue
        raise HabariError(
            f"Token of {person.name}: good after its platform was deleted, nothing of before was"
            " expected.",
            "habari-local down --wipe",
        )


def _timed(action: Any) -> float:
    began = time.monotonic()
    action()
    return time.monotonic() - began


def _told(found: Sequence[Comparison], about: dict[str, float], *, as_json: bool) -> Result:
    bad = [each for each in found if not each.good]
    rows = [
        (each.owner, each.what, "ok" if each.good else "DIFFERS", each.before, each.after)
        for each in found
    ]
    data = {
        "good": not bad,
        **about,
        "compared": [{**asdict(each), "good": each.good} for each in found],
    }
    said = (
        f"{len(found)} things compared in {about['seconds']:.0f} s (backup {about['backup']:.1f} s,"
        f" restore {about['restore']:.1f} s), {len(bad) or 'none'} differ."
    )
    table = Table(("whose", "what", "state", "before", "restored"), rows)
    return Result(data, [table, said], FAILED if bad else 0, as_json=as_json)


def _say(text: str) -> None:
    sys.stderr.write(f"{text} …\n")
