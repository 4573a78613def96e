"""`habari-local backup`: what people have on a platform, into a folder and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from habari_local.commands.options import (
    AsJson,
    ContextName,
    Meant,
    ModeName,
    Namespace,
    Yes,
    again,
    cluster,
    confirm,
    confirm_deletion,
)
from habari_local.core.console import Result, Table, human_size, progress
from habari_local.core.errors import INCOMPLETE, USAGE, HabariError, pasteable

if TYPE_CHECKING:
    from habari_local.backup.create_restore import Restored, RestoreOptions
    from habari_local.backup.manifest import Backup
    from habari_local.platform.mode import Context, Mode

app = typer.Typer(
    help="Back up users' data and restore it.\n\nExample: habari-local backup create",
    no_args_is_help=True,
)
SHOWN = 20  # names that are printed
Only = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PART", help="database, homes, lake or notebooks; repeatable; default: all."
    ),
]


@app.command()
def create(
    to: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Default: a new one in .habari/backups/.")
    ] = None,
    only: Only = None,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="Make one although nobody has anything.")
    ] = False,
    mode: ModeName = None,
    context: ContextName = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> Result:
    """Back up homes, buckets and the database.

    Into a new folder, while users work; each file is read back. It holds their private data.
    What can't be read is named and left out, and the exit code is 5.

    Example: habari-local backup create --to /mnt/backups/monday
    """
    from habari_local.backup.create_restore import create as made
    from habari_local.core.checkout import checkout_lock

    chosen, ctx = keeping(mode, cluster(mode, context, namespace))
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    target = to or ctx.checkout.state / "backups" / stamp
    with checkout_lock(ctx.checkout.state, "backup create"):
        backup = made(chosen, ctx, target, _parts(only), progress, allow_empty=allow_empty)
    return told(backup, [f"Backup: {target}"], as_json=as_json)


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="A backup.")], as_json: AsJson = False
) -> Result:
    """Read a backup again.

    Exit code 1 if a byte is another than was written, 5 if something could not be read when it was
    made.

    Example: habari-local backup check /mnt/backups/monday
    """
    from habari_local.backup.manifest import open_backup

    backup = open_backup(folder)
    return told(backup, [f"{folder}: as it was written."], as_json=as_json)


@app.command("list")
def list_(as_json: AsJson = False) -> Result:
    """List the backups of this checkout.

    Those in .habari/backups/, newest first.

    Example: habari-local backup list
    """
    from habari_local.backup.manifest import look
    from habari_local.core.paths import find_checkout

    folder = find_checkout().state / "backups"
    found: list[Backup] = []
    for each in sorted(folder.glob("*/"), reverse=True):
        try:
            found.append(look(each))
        except HabariError as error:
            progress(error.message)
    data = [
        {
            "folder": str(each.folder),
            "mode": each.mode,
            "made": each.made,
            "size": each.size,
            "complete": not each.missing,
        }
        for each in found
    ]
    rows = [
        (
            each.made,
            each.mode,
            ", ".join(each.parts) + (" (incomplete)" if each.missing else ""),
            human_size(each.size),
            str(each.folder),
        )
        for each in found
    ]
    if not rows:
        return Result(
            data, [f"No backups in {folder}. Try: habari-local backup create"], as_json=as_json
        )
    return Result(data, [Table(("made", "mode", "holds", "size", "folder"), rows)], as_json=as_json)


@app.command()
def restore(  # noqa: PLR0913, PLR0917 (each is an option of the command line)
    folder: Annotated[Path, typer.Argument(help="A backup.")],
    only: Only = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Overwrite existing homes and objects.")
    ] = False,
    yes: Yes = False,
    mode: ModeName = None,
    context: ContextName = None,
    namespace: Namespace = None,
    meant: Meant = None,
    as_json: AsJson = False,
) -> Result:
    """Restore a backup.

    The platform must be up, with no user's server running; the hub is stopped meanwhile. The
    backup's hub database replaces the current one; of another mode's, the users are taken. No
    other data is overwritten without --overwrite, and nothing is deleted. One that was
    ended goes on with the same command.

    Example: habari-local backup restore /mnt/backups/monday
    """
    from habari_local.backup import create_restore
    from habari_local.backup.manifest import open_backup
    from habari_local.core.checkout import checkout_lock

    parts = _parts(only)
    chosen, ctx = keeping(mode, cluster(mode, context, namespace))
    backup = open_backup(folder)
    create_restore.require_restorable(backup, chosen, parts)
    create_restore.require_no_servers(chosen, ctx)
    _mean(chosen, ctx, parts, meant)
    with checkout_lock(ctx.checkout.state, "backup restore"):
        found: list[str] = []
        if not create_restore.interrupted(backup, chosen, ctx):
            most = None if overwrite else create_restore.SHOWN
            found = list(create_restore.conflicts(backup, chosen, ctx, parts, most))
        same = pasteable("habari-local", "backup", "restore", folder.resolve())
        again = f"{same} --overwrite"
        if overwrite:
            confirm_deletion(_earlier(found), ctx.checkout.root, yes=yes, again=again)
        elif found:
            raise _would_overwrite(found, again)
        options = create_restore.RestoreOptions(_with_parts(same, only))
        done = put_back(backup, chosen, ctx, parts, options)
    finish(backup, chosen, ctx, parts, done)
    counts = ", ".join(f"{part} {count}" for part, count in done.put.items())
    said = [f"Restored, not counting what was already the same: {counts}."]
    said += sessions(backup, chosen, ctx, parts)
    return told(backup, said, as_json=as_json, put=done)


def _with_parts(command: str, only: Sequence[str] | None) -> str:
    return " ".join([command, *(f"--only {each}" for each in only or ())])


def put_back(
    backup: Backup, mode: Mode, ctx: Context, parts: Sequence[str], options: RestoreOptions
) -> Restored:
    """Restore, and say what becomes of the hub where that fails."""
    from habari_local.backup import create_restore

    try:
        return create_restore.restore(backup, mode, ctx, parts, progress, options)
    except create_restore.ServersRun:
        _start_hub(mode, ctx)
        raise
    except HabariError as error:
        error.details = (
            *error.details,
            f"Nobody can work until it has ended; this goes on: {options.again}",
        )
        raise


def finish(
    backup: Backup,
    mode: Mode,
    ctx: Context,
    parts: Sequence[str],
    done: Restored,
    *,
    exact: bool = False,
) -> None:
    """Start the hub again, and have it know another mode's users."""
    from habari_local.backup import create_restore

    progress("starting again what was stopped")
    _start_hub(mode, ctx)
    users = create_restore.restore_users(backup, mode, ctx, parts, exact=exact)
    if users:
        done.put.pop("database", None)
        done.put["users"] = users


def sessions(backup: Backup, mode: Mode, ctx: Context, parts: Sequence[str]) -> list[str]:
    """Say what becomes of users' sessions."""
    from habari_local.backup import create_restore

    if "database" not in parts or not create_restore.signs_out(backup, mode, ctx):
        return []
    if backup.mode != mode.name:
        return [
            f"Of the database of mode {backup.mode}, the users were taken; sessions and API tokens"
            " were not: everybody signs in again."
        ]
    return ["The hub's keys are not those of the backup: everybody signs in again."]


def _start_hub(mode: Mode, ctx: Context) -> None:
    """Have the hub run that a restore stopped; elsewhere the restore itself does it."""
    from habari_local import lifecycle
    from habari_local.core.console import unseen
    from habari_local.platform.mode import RemoteMode

    if not isinstance(mode, RemoteMode):
        lifecycle.up(mode, ctx, keep=True, show=unseen)


def keeping(mode: str | None, flags: dict[str, str]) -> tuple[Mode, Context]:
    """Return the mode that is up, which has backups."""
    from habari_local import active_mode
    from habari_local.platform.mode import SupportsBackup

    chosen, ctx = active_mode.require_running(mode, flags)
    if not isinstance(chosen, SupportsBackup):
        raise HabariError(
            f"Mode {chosen.name}: has no backups.",
            "habari-local up --mode process",
            USAGE,
        )
    return chosen, ctx


def _parts(only: Sequence[str] | None) -> list[str]:
    from habari_local.backup.manifest import PARTS

    wrong = [each for each in only or () if each not in PARTS]
    if wrong:
        raise HabariError(
            f"--only {', '.join(wrong)}: expected one of {', '.join(PARTS)}.",
            "habari-local backup create --only homes",
            USAGE,
        )
    return [each for each in PARTS if not only or each in only]


def _mean(mode: Mode, ctx: Context, parts: Sequence[str], meant: str | None) -> None:
    """In an existing cluster, ask before the hub's database is replaced."""
    from habari_local.platform.mode import Plan, RemoteMode

    if isinstance(mode, RemoteMode) and "database" in parts:
        place = mode.plan_down(ctx).place
        lost = "the current hub database"
        confirm(Plan(place, (), {}, (lost,)), meant, again("backup restore FOLDER", ctx))


def _earlier(found: list[str]) -> list[str]:
    return [f"the current contents of {each}" for each in found]


def _would_overwrite(found: list[str], again: str) -> HabariError:
    return HabariError(
        f"A restore would overwrite {', '.join(found[:3])}{' …' if found[3:] else ''}.",
        again,
        USAGE,
        [f"- {each}" for each in found[:20]],
    )


def told(backup: Backup, said: list[str], *, as_json: bool, put: Restored | None = None) -> Result:
    """Show a backup, and what became of a restore of it."""
    rows = [
        (each.part, each.owner, str(each.entries), f"{each.size / 1e6:.1f} MB")
        for each in backup.pieces
    ]
    missing = put.missing if put else backup.missing
    words = "Could not be set as it was" if put else "Missing, could not be read"
    lines = [f"{words}: {_plain(each)}" for each in missing[:SHOWN]]
    unnamed = sum(each.unnamed for each in backup.pieces)
    more = len(missing) - SHOWN + (0 if put else unnamed)
    lines += [f"… and {more} more: habari-local backup check --json"] if more > 0 else []
    lines += [] if put else _left_out(backup)
    data: dict[str, Any] = {
        "folder": str(backup.folder),
        "mode": backup.mode,
        "made": backup.made,
        "complete": not backup.missing,
        "pieces": [
            {
                **{name: getattr(each, name) for name in ("part", "owner", "size", "entries")},
                **{name: dict(getattr(each, name)) for name in ("missing", "left_out")},
                "changed": list(each.changed),
                "older": each.older,
            }
            for each in backup.pieces
        ],
        "failed": dict(backup.failed),
        **({"put": put.put, "missing": put.missing} if put else {}),
    }
    table = Table(("part", "user", "entries", "size"), rows)
    return Result(data, [table, *lines, *said], INCOMPLETE if missing else 0, as_json=as_json)


def _left_out(backup: Backup) -> list[str]:
    """Say what no archive keeps, and what no backup does."""
    counts = Counter(kind for each in backup.pieces for kind in each.left_out.values())
    told = ", ".join(f"{count} {kind}{'s' * (count > 1)}" for kind, count in counts.items())
    lines = [f"Left out, as programs make them again: {told}."] if told else []
    older = sum(each.older or 0 for each in backup.pieces)
    if older:
        lines.append(f"Left out: {older} older versions of objects, which stay in their buckets.")
    unknown = [each.title for each in backup.pieces if each.older is None]
    if unknown:
        words = f"whether {' and '.join(unknown)} have older versions of objects, S3 does not tell"
        lines.append(f"The newest version of each object is kept; {words}.")
    return lines


def _plain(text: str) -> str:
    """Return a name in letters that a terminal shows, whatever is in it."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
