"""`habari-local drill`: saving while parts fail, an upgrade, a restore: each rehearsed for real."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from habari_local.commands.options import AsJson, ModeName
from habari_local.core.console import Result, Table, progress
from habari_local.core.errors import FAILED, USAGE, HabariError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from habari_local.drills.fault_injection import InjectedFault
    from habari_local.drills.hub_user import HubUser
    from habari_local.drills.save_ledger import SaveAttempt, Verdict
    from habari_local.drills.scratch_platform import Up, Worktree
    from habari_local.drills.user_state import Comparison, Seen
    from habari_local.platform.mode import Context, Endpoints, Mode

app = typer.Typer(
    help="Rehearse failures, upgrades and restores.\n\nExample: habari-local drill save",
    no_args_is_help=True,
)


@dataclass(frozen=True)
class DrillConfig:
    """For how long people save, how often a second each of them, and what is broken meanwhile."""

    seconds: float
    rate: float
    faults: Sequence[str]


@app.command()
def save(
    users: Annotated[
        int | None, typer.Option(min=1, help="How many users save; default: all on the lists.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, help="For how long.")] = 60,
    rate: Annotated[float, typer.Option(min=0.01, help="Saves per second, of each user.")] = 2,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PART-killed|PART-frozen", help="A fault to inject; default: none; repeatable."
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where the plot (SVG) goes.")
    ] = None,
    mode: ModeName = None,
    as_json: AsJson = False,
) -> Result:
    """Break parts while users save.

    They save through the hub; then every save is read back from S3. A part is a service, or
    `server` (one user's). The documents are deleted, unless a save is lost.

    Example: habari-local drill save --seconds 120 --fault s3-killed --fault hub-killed
    """
    from habari_local import active_mode
    from habari_local.drills.fault_injection import select_faults
    from habari_local.drills.plot import svg
    from habari_local.drills.save_ledger import BucketReader, verify
    from habari_local.drills.save_load import start_servers

    found, ctx = active_mode.require_running(mode)
    where = found.endpoints(ctx)
    pace = DrillConfig(seconds, rate, select_faults(fault or (), found, ctx))
    run = f"drill-{secrets.token_hex(3)}"
    with start_servers(where, _people(where, users), run) as people:
        attempts, faults = _run_drill(found, ctx, people, pace, run)
        shelf = BucketReader(where.s3, ctx.settings.s3_backend)
        names = {each.name for each in attempts}
        progress(f"reading {len(names)} documents back")
        verdict = verify(attempts, shelf.read_all(names).get)
        if verdict.good:
            shelf.clear(run)
    path = plot or ctx.checkout.report / f"drill-{found.name}.svg"
    path.parent.mkdir(parents=True, exist_ok=True)
    title = f"drill save, mode {found.name}: {verdict.saved} saved, {len(verdict.lost)} lost"
    path.write_text(svg(title, attempts, faults), encoding="utf-8")
    data = {"mode": found.name, "run": run, "plot": str(path)} | _data(verdict, attempts, faults)
    return Result(data, _shown(data, verdict), 0 if verdict.good else FAILED, as_json=as_json)


def _people(where: Endpoints, users: int | None) -> list[str]:
    from habari_local.diagnosis import hints

    if not where.hub:
        return [where.users["allowed"][0]] if where.users["allowed"] else ["jovyan"]
    listed = list(dict.fromkeys([*where.users["allowed"], *where.users["admin"]]))
    if users is not None and users > len(listed):
        raise HabariError(
            f"{users} users: only {len(listed)} are on the lists.",
            hints.allow_more(where.users["allowed"], users - len(listed)),
            USAGE,
        )
    return listed[:users]


def _run_drill(
    mode: Mode, ctx: Context, people: Sequence[HubUser], pace: DrillConfig, run: str
) -> tuple[list[SaveAttempt], list[InjectedFault]]:
    """Return every save and every fault."""
    from habari_local import active_mode, lifecycle
    from habari_local.core.console import unseen
    from habari_local.drills.fault_injection import Clock, inject
    from habari_local.drills.save_load import Saver, SaverPool

    def recover() -> None:
        _, fresh = active_mode.current(mode.name)
        lifecycle.up(mode, fresh, keep=True, show=unseen)

    clock = Clock(pace.seconds)
    with SaverPool([Saver(person, run, pace.rate, clock) for person in people]) as office:
        done = list(inject(pace.faults, mode, ctx, recover, clock))
    recover()
    return office.attempts, done


def _data(
    verdict: Verdict, attempts: Sequence[SaveAttempt], faults: Sequence[InjectedFault]
) -> dict[str, Any]:
    from habari_local.drills.fault_injection import back_after

    answers = sorted(each.seconds for each in attempts if each.outcome == "saved")
    return {
        **asdict(verdict),
        "good": verdict.good,
        "median_seconds": answers[len(answers) // 2] if answers else None,
        "faults": [asdict(each) | {"back": back_after(each, attempts)} for each in faults],
    }


def _shown(data: dict[str, Any], verdict: Verdict) -> list[str | Table]:
    rows = [
        (
            each["name"],
            f"{each['began']:.0f} s",
            f"{each['recovered'] - each['began']:.1f} s",
            "never" if each["back"] is None else f"{each['back']:.1f} s",
        )
        for each in data["faults"]
    ]
    lines: list[str | Table] = []
    if rows:
        lines.append(Table(["fault", "at", "down for", "saves again after"], rows))
    lines.append(
        f"{verdict.saved} saves acknowledged, {verdict.refused} refused, {verdict.unconfirmed}"
        f" unconfirmed; {len(verdict.lost)} lost, {len(verdict.corrupted)} corrupted,"
        f" {len(verdict.refused_but_saved)} saved although refused."
    )
    lines += [
        f"  {each}" for each in [*verdict.lost, *verdict.corrupted, *verdict.refused_but_saved][:20]
    ]
    if not verdict.good:
        lines.append(f"Kept for inspection: notebooks/{data['run']}/")
    return [*lines, f"Plot: {data['plot']}"]


@app.command()
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
    with scratch_platform("upgrade", mode or "kind", progress) as (second, up):
        progress(f"bringing up {reference}")
        second.be(reference)
        up()
        people = start_servers(second, run)
        for person in people:
            user_state.create(person, run)
        before = user_state.read_state(people, run)
        found: list[tuple[str, Comparison]] = []
        for step in ("upgraded", "back"):
            forth = step == "upgraded"
            progress("upgrading to the working tree" if forth else f"back to {reference}")
            second.be_working_tree() if forth else second.be(reference)
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


@app.command()
def restore(mode: ModeName = None, as_json: AsJson = False) -> Result:
    """Rehearse a backup and its restore.

    Give people notebooks and servers, one of them entries that copies lose (holes, hard links, odd
    names and modes), and the lake such objects; back up, delete the platform, restore, compare. It
    has a platform of its own, which is deleted at the end. Exit 1 if anything is not as it was.

    Example: habari-local drill restore --mode kind
    """
    from habari_local.drills import user_state
    from habari_local.drills.scratch_platform import scratch_platform, start_servers

    began, run, chosen = time.monotonic(), f"drill-{secrets.token_hex(3)}", mode or "kind"
    with scratch_platform("restore", chosen, progress) as (second, up):
        progress("bringing up a platform")
        second.be_working_tree()
        up()
        people = start_servers(second, run) if second.endpoints().hub else []
        for person in people:
            user_state.create(person, run)
        first = people[0].name if people else "notebook"  # whose server is the only one
        before = _lasting(user_state.read_state(people, run))
        odd = user_state.odd_entries_of(
            second, first, "make-open" if chosen == "process" else "make"
        )
        objects = user_state.odd_objects_of(second, make=True)
        backup = str(second.root / ".habari" / "backup")
        progress("backing up")
        took = _timed(lambda: second.call("backup", "create", "--to", backup))
        _destroyed(second, up, people, chosen, objects)
        progress("restoring")
        # Without a hub the home is there as soon as the platform is up.
        over = () if people else ("--overwrite", "--yes")
        back = _timed(lambda: second.call("backup", "restore", backup, *over))
        for person in people:
            person.hub.start(person.name)
        found = user_state.compare(before, _lasting(user_state.read_state(people, run)))
        now = user_state.odd_entries_of(second, first, "look")
        found += _odd("odd entries", user_state.compare({first: odd}, {first: now}))
        now = user_state.odd_objects_of(second, make=False)
        found += _odd("objects", user_state.compare({"all": objects}, {"all": now}))
    seconds = time.monotonic() - began
    about = {"backup": took, "restore": back, "seconds": seconds}
    return _told(found, about, as_json=as_json)


def _odd(what: str, found: Sequence[Comparison]) -> list[Comparison]:
    """Return those that differ, and how many there are, each after the other."""
    from habari_local.drills.user_state import Comparison

    if not found:
        return []
    owner, good = found[0].owner, sum(each.good for each in found)
    whole = Comparison(owner, what, f"{len(found)} as made", f"{good} as made")
    return [whole, *(each for each in found if not each.good)]


def _lasting(seen: Mapping[str, Seen]) -> dict[str, Seen]:
    """Leave out that servers run: those are not in a backup."""
    return {
        owner: {what: told for what, told in things.items() if what != "server"}
        for owner, things in seen.items()
    }


def _destroyed(
    second: Worktree, up: Up, people: Sequence[HubUser], mode: str, objects: Seen
) -> None:
    """Delete the platform and recreate it, and see that nothing of before is there.

    Raises:
        HabariError: something is, so that a restore would prove nothing.
    """
    import requests

    from habari_local.drills.user_state import odd_objects_of

    progress("deleting it, and recreating it")
    second.call("down", "--mode", mode, "--wipe", "--yes")
    up()
    if objects and odd_objects_of(second, make=False) == objects:
        raise HabariError(
            "Objects of the lake: still there although their platform was deleted; a restore would"
            " prove nothing.",
            "habari-local down --wipe",
        )
    for person in people:
        try:
            person.hub.ask("GET", f"users/{person.name}/tokens/{person.token_id}")
        except requests.HTTPError:
            continue
        raise HabariError(
            f"Token of {person.name}: still valid although its platform was deleted; a restore"
            " would prove nothing.",
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
