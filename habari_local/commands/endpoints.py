"""`habari-local endpoints`: all that a test-suite needs to know of the platform, as JSON."""

from __future__ import annotations

from habari_local.commands.options import AsJson, ContextName, ModeName, Namespace, cluster
from habari_local.core.console import Result


def endpoints(
    mode: ModeName = None,
    context: ContextName = None,
    namespace: Namespace = None,
    as_json: AsJson = True,  # noqa: ARG001
) -> Result:
    """Print addresses, users and keys as JSON.

    This prints secrets: don't paste it anywhere.

    Example: habari-local endpoints > endpoints.json
    """
    from habari_local import active_mode

    chosen, ctx = active_mode.require_running(mode, cluster(mode, context, namespace))
    return Result(chosen.endpoints(ctx).as_json(), as_json=True)
