"""`habari-local bundle`: one archive for a bug report, without a secret in it."""

from __future__ import annotations

import io
import json
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from habari_local.commands.options import ModeName
from habari_local.core.console import Result
from habari_local.core.errors import HabariError

if TYPE_CHECKING:
    from habari_local.platform.mode import Context, Mode

LOG_LINES = 2000  # of each service


def bundle(
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="Default: in .habari/.")
    ] = None,
    mode: ModeName = None,
) -> Result:
    """Pack an archive for a bug report.

    Commit, versions, settings, states, logs and what `why` and `doctor` say; secrets are hidden.

    Example: habari-local bundle --to report.tar.gz
    """
    import os
    import tarfile

    from habari_local import active_mode
    from habari_local.core.redaction import Redaction

    chosen, ctx = active_mode.current(mode)
    path = to or ctx.checkout.state / f"bundle-{time.strftime('%Y%m%d-%H%M%S')}.tar.gz"
    clean = Redaction(known_secrets(ctx))
    names = []
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, text in _parts(chosen, ctx):
            data = clean(text).encode()
            entry = tarfile.TarInfo(f"habari-bundle/{name}")
            entry.size, entry.mtime, entry.mode = len(data), int(time.time()), 0o600
            archive.addfile(entry, io.BytesIO(data))
            names.append(name)
    look = f"tar -xzOf {shlex.quote(str(path))} | less"
    shown = [f"Packed {path}: {', '.join(names)}", f"Read it before you send it: {look}"]
    return Result({"path": str(path), "files": names}, shown)


def _parts(mode: Mode, ctx: Context) -> Iterator[tuple[str, str]]:
    """Yield each file's name and text; one that can't be had says why, and the rest comes."""
    from habari_local.commands.config import show
    from habari_local.commands.doctor import doctor
    from habari_local.commands.status import status
    from habari_local.commands.why import why

    yield "versions.json", _told(_versions)
    yield "source.json", _told(lambda: _source(ctx))
    yield "settings.json", _told(lambda: show().data)
    yield "doctor.json", _told(lambda: doctor(mode.name).data)
    yield "status.json", _told(lambda: status(mode.name).data)
    yield "why.json", _told(lambda: why(mode=mode.name).data)
    services = mode.services(ctx) if ctx.secrets else ()
    for name in services:
        yield f"logs/{name}.log", _told(partial(_log, mode, ctx, name))
    for user in _users(mode, ctx) if ctx.secrets else ():
        yield f"logs/server-{user}.log", _told(partial(_log, mode, ctx, user))


def _users(mode: Mode, ctx: Context) -> list[str]:
    """Return whose servers run; nobody's where that can't be had, as status.json tells."""
    with suppress(Exception):
        return [row.user for row in mode.status(ctx) if row.user]
    return []


def _log(mode: Mode, ctx: Context, service: str) -> str:
    return "\n".join(mode.logs(ctx, [service], follow=False, lines=LOG_LINES)) + "\n"


def _told(read: Callable[[], Any]) -> str:
    try:
        found = read()
    except HabariError as error:
        return "\n".join([error.message, *error.details, f"Try: {error.hint}"]) + "\n"
    except Exception as error:  # noqa: BLE001 (half a bundle is better than none)
        return f"{type(error).__name__}: {error}\n"
    return found if isinstance(found, str) else json.dumps(found, indent=1, default=str) + "\n"


def _versions() -> dict[str, str]:
    import platform
    from importlib.metadata import distributions

    packages = {each.metadata["Name"]: each.version for each in distributions()}
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        **dict(sorted(packages.items())),
    }


def _source(ctx: Context) -> dict[str, Any]:
    """Return which code this is: the commit, and the digest of each lock as it is here."""
    from hashlib import sha256

    from habari_local.drivers import git

    root = ctx.checkout.root
    patterns = ("uv.lock", "*/requirements*.txt", "images/*/requirements*.txt")
    found = sorted({each for pattern in patterns for each in root.glob(pattern)})
    found += sorted(root.glob("images/*/package-lock.json"))
    digests = {str(e.relative_to(root)): sha256(e.read_bytes()).hexdigest() for e in found}
    return {"commit": git.commit(root, ctx.environ) or "not a git clone", "locks": digests}


def known_secrets(ctx: Context) -> list[str]:
    """Return all that must not leave: what we made, and what the settings were given."""
    from habari_local.config.load import load
    from habari_local.config.secrets import secret_values
    from habari_local.core.errors import ConfigError

    settings = [ctx.settings]
    with suppress(ConfigError):
        settings.append(load(ctx.checkout.root).settings)
    return [
        *ctx.secrets.values(),
        *(value for each in settings for value in secret_values(each, ctx.environ)),
    ]
