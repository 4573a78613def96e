"""`habari-local config secret`: production's secrets, encrypted in a file that git may have."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from habari_local.commands.options import AsJson
from habari_local.core.console import Result
from habari_local.core.errors import USAGE, HabariError, pasteable
from habari_local.core.yaml11 import dump

app = typer.Typer(
    help="Production's secrets, encrypted with sops.\n\nExample: habari-local config secret list",
    no_args_is_help=True,
)
NAME = "secrets.yaml"
STEP = re.compile(r'"([^"]+)"|([^."]+)')
File = Annotated[
    Path | None, typer.Option("--file", help=f"The file; default: {NAME} of the checkout.")
]


@app.command()
def key(as_json: AsJson = False) -> Result:
    """Print your public key.

    The first call creates a key, where sops looks for it.

    Example: habari-local config secret key
    """
    from habari_local.config import age
    from habari_local.config.load import environment

    environ = environment()
    public, made = age.own(environ)
    where = age.key_file(environ)
    said = [f"Created a key in {where}: keep it, and a copy elsewhere."] if made else []
    data = {"public": public, "file": str(where), "made": made}
    return Result(data, [*said, public], as_json=as_json)


@app.command("set")
def set_(
    place: Annotated[str, typer.Argument(help="Its place in the values, as a.b.c.")],
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to", metavar="KEY", help="Keys that can decrypt them all; default: as before."
        ),
    ] = None,
    file: File = None,
) -> Result:
    """Put a secret into the file.

    It is asked for, or read from standard input.

    Example: habari-local config secret set hub.config.GitHubOAuthenticator.client_secret
    """
    from habari_local.config import age, sops
    from habari_local.config.load import environment
    from habari_local.config.secrets import write_private

    path, environ = _path(file), environment()
    data = _read(path) if path.is_file() else {}
    before = sops.recipients(data) if data else [age.own(environ)[0]]
    values = sops.decrypted(data, environ, path.name) if data else {}
    _put(values, _steps(place), _asked(place))
    public = list(dict.fromkeys(to or before))
    write_private(path, dump(sops.encrypted(values, public)))
    path.chmod(0o644)  # it is for git, and for those who have a key
    return Result({"place": place, "file": str(path)}, [f"{place} is in {path}, encrypted."])


@app.command("list")
def list_(file: File = None, as_json: AsJson = False) -> Result:
    """List the secrets and who can decrypt them.

    No secret is shown.

    Example: habari-local config secret list
    """
    from habari_local.config import sops

    path = _path(file)
    data = _read(path)
    found = [".".join(place) for place in sops.places(data)]
    public = sops.recipients(data)
    said = [*found, *(f"for {each}" for each in public)]
    return Result({"secrets": found, "recipients": public}, said, as_json=as_json)


def _path(file: Path | None) -> Path:
    from habari_local.core.paths import find_checkout

    return file or find_checkout().root / NAME


def _read(path: Path) -> dict[str, Any]:
    from habari_local.config import sops
    from habari_local.helm_values.values import read

    data = read(path, path.name).data
    if not sops.is_encrypted(data):
        raise HabariError(
            f"{path.name}: not encrypted, expected a sops file.",
            pasteable("git", "log", "--", path),
            USAGE,
        )
    return data


def _steps(place: str) -> list[str]:
    found = [first or second for first, second in STEP.findall(place)]
    if not found:
        raise HabariError(
            f"Place {place!r}: no name in it, a.b.c was expected.",
            "habari-local config secret set --help",
            USAGE,
        )
    return found


def _asked(place: str) -> str:
    if sys.stdin.isatty():
        return str(typer.prompt(f"{place}", hide_input=True, err=True))
    return sys.stdin.read().rstrip("\n")


def _put(values: dict[str, Any], steps: list[str], secret: str) -> None:
    for step in steps[:-1]:
        below = values.setdefault(step, {})
        if not isinstance(below, dict):
            raise HabariError(
                f"{step}: a value, names below it were expected.",
                "habari-local config secret list",
                USAGE,
            )
        values = below
    values[steps[-1]] = secret
