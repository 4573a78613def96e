"""`habari-local restart`: a service, or a user's server, stopped and started again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from habari_local.commands.options import AsJson, ModeName, TargetName, resolve
from habari_local.core.console import Result
from habari_local.core.errors import USAGE, HabariError

if TYPE_CHECKING:
    from habari_local.drivers.jupyterhub import HubClient
    from habari_local.platform.mode import Endpoints

STOP_SECONDS = 60.0  # for a user's server to end


def restart(name: TargetName, mode: ModeName = None, as_json: AsJson = False) -> Result:
    """Restart a service, or a user's server.

    A user's kernels end with the server; what is saved stays. Nothing else is touched.

    Example: habari-local restart hub
    """
    from habari_local import active_mode, lifecycle
    from habari_local.core.checkout import checkout_lock
    from habari_local.core.console import unseen
    from habari_local.platform.mode import SupportsRestart

    chosen, ctx = active_mode.require_running(mode)
    if not isinstance(chosen, SupportsRestart):
        raise HabariError(
            f"Mode {chosen.name}: use kubectl to restart something in an existing cluster.",
            "kubectl rollout restart deployment/hub --context CONTEXT --namespace NAMESPACE",
            USAGE,
        )
    (target,) = resolve(chosen, ctx, [name], "habari-local restart {name}")
    where = chosen.endpoints(ctx)
    if target.user and where.hub:
        _server(where, target.user)
    else:
        with checkout_lock(ctx.checkout.state, "restart"):
            chosen.restart(ctx, target.service or "notebook")
        lifecycle.up(chosen, ctx, keep=True, show=unseen)
        if target.service == "proxy":
            with _hub(where) as hub:
                hub.check_routes()
    data = {"service": target.service, "user": target.user}
    return Result(data, [f"Restarted: {target.title}."], as_json=as_json)


def _hub(where: Endpoints) -> HubClient:
    from habari_local.drivers.jupyterhub import HubClient

    return HubClient(where.hub_url, where.hub_api_token)


def _server(where: Endpoints, user: str) -> None:
    """Have the hub stop a user's server and start it."""
    from habari_local.core import polling

    with _hub(where) as hub:
        hub.ensure(user)
        hub.stop(user)
        polling.wait_until(
            lambda: not hub.runs(user),
            f"Server of {user}",
            seconds=STOP_SECONDS,
            hint=f"habari-local why {user}",
        )
        hub.start(user)
