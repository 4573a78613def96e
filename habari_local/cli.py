"""The command line: the app, the one except-block, printing and exit codes."""

from __future__ import annotations

import errno
import json
import re
import shlex
import signal
import sys
from collections.abc import Sequence
from copy import copy
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer

from habari_local.commands import backup, config, drill, image, s3, snapshot, tenant
from habari_local.commands.announce import announce
from habari_local.commands.bundle import bundle
from habari_local.commands.diff import diff
from habari_local.commands.doctor import doctor
from habari_local.commands.down import down
from habari_local.commands.e2e import e2e
from habari_local.commands.endpoints import endpoints, open_
from habari_local.commands.gate import gate
from habari_local.commands.logs import logs
from habari_local.commands.reset import reset
from habari_local.commands.restart import restart
from habari_local.commands.seed import seed
from habari_local.commands.shell import helm, kubectl, shell
from habari_local.commands.status import status
from habari_local.commands.up import up
from habari_local.commands.why import why
from habari_local.core import paths
from habari_local.core.console import Result, reader_left, render
from habari_local.core.errors import INTERRUPTED, HabariError

app = typer.Typer(
    name="habari-local",
    help="Habari on this machine: JupyterHub, notebooks in S3, GitHub sign-in. Start with `up`.\n\n"
    "Example: habari-local up",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


for verb in (
    up,
    down,
    status,
    endpoints,
    logs,
    restart,
    reset,
    seed,
    shell,
    doctor,
    why,
    bundle,
    diff,
    kubectl,
    helm,
    gate,
    e2e,
):
    app.command()(verb)
app.command("open")(open_)
app.add_typer(image.app, name="image")
app.add_typer(config.app, name="config")
app.add_typer(backup.app, name="backup")
app.add_typer(snapshot.app, name="snapshot")
app.add_typer(drill.app, name="drill")
app.add_typer(s3.app, name="s3")
app.add_typer(tenant.app, name="tenant")
announce(app)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"habari-local {version('habari-local')}")
        raise typer.Exit


@app.callback()
def options(
    checkout: Annotated[
        Path | None,
        typer.Option(
            "--checkout",
            metavar="PATH",
            envvar=paths.CHECKOUT,
            help="Default: the one around the working directory.",
        ),
    ] = None,
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that come before a verb."""
    paths.choose(checkout)


# Options that had another name once.
RENAMED = {
    "--fresh": "--recreate",
    "--keep": "--no-rollback",
    "--over": "--overwrite",
    "--with": "--answer",
    "--yes-i-mean": "--confirm",
}


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with the code of errors.py's table."""
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, _interrupt)
    try:
        code = _run(arguments)
    except HabariError as error:
        code = _tell(error)
    except typer.TyperException as error:
        code = _tell(_usage(error))
    except (KeyboardInterrupt, typer.Abort):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is undone: a second one ends nothing
        sys.stderr.write("\nInterrupted; everything this command started was stopped.\n")
        code = INTERRUPTED
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            raise
        code = _tell(_of_the_disk(error))
    sys.exit(code)


def _run(arguments: Sequence[str] | None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    result: Any = _with(given[:1])(args=given, prog_name=app.info.name, standalone_mode=False)
    if result == INTERRUPTED:  # what Typer makes of Ctrl-C
        raise KeyboardInterrupt
    if not isinstance(result, Result):
        return int(result or 0)
    if result.lines is not None or result.chunks is not None:
        try:
            _stream(result)
        except KeyboardInterrupt:  # how one leaves `logs -f`
            return result.code
    elif result.as_json:
        json.dump(result.data, sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        render(result)
    sys.stdout.flush()
    return result.code


def _with(verb: Sequence[str]) -> typer.Typer:
    """Return the app with this verb alone, if it begins with one: Typer builds all that it has."""
    small = copy(app)
    small.registered_commands = [
        each
        for each in app.registered_commands
        if [each.name or getattr(each.callback, "__name__", "")] == list(verb)
    ]
    small.registered_groups = [each for each in app.registered_groups if [each.name] == list(verb)]
    return small if small.registered_commands or small.registered_groups else app


def _stream(result: Result) -> None:
    """Write lines or chunks as they come, until they or their reader end."""
    for chunk in result.chunks or (f"{line}\n".encode() for line in result.lines or ()):
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        if reader_left():
            return


def _of_the_disk(error: OSError) -> HabariError:
    """Return what a file that can't be written is about: room, rights or a mount."""
    where = Path(str(error.filename or "."))
    seen = f"{where}: {error.strerror}" if error.filename else f"Disk: {error.strerror}"
    there = next((each for each in (where, *where.parents) if each.exists()), Path())
    look = {errno.EACCES: "ls -ld", errno.EROFS: "findmnt --target"}.get(error.errno or 0, "df -h")
    return HabariError(f"{seen}.", f"{look} {shlex.quote(str(there))}")


def _tell(error: HabariError) -> int:
    for line in error.details:
        sys.stderr.write(f"  {line}\n")
    sys.stderr.write(f"{error.message}\nTry: {_for_the_same_checkout(error.hint)}\n")
    return error.code


def _for_the_same_checkout(command: str) -> str:
    """Have a command mean the checkout that was named, wherever it is pasted."""
    named, program = paths.chosen(), "habari-local "
    if named is None or not command.startswith(program) or "--checkout" in command:
        return command
    where = shlex.quote(str(named.expanduser().resolve()))
    return f"{program}--checkout {where} {command.removeprefix(program)}"


def _usage(error: typer.TyperException) -> HabariError:
    """Turn what Typer says into a sentence; of a slip of the pen, into the call that was meant."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "habari-local"
    before = getattr(error, "option_name", "")
    if before in RENAMED:
        now = RENAMED[before]
        return HabariError(f"{before} is now {now}.", f"{command} {now}", error.exit_code)
    message = error.format_message()
    near = re.search(r"Did you mean '([^']+)'", message)
    if near:
        command = f"{command} {near[1]}"
    possible = getattr(error, "possibilities", None)
    if possible:
        message = f"{getattr(error, 'message', message)}. Did you mean {', '.join(possible)}?"
    return HabariError(message, f"{command} --help", error.exit_code)


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
