"""`habari-local reset`: a user as on the first day: without home, server and row in the hub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from habari_local.commands import completion
from habari_local.commands.options import AsJson, ModeName, Yes, confirm_deletion
from habari_local.core.console import Result
from habari_local.core.errors import USAGE, HabariError

if TYPE_CHECKING:
    from habari_local.drivers.jupyterhub import HubClient
    from habari_local.platform.mode import Home

STOP_SECONDS = 60.0  # for a user's server to end

User = Annotated[str, typer.Argument(metavar="USER", autocompletion=completion.services_and_users)]


def reset(user: User, mode: ModeName = None, yes: Yes = False, as_json: AsJson = False) -> Result:
    """Delete a user's home, server and hub row.

    They are then as on their first day. What they saved in lake/ and notebooks/ stays, as those are
    everybody's.

    Example: habari-local reset ada --yes
    """
    from habari_local import active_mode
    from habari_local.core.checkout import checkout_lock
    from habari_local.drivers.jupyterhub import HubClient
    from habari_local.platform.mode import SupportsReset

    chosen, ctx = active_mode.require_running(mode)
    if not isinstance(chosen, SupportsReset):
        raise HabariError(
            f"Mode {chosen.name}: no users of its own to reset.", "habari-local down --help", USAGE
        )
    name, where = user.lower(), chosen.endpoints(ctx)
    with HubClient(where.hub_url, where.hub_api_token) as hub:
        homes = [each for each in chosen.homes(ctx) if each.owner == name]
        known = hub.user(name)
        things = _things(name, homes, known)
        confirm_deletion(things, ctx.checkout.root, yes=yes, again=f"habari-local reset {name}")
        with checkout_lock(ctx.checkout.state, f"reset {name}"):
            if known is not None:
                _remove(hub, name)
            for each in homes:
                chosen.delete_home(ctx, each)
    said = f"Deleted: {', '.join(things)}." if things else f"{name}: nothing here to delete."
    return Result({"user": name, "deleted": things}, [said], as_json=as_json)


def _things(name: str, homes: list[Home], known: dict[str, object] | None) -> list[str]:
    """Return what is lost, in words."""
    found = [f"the home of {name}, with every file in it that is not in S3" for _ in homes]
    if known is not None:
        running = ["the running server, with its kernels"] if known.get("servers") else []
        found += [*running, f"{name}'s row in the hub, with sessions and tokens"]
    return found


def _remove(hub: HubClient, name: str) -> None:
    """Have the hub end a user's server, and forget the user."""
    from habari_local.core import polling

    hub.stop(name)
    polling.wait_until(
        lambda: not (hub.user(name) or {}).get("servers"),
        f"Server of {name}",
        seconds=STOP_SECONDS,
        hint=f"habari-local why {name}",
    )
    hub.delete(name)
