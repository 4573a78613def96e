"""`habari-local config secret`: production's secrets, encrypted in a file that git may have."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from habari_local.commands.options import AsJson
from habari_local.core.console import Result
from habari_local.core.errors import USAGE, HabariError, pasteable

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
            "--to", metavar="KEY", help="A new file's keys that can decrypt it; default: yours."
        ),
    ] = None,
    file: File = None,
) -> Result:
    """Put a secret into the file.

    It is asked for, or read from standard input.

    Example: habari-local config secret set hub.config.GitHubOAuthenticator.client_secret
    """
    from habari_local.drivers import sops

    path, steps = _path(file), _steps(place)
    environ, exists = _environment(), path.is_file()
    if exists and to:
        _read(path)
        raise HabariError(
            f"{path.name}: encrypted already, --to is for a new file.",
            pasteable("habari-local", "config", "secret", "rotate", *_pairs("--add", to)),
            USAGE,
        )
    if exists:
        _read(path)
    secret = _asked(place)
    with sops.revised(path) as copy:
        before = sops.decrypt(copy, environ) if exists else {}
        after = _put(before, steps, secret)
        if exists:
            sops.set_value(copy, steps, secret, environ)
        else:
            sops.create(copy, after, _recipients(to, path, environ), environ)
        _require_encrypted(copy, steps)
        if sops.decrypt(copy, environ) != after:
            raise HabariError(
                f"{path.name}: sops would have put {place} elsewhere; it is as before.",
                "habari-local config secret edit",
            )
    return Result({"place": place, "file": str(path)}, [f"{place} is in {path}, encrypted."])


@app.command()
def edit(file: File = None) -> Result:
    """Open the file in your editor, decrypted.

    The editor is that of EDITOR. The file is encrypted again, for the same keys, when it ends.

    Example: habari-local config secret edit
    """
    from habari_local.drivers import sops

    path, environ = _path(file), _environment()
    _read(path)
    with sops.revised(path) as copy:
        changed = sops.edit(copy, environ)
        _read(copy)
    said = f"{path}: {'changed' if changed else 'as before'}."
    return Result({"file": str(path), "changed": changed}, [said])


@app.command()
def rotate(
    add: Annotated[
        list[str] | None,
        typer.Option("--add", metavar="KEY", help="A public key of age that decrypts it too."),
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option("--remove", metavar="KEY", help="One that decrypts it no longer."),
    ] = None,
    file: File = None,
) -> Result:
    """Change the keys that decrypt the file.

    The file gets a new key of its own. Who was removed still knows what was in it until now: set
    those secrets again.

    Example: habari-local config secret rotate --add age1…
    """
    from habari_local.drivers import sops

    path, environ = _path(file), _environment()
    before = sops.recipients(_read(path))
    unknown = [each for each in remove or () if each not in before]
    if unknown:
        raise HabariError(
            f"{path.name}: not encrypted for {', '.join(unknown)}, a key of it was expected.",
            "habari-local config secret list",
            USAGE,
        )
    if not set(before) - set(remove or ()) | set(add or ()):
        raise HabariError(
            f"{path.name}: nobody could decrypt it any more, one key has to be left.",
            pasteable("habari-local", "config", "secret", "rotate", "--add", "KEY"),
            USAGE,
        )
    with sops.revised(path) as copy:
        sops.rotate(copy, add or (), remove or (), environ)
        public = sops.recipients(_read(copy))
        if not set(remove or ()).isdisjoint(public) or not set(add or ()) <= set(public):
            raise HabariError(
                f"{path.name}: sops did not give it to those keys; it is as before.",
                "habari-local config secret list",
            )
    said = [f"{path} is encrypted with a new key.", *(f"for {each}" for each in public)]
    return Result({"file": str(path), "recipients": public}, said)


@app.command("list")
def list_(file: File = None, as_json: AsJson = False) -> Result:
    """List the secrets and who can decrypt them.

    No secret is shown.

    Example: habari-local config secret list
    """
    from habari_local.drivers import sops

    path = _path(file)
    data = _read(path)
    found = [".".join(place) for place in _places(data) if place[0] != sops.META]
    public = sops.recipients(data)
    said = [*found, *(f"for {each}" for each in public)]
    return Result({"secrets": found, "recipients": public}, said, as_json=as_json)


def _path(file: Path | None) -> Path:
    from habari_local.core.paths import find_checkout

    # sops works in the file's folder: a path from ours would be another file's there.
    return file.absolute() if file else find_checkout().root / NAME


def _read(path: Path) -> dict[str, Any]:
    from habari_local.drivers import sops
    from habari_local.helm_values.values import read

    if not path.exists():
        raise HabariError(
            f"{path.name}: not there yet; the first secret that is set creates it.",
            pasteable("habari-local", "config", "secret", "set", "--file", path, "PLACE"),
            USAGE,
        )
    data = read(path, path.name).data
    if not sops.is_encrypted(data):
        raise HabariError(
            f"{path.name}: not encrypted, expected a sops file.",
            pasteable("git", "log", "--", path),
            USAGE,
        )
    return data


def _environment() -> dict[str, str]:
    """Return the environment with sops in it: the machine's, or the one of our image."""
    from habari_local.config.load import environment, load
    from habari_local.core.paths import find_checkout
    from habari_local.images import bundled_binaries
    from habari_local.images.build import Images

    checkout, environ = find_checkout(), environment()
    images = Images(checkout, load(checkout.root).settings, environ)
    return bundled_binaries.environment_with("sops", images)


def _recipients(to: list[str] | None, path: Path, environ: dict[str, str]) -> list[str]:
    """Return for whom a new file is encrypted; none: sops finds them in its configuration."""
    from habari_local.config import age
    from habari_local.drivers import sops

    if to:
        return list(dict.fromkeys(to))
    return [] if sops.has_config(path.parent, environ) else [age.own(environ)[0]]


def _places(data: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(data, dict):
        for name, value in data.items():
            yield from _places(value, (*place, str(name)))
    elif place:
        yield place


def _pairs(option: str, words: list[str]) -> list[str]:
    return [each for word in words for each in (option, word)]


def _steps(place: str) -> list[str]:
    found = [first or second for first, second in STEP.findall(place)]
    if not found or any(set(step) & set("[]") for step in found) or found[0] == "sops":
        raise HabariError(
            f"Place {place!r}: names of maps were expected, as a.b.c, and not sops' own.",
            "habari-local config secret set --help",
            USAGE,
        )
    return found


def _asked(place: str) -> str:
    from habari_local.drivers import sops

    if sys.stdin.isatty():
        return str(typer.prompt(f"{place}", hide_input=True, err=True))
    try:
        text = sys.stdin.read(sops.LIMIT + 1)
    except UnicodeDecodeError:
        raise HabariError(
            f"{place}: not UTF-8 text on standard input.", "base64 FILE", USAGE
        ) from None
    if len(text) > sops.LIMIT:
        raise HabariError(
            f"{place}: over {sops.LIMIT // 1024} KiB, a file of values has at most that.",
            "kubectl create secret generic --help",
            USAGE,
        )
    secret = text.rstrip("\n")
    if not secret:
        raise HabariError(
            f"{place}: nothing on standard input, a secret was expected.",
            "habari-local config secret set --help",
            USAGE,
        )
    return secret


def _put(values: dict[str, Any], steps: list[str], secret: str) -> dict[str, Any]:
    """Return values with a secret at a place, where no map or list is, and no value above it."""
    first, *rest = steps
    there = values.get(first)
    if rest and there is not None and not isinstance(there, dict):
        seen = f"{first}: a value or list, names below it were expected."
    elif not rest and isinstance(there, dict | list):
        seen = f"{first}: a map or list, a value was expected; it is as before."
    else:
        return {**values, first: _put(there or {}, rest, secret) if rest else secret}
    raise HabariError(seen, "habari-local config secret list", USAGE)


def _require_encrypted(path: Path, steps: list[str]) -> None:
    """Refuse what the file's own rules leave in plain text.

    Raises:
        HabariError: the value at this place is not encrypted.
    """
    from habari_local.helm_values.values import at

    sealed = str(at(_read(path), tuple(steps), ""))
    if not sealed.startswith("ENC["):
        raise HabariError(
            f"{path.name}: its rules leave {'.'.join(steps)} in plain text; it is as before.",
            "habari-local config secret list",
            USAGE,
        )
