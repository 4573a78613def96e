"""`habari-local up`: bring the platform up."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import indent
from typing import TYPE_CHECKING, Annotated

import typer

from habari_local.commands.options import (
    AsJson,
    ContextName,
    Meant,
    ModeName,
    Namespace,
    Sets,
    Yes,
    again,
    cluster,
    confirm,
    confirm_deletion,
    flags,
    link,
)
from habari_local.commands.seed import counts, of_settings
from habari_local.core.console import Result
from habari_local.core.errors import USAGE, HabariError

if TYPE_CHECKING:
    from habari_local.platform.mode import Context, Endpoints, Mode
    from habari_local.watch import Watch

Watched = Annotated[bool, typer.Option("--watch", help="Then follow edits of the checkout.")]
Nodes = Annotated[int | None, typer.Option(help="Mode kind: number of nodes.", show_default=False)]
Begun = Annotated[bool, typer.Option("--recreate", help="Start over: run `down --wipe` first.")]
Adopted = Annotated[
    str | None,
    typer.Option("--adopt", metavar="ID", help="Use the volumes of an earlier checkout."),
]
Kept = Annotated[bool, typer.Option("--no-rollback", help="On failure, leave everything running.")]
Planned = Annotated[
    bool, typer.Option("--plan", help="Mode cluster: show what would change, and stop.")
]
Opened = Annotated[bool, typer.Option("--open", help="Open it in the browser.")]


def up(  # noqa: PLR0913, PLR0917 (Typer makes its options of them)
    mode: ModeName = None,
    sets: Sets = None,
    wait: Annotated[bool, typer.Option(help="Wait until every service answers.")] = True,
    keep: Kept = False,
    recreate: Begun = False,
    adopt: Adopted = None,
    yes: Yes = False,
    open_: Opened = False,
    nodes: Nodes = None,
    watch: Watched = False,
    context: ContextName = None,
    namespace: Namespace = None,
    plan: Planned = False,
    meant: Meant = None,
    as_json: AsJson = False,
) -> Result:
    """Start Habari, or whatever of it is down.

    Example: habari-local up --mode process --set HABARI_HUB_PORT=9000
    """
    from habari_local import active_mode
    from habari_local.platform.mode import RemoteMode
    from habari_local.watch import Watch

    began, more = time.monotonic(), {} if nodes is None else {"HABARI_NODES": str(nodes)}
    given = flags(sets) | more | cluster(mode, context, namespace)
    chosen, ctx = active_mode.from_settings(mode, given, wait=wait)
    _refuse(chosen, watch=watch, plan=plan, recreate=recreate, nodes=nodes)
    if isinstance(chosen, RemoteMode):
        return run_up(chosen, ctx, plan_only=plan, meant=meant, keep=keep, as_json=as_json)
    if adopt:
        active_mode.adopt(chosen, ctx, adopt)
        chosen, ctx = active_mode.from_settings(mode, given, wait=wait)
    following = Watch(chosen, ctx, given) if watch else None
    with _ended_on_error(following):
        if recreate:
            _delete(chosen, yes=yes)
        _warn(chosen, ctx)
        changed, more_said = _brought_up(chosen, ctx, keep=keep)
    _, ctx = active_mode.current(chosen.name)
    where, seconds = chosen.endpoints(ctx), time.monotonic() - began
    said = [*more_said, *_said(chosen, where, changed=changed, seconds=seconds)]
    if open_:
        _open(where)
    if following:
        return Result(lines=itertools.chain(said, following.lines()))
    data = {"mode": chosen.name, "url": where.hub_url, "changed": changed, "seconds": seconds}
    data |= {"notes": list(chosen.notes)}
    return Result(data, said, as_json=as_json)


def _brought_up(mode: Mode, ctx: Context, *, keep: bool) -> tuple[bool, list[str]]:
    """Bring the mode up, then seed it; return whether that changed anything, and what to say."""
    from habari_local import active_mode, lifecycle
    from habari_local.backup.seed import seed

    folder = of_settings(mode, ctx)
    changed = lifecycle.up(mode, ctx, keep=keep)
    if folder is None:
        return changed, []
    done = seed(mode, active_mode.current(mode.name)[1], folder)
    return changed, [counts(done)]


@contextmanager
def _ended_on_error(following: Watch | None) -> Iterator[None]:
    """End the watch, if there is one, where the block fails."""
    try:
        yield
    except BaseException:
        if following:
            following.close()
        raise


def _open(where: Endpoints) -> None:
    import webbrowser

    webbrowser.open(link(where))


def _warn(mode: Mode, ctx: Context) -> None:
    """Name unread variables, a restore that has not ended, and an earlier checkout's volumes."""
    from habari_local import active_mode
    from habari_local.backup.create_restore import unfinished
    from habari_local.config.load import unused

    sys.stderr.writelines(f"{each}.\n" for each in unused(ctx.checkout.root / ".env"))
    restoring = unfinished(mode, ctx)
    if restoring:
        sys.stderr.write(
            f"A restore has not ended; homes may be half old. This goes on: {restoring}\n"
        )
    for each, volumes in active_mode.earlier(mode, ctx).items():
        sys.stderr.write(
            f"Volumes of an earlier checkout in this place: {', '.join(volumes)}.\n"
            f"New ones are created. To use the old ones: habari-local down --mode {mode.name}"
            f" --wipe, then habari-local up --mode {mode.name} --adopt {each}\n"
        )


def _delete(mode: Mode, *, yes: bool) -> None:
    """Delete the mode's data, and say so at once: coming up may fail afterwards."""
    from habari_local import active_mode, lifecycle

    _, kept = active_mode.current(mode.name)
    lifecycle.require_no_other_mode(mode, kept)
    again = f"habari-local up --mode {mode.name} --recreate"
    confirm_deletion(mode.data(kept), kept.checkout.root, yes=yes, again=again)
    done = lifecycle.down(mode, kept, wipe=True)
    typer.echo(f"Deleted: {', '.join(done.deleted) or 'nothing'}.", err=True)


def _refuse(mode: Mode, *, watch: bool, plan: bool, recreate: bool, nodes: int | None) -> None:
    """Refuse options that are another mode's."""
    from habari_local.platform.mode import RemoteMode, SupportsWatch

    if watch and not isinstance(mode, SupportsWatch):
        raise HabariError(
            f"Mode {mode.name}: --watch does not work in a cluster.",
            "habari-local up --watch",
            USAGE,
        )
    if recreate and isinstance(mode, RemoteMode):
        raise HabariError(
            f"Mode {mode.name}: --recreate does not work here; delete the homes by hand.",
            "habari-local down --help",
            USAGE,
        )
    if plan and not isinstance(mode, RemoteMode):
        raise HabariError(
            f"Mode {mode.name}: --plan works in mode cluster only.",
            "habari-local up --mode cluster --plan --context NAME",
            USAGE,
        )
    if nodes is not None and mode.name != "kind":
        raise HabariError(
            f"Mode {mode.name}: --nodes works in mode kind only.",
            f"habari-local up --mode kind --nodes {nodes}",
            USAGE,
        )


def _said(mode: Mode, where: Endpoints, *, changed: bool, seconds: float) -> list[str]:
    people = [
        f"{', '.join(names)} ({note})"
        for note, names in (("admin", where.users["admin"]), ("user", where.users["allowed"]))
        if names
    ]
    done = "is up" if changed else "was already up; nothing to do"
    sign_in = f"  sign in   {'; '.join(people)}" + ("" if where.github else " at github.com")
    return [
        f"\nHabari {done} (mode {mode.name}, {seconds:.1f} s).\n",
        f"  open      {link(where)}",
        *([sign_in] if where.hub else []),
        f"  S3        {where.s3.endpoint_url or 'AWS'}: "
        f"{where.s3.lake_bucket} as lake/, {where.s3.notebooks_bucket} as notebooks/",
        f"  project   {where.project_path} as project/",
        *(f"  note      {indent(each, ' ' * 12).lstrip()}" for each in mode.notes),
        "\nTry next:",
        *(f"  habari-local {verb}" for verb in ("open", "status", "logs -f", "e2e", "down")),
    ]


def run_up(
    mode: Mode, ctx: Context, *, plan_only: bool, meant: str | None, keep: bool, as_json: bool
) -> Result:
    """Return the plan, or what came of it.

    Raises:
        HabariError: it is impossible, was not confirmed, or failed and was rolled back.
    """
    from habari_local import lifecycle
    from habari_local.platform.mode import RemoteMode

    assert isinstance(mode, RemoteMode)  # noqa: S101 (its caller asked)
    plan = mode.plan_up(ctx)
    if plan_only:
        return Result(dict(plan.data), plan.lines, as_json=as_json)

    def change() -> bool:
        confirm(plan, meant, again("up", ctx))
        return lifecycle.up(mode, ctx, keep=keep)

    def told() -> Iterator[str]:
        yield from plan.lines
        done = "is up" if change() else "was already up; nothing to do"
        yield f"\nHabari {done} in namespace {plan.place} of {ctx.settings.kube_context}.\n"
        yield f"  open      {mode.endpoints(ctx).hub_url}"
        yield f"\nTry next: {again('status', ctx)}"

    if not as_json:
        return Result(lines=told())
    changed = change()
    url = mode.endpoints(ctx).hub_url
    data = {"mode": mode.name, "url": url, "changed": changed, "plan": dict(plan.data)}
    return Result(data, as_json=True)
