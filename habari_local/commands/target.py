"""What SERVICE|USER on the command line names: a service of the mode, or a user's server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from habari_local.commands import completion
from habari_local.core.errors import USAGE, HabariError, NotRunning, nearest

if TYPE_CHECKING:
    from habari_local.platform.mode import Context, Mode

TargetName = Annotated[
    str, typer.Argument(metavar="SERVICE|USER", autocompletion=completion.services_and_users)
]


@dataclass(frozen=True)
class Target:
    """A service, or the server of a user; the other is empty."""

    service: str = ""
    user: str = ""

    @property
    def title(self) -> str:
        """What people call it."""
        return self.service or f"server of {self.user}"


def resolve(mode: Mode, ctx: Context, names: Sequence[str], again: str) -> list[Target]:
    """Return what the names name; a service comes before a user of the same name.

    Args:
        mode: the mode that is looked at.
        ctx: its context.
        names: as they were typed.
        again: the command with {name} where the name stands, for what to try.

    Raises:
        NotRunning: the platform never was up.
        HabariError: one is neither; the nearest is named.
    """
    if not ctx.secrets:
        raise NotRunning(mode=mode.name)
    services = mode.services(ctx)
    users = [*ctx.settings.admin_users, *ctx.settings.allowed_users]
    found = []
    for name in names:
        if name in services:
            found.append(Target(service=name))
            continue
        if name.lower() not in users:  # of an organisation, say: whose server runs
            users += [row.user for row in mode.status(ctx) if row.user]
        if name.lower() not in users:
            raise _unknown(name, services, users, again)
        found.append(Target(user=name.lower()))
    return found


def _unknown(name: str, services: Sequence[str], users: Sequence[str], again: str) -> HabariError:
    near = nearest(name, [*services, *users])
    expected = f"did you mean {near}?" if near else f"there are {', '.join([*services, *users])}."
    return HabariError(
        f"{name}: neither a service nor a user; {expected}",
        again.format(name=near or services[0]),
        USAGE,
    )
