"""The secrets that the platform needs and nobody chose: made once, kept in one private file."""

from __future__ import annotations

import json
import os
import secrets as random
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import SecretStr

from habari_local.config.settings import Settings
from habari_local.core.errors import HabariError, pasteable

# Name → bytes of randomness; each is written in hexadecimal digits.
MADE = {
    "cookie_secret": 32,
    "crypt_key": 32,
    "proxy_token": 32,
    "hub_api_token": 32,
    "github_client_id": 10,
    "github_client_secret": 20,
    "github_control_token": 20,
    "s3_root_access_key_id": 10,
    "s3_root_secret_access_key": 20,
    "database_password": 20,
    "notebook_token": 24,
}


class Secrets(dict[str, str]):
    """Secrets by name; printing it shows the names alone."""

    def __repr__(self) -> str:
        return f"Secrets({', '.join(sorted(self))})"


def load_secrets(folder: Path) -> Secrets:
    """Load the secrets kept in `folder`, making those that are not there yet.

    Raises:
        HabariError: the file is there and can't be read as what it is; it is never overwritten.
    """
    path = folder / "secrets.json"
    kept = Secrets()
    if path.is_file():
        try:
            kept.update(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, OSError) as error:
            raise HabariError(
                f"{path}: not readable as JSON ({error}), the platform's secrets were expected.",
                f"{pasteable('mv', path, f'{path}.broken')} && habari-local up",
            ) from error
    missing = {name: random.token_hex(size) for name, size in MADE.items() if name not in kept}
    if missing:
        kept.update(missing)
        write_private(path, json.dumps(kept, indent=1) + "\n")
    return kept


def secret_values(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """Return what the settings were given that must not be shown, with keys' identities."""
    given = [v.get_secret_value() for v in dict(settings).values() if isinstance(v, SecretStr)]
    named = [each.partition("=")[2] for each in settings.values_from]
    identities = [settings.s3_access_key_id, settings.github_client_id]
    return [*given, *identities, *(environ[each] for each in named if each in environ)]


def keep(folder: Path, new: Mapping[str, str]) -> Secrets:
    """Add `new` to the secrets kept in `folder`; return them all."""
    kept = load_secrets(folder)
    if any(kept.get(name) != value for name, value in new.items()):
        kept.update(new)
        write_private(folder / "secrets.json", json.dumps(kept, indent=1) + "\n")
    return kept


def forget(folder: Path, names: Iterable[str]) -> None:
    """Drop secrets that stood for data that is gone."""
    path = folder / "secrets.json"
    if path.is_file():
        kept = load_secrets(folder)
        left = {name: value for name, value in kept.items() if name not in set(names)}
        write_private(path, json.dumps(left, indent=1) + "\n")


def write_changed(path: Path, text: str) -> bool:
    """Write a private file unless it holds that text already; return whether it did."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    write_private(path, text)
    return True


def write_private(path: Path, text: str) -> None:
    """Write `text` so that a reader sees the old or the new whole file, and only its owner."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
