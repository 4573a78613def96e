"""Which mode is active in a checkout, and the context that a command works in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from habari_local import modes
from habari_local.config.load import as_environment, environment, load
from habari_local.config.secrets import Secrets, load_secrets, write_private
from habari_local.config.settings import Settings, fields_by_variable
from habari_local.errors import ConfigError, NotRunning
from habari_local.modes.base import Context, Elsewhere, Mode
from habari_local.paths import Checkout, find_checkout

SNAPSHOT = "settings.json"


def snapshot(checkout: Checkout, mode: str) -> Path:
    """Return the file with the settings that `up` last used; it is there while a mode is active."""
    return checkout.root / ".habari" / mode / SNAPSHOT


def remember(ctx: Context, mode: str) -> None:
    """Write down the settings that a mode comes up with (private: it may hold a user's keys)."""
    values = as_environment(ctx.settings)
    ctx.checkout.of_mode(mode)
    write_private(snapshot(ctx.checkout, mode), json.dumps(values, indent=1) + "\n")


def forget(checkout: Checkout, mode: str) -> None:
    """Say that a mode is not active any more."""
    snapshot(checkout, mode).unlink(missing_ok=True)


def active_mode(checkout: Checkout) -> str | None:
    """Return the mode that was brought up last and not taken down."""
    return next((name for name in modes.names() if snapshot(checkout, name).is_file()), None)


def fresh(mode: str | None, flags: Mapping[str, str], *, wait: bool = True) -> tuple[Mode, Context]:
    """Return the wanted mode and a context of the settings as they are now: what `up` works with.

    Raises:
        ConfigError: the settings can't be used.
    """
    checkout = find_checkout()
    settings = load(checkout.root, flags).settings
    chosen = mode or active_mode(checkout) or settings.mode
    if chosen not in modes.names():
        raise ConfigError([f"HABARI_MODE={chosen}: expected one of {', '.join(modes.names())}"])
    secrets = load_secrets(checkout.state)
    found = modes.get(chosen)
    return found, Context(checkout, _settled(settings, found), secrets, environment(), wait=wait)


def current(
    mode: str | None = None, flags: Mapping[str, str] | None = None
) -> tuple[Mode, Context]:
    """Return the active mode and a context of the settings that it came up with.

    While nothing is active the settings as they are now serve, and the defaults where those can't
    be used: `status` and `down` must work then too. `flags` name what is not remembered.

    Raises:
        ConfigError: there are flags, and the settings can't be used.
    """
    checkout = find_checkout()
    chosen = mode or active_mode(checkout)
    kept = snapshot(checkout, chosen) if chosen else None
    if kept and kept.is_file():
        settings = _restore(json.loads(kept.read_text(encoding="utf-8")))
    else:
        try:
            settings = load(checkout.root, flags).settings
        except ConfigError:
            if flags:
                raise
            settings = Settings()
    state = checkout.root / ".habari"
    secrets = load_secrets(state) if (state / "secrets.json").is_file() else Secrets()
    found = modes.get(chosen or settings.mode)
    return found, Context(checkout, _settled(settings, found), secrets, environment())


def running(
    mode: str | None = None, flags: Mapping[str, str] | None = None
) -> tuple[Mode, Context]:
    """Return what `current` does, of a mode that is up, or elsewhere: that is for others to know.

    Raises:
        NotRunning: it is not.
    """
    found, ctx = current(mode, flags)
    if not isinstance(found, Elsewhere) and active_mode(ctx.checkout) != found.name:
        raise NotRunning(mode=mode)
    return found, ctx


def _settled(settings: Settings, mode: Mode) -> Settings:
    """Return the settings with what the mode decides where they leave it open."""
    if settings.s3_backend != "auto":
        return settings
    return settings.model_copy(update={"s3_backend": mode.s3_backend})


def _restore(values: Mapping[str, str]) -> Settings:
    known = fields_by_variable()
    aliases = {name: Settings.model_fields[field].alias or field for name, field in known.items()}
    return Settings.model_validate({aliases[n]: v for n, v in values.items() if n in aliases})
