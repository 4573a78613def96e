"""`habari-local snapshot`: the state of a local platform by name: save it, and have it back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from habari_local.commands import completion
from habari_local.commands.backup import finish, keeping, put_back, sessions, told
from habari_local.commands.options import AsJson, Yes, confirm_deletion
from habari_local.core.console import Result, Table, human_size, progress
from habari_local.core.errors import USAGE, HabariError

if TYPE_CHECKING:
    from habari_local.core.paths import Checkout
    from habari_local.platform.mode import Context, Mode

app = typer.Typer(
    help="Save a state by name, and go back to it.\n\n"
    "Example: habari-local snapshot save before-upgrade",
    no_args_is_help=True,
)
NewName = Annotated[
    str, typer.Argument(metavar="NAME", help="Lower-case letters, digits and dashes.")
]
Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="As `snapshot list` has it.", autocompletion=completion.snapshots
    ),
]
Names = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME...", help="As `snapshot list` has them.", autocompletion=completion.snapshots
    ),
]


@app.command()
def save(name: NewName, as_json: AsJson = False) -> Result:
    """Save homes, buckets and the hub's database.

    In the mode that is up, while users work; each file is read back. What can't be read is named
    and left out, and the exit code is 5.

    Example: habari-local snapshot save before-upgrade
    """
    from habari_local.backup import snapshots
    from habari_local.backup.create_restore import create
    from habari_local.core.checkout import checkout_lock

    began = time.monotonic()
    mode, ctx = _local()
    with checkout_lock(ctx.checkout.state, f"snapshot save {name}"):
        target = snapshots.place_for(ctx.checkout, name)
        given = snapshots.parts(ctx)
        made = create(mode, ctx, target, given, progress, allow_empty=True)
    seconds = time.monotonic() - began
    said = [f"Snapshot: {name} ({human_size(made.size)}, {seconds:.1f} s).", *_without(ctx)]
    return told(made, said, as_json=as_json)


@app.command("list")
def list_(as_json: AsJson = False) -> Result:
    """List the snapshots of this checkout.

    The newest is first.

    Example: habari-local snapshot list
    """
    from habari_local.backup import snapshots
    from habari_local.core.paths import find_checkout

    found = snapshots.all_of(find_checkout(), progress)
    data = [
        {
            "name": each.folder.name,
            "mode": each.mode,
            "made": each.made,
            "parts": each.parts,
            "users": [piece.owner for piece in each.of("homes")],
            "size": each.size,
            "complete": not each.missing,
        }
        for each in found
    ]
    if not found:
        said = "No snapshots. Try: habari-local snapshot save before-upgrade"
        return Result(data, [said], as_json=as_json)
    rows = []
    for each in found:
        homes = len(each.of("homes"))
        held = [f"{homes} home{'s' * (homes != 1)}" if p == "homes" else p for p in each.parts]
        incomplete = " (incomplete)" if each.missing else ""
        size = human_size(each.size)
        rows.append((each.folder.name, each.mode, each.made, size, ", ".join(held) + incomplete))
    table = Table(("name", "mode", "made", "size", "holds"), rows)
    return Result(data, [table], as_json=as_json)


@app.command()
def restore(name: Name, yes: Yes = False, as_json: AsJson = False) -> Result:
    """Have the platform's state as it was.

    What was changed since goes. Users' servers and the hub are stopped meanwhile, and start again;
    kernels do not. A snapshot of another mode works too: users come over, their sessions and tokens
    do not. One that was ended goes on with the same command.

    Example: habari-local snapshot restore before-upgrade
    """
    from habari_local.backup import create_restore, snapshots
    from habari_local.backup.manifest import open_backup
    from habari_local.core.checkout import checkout_lock

    mode, ctx = _local()
    again = f"habari-local snapshot restore {name}"
    path = snapshots.find(ctx.checkout, name)
    progress("reading the snapshot")
    began, saved, given = time.monotonic(), open_backup(path), snapshots.parts(ctx)
    create_restore.require_restorable(saved, mode, given)
    running = create_restore.running_servers(mode, ctx)
    if not create_restore.interrupted(saved, mode, ctx):
        things = list(snapshots.replaced(saved, running, given))
        asked = time.monotonic()
        confirm_deletion(things, ctx.checkout.root, yes=yes, again=again)
        began += time.monotonic() - asked  # somebody was reading
    options = create_restore.RestoreOptions(f"{again} --yes", exact=True)
    with checkout_lock(ctx.checkout.state, f"snapshot restore {name}"):
        snapshots.stop_servers(mode, ctx, running, progress)
        done = put_back(saved, mode, ctx, given, options)
    finish(saved, mode, ctx, given, done, exact=True)
    late = snapshots.start_servers(mode, ctx, running, progress)
    said = [f"Restored: {name}, of mode {saved.mode}, in {time.monotonic() - began:.1f} s."]
    started = [each for each in running if each not in late]
    if started:
        said.append(f"Started again, with new kernels: the servers of {', '.join(started)}.")
    said += [f"Server of {user}: not started again, {why}." for user, why in late.items()]
    said += [*sessions(saved, mode, ctx, given), *_without(ctx)]
    return told(saved, said, as_json=as_json, put=done)


@app.command()
def delete(names: Names, yes: Yes = False, as_json: AsJson = False) -> Result:
    """Delete snapshots.

    Example: habari-local snapshot delete before-upgrade --yes
    """
    from habari_local.backup import snapshots
    from habari_local.core.checkout import checkout_lock
    from habari_local.core.paths import find_checkout

    checkout = find_checkout()
    names = list(dict.fromkeys(names))
    things = [f"snapshot {name}, {_size(checkout, name)}" for name in names]
    again = f"habari-local snapshot delete {' '.join(names)}"
    confirm_deletion(things, checkout.root, yes=yes, again=again)
    with checkout_lock(checkout.state, "snapshot delete"):
        snapshots.delete(checkout, names)
    return Result({"deleted": names}, [f"Deleted: {', '.join(names)}."], as_json=as_json)


def _size(checkout: Checkout, name: str) -> str:
    """Return how large a snapshot is, of whatever is left of it.

    Raises:
        HabariError: there is none of that name.
    """
    from habari_local.backup import snapshots

    path = snapshots.find(checkout, name)
    return human_size(sum(each.lstat().st_size for each in path.rglob("*")))


def _local() -> tuple[Mode, Context]:
    """Return the mode that is up: one whose state is this checkout's.

    Raises:
        HabariError: it has none, or is elsewhere.
    """
    from habari_local.platform.mode import RemoteMode

    mode, ctx = keeping(None, {})
    if isinstance(mode, RemoteMode):
        raise HabariError(
            f"Mode {mode.name}: no snapshots of what is elsewhere; backups there are.",
            "habari-local backup create --help",
            USAGE,
        )
    return mode, ctx


def _without(ctx: Context) -> list[str]:
    aws = ctx.settings.s3_backend == "aws"
    return ["Without the buckets: at AWS they are not this checkout's alone."] if aws else []
