"""What the shell completes beside verbs and options: modes, settings, services and users.

Each gives an empty list where it can't know: a completion that fails would write into the line
that somebody is typing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from habari_local.platform.mode import Context, Mode


def _quiet(names: Callable[[], list[str]]) -> Callable[[str], list[str]]:
    """Return those names that begin with what was typed, none where they can't be had."""

    def complete(incomplete: str) -> list[str]:
        try:
            found = names()
        except Exception:  # noqa: BLE001 (somebody is typing)
            return []
        return [name for name in found if name.startswith(incomplete)]

    return complete


@_quiet
def mode_names() -> list[str]:
    """Name the modes."""
    from habari_local import modes

    return list(modes.names())


@_quiet
def setting_names() -> list[str]:
    """Name the settings."""
    from habari_local.config.settings import fields_by_variable

    return list(fields_by_variable())


@_quiet
def users() -> list[str]:
    """Name the accounts that the settings let in."""
    return _users(_current()[1])


@_quiet
def services_and_users() -> list[str]:
    """Name the services of the mode that is up, then the accounts that the settings let in."""
    mode, ctx = _current()
    return [*(mode.services(ctx) if ctx.secrets else ()), *_users(ctx)]


@_quiet
def snapshots() -> list[str]:
    """Name the snapshots of the checkout."""
    from habari_local.backup.snapshots import names
    from habari_local.core.paths import find_checkout

    return names(find_checkout())


def _current() -> tuple[Mode, Context]:
    from habari_local import active_mode

    return active_mode.current()


def _users(ctx: Context) -> list[str]:
    return [*ctx.settings.admin_users, *ctx.settings.allowed_users]
