"""`habari-local status`: how each service is."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from habari_local.commands.options import AsJson, ContextName, ModeName, Namespace, again, cluster
from habari_local.core.console import Result, Table, human_size
from habari_local.core.errors import NOT_READY, NotRunning

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from habari_local.platform.mode import Context, Mode, ServiceStatus


def status(
    mode: ModeName = None,
    context: ContextName = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> Result:
    """Show each service and how it is.

    Its address and process, since when it runs, its memory; exit 0 if all answer.

    Example: habari-local status --json
    """
    from habari_local import active_mode

    chosen, ctx = active_mode.current(mode, cluster(mode, context, namespace))
    rows = active_mode.without_notes(ctx, chosen.name) or chosen.status(ctx)
    good = bool(rows) and all(row.good for row in rows)
    data = {
        "checkout": str(ctx.checkout.root),
        "mode": chosen.name,
        "good": good,
        "services": [
            {**asdict(row), "since": _iso(row.since), "memory_bytes": row.memory} for row in rows
        ],
    }
    table = Table(
        ["service", "state", "address", "pid", "up for", "memory"],
        [
            (
                row.title,
                row.in_words,
                row.address,
                str(row.pid or ""),
                _duration(row.since),
                human_size(row.memory),
            )
            for row in rows
        ],
    )
    lines: list[str | Table] = [f"Mode {chosen.name} of {ctx.checkout.root}", table] if rows else []
    if not good:
        lines.append(f"{trouble(rows, ctx.checkout.root)} Try: {_up(chosen, ctx, mode)}")
    return Result(data, lines, 0 if good else NOT_READY, as_json=as_json)


def trouble(rows: Sequence[ServiceStatus], root: Path) -> str:
    """Return what is wrong with a checkout's services, of which one or more are not good."""
    from habari_local.active_mode import NOTELESS

    if any(row.state == NOTELESS for row in rows):
        return "Habari is up, but .habari with its keys was deleted."
    if any(row.good for row in rows):
        return "Some services don't answer."
    if any(row.state != "stopped" for row in rows):
        return "No service answers, though some run."
    return f"Habari is down ({root})."


def _up(chosen: Mode, ctx: Context, named: str | None) -> str:
    """The command that brings just this one up."""
    from habari_local.platform.mode import RemoteMode

    if isinstance(chosen, RemoteMode):
        return again("up", ctx)
    return NotRunning(mode=named).hint


def _iso(since: float | None) -> str | None:
    return datetime.fromtimestamp(since, UTC).isoformat() if since else None


def _duration(since: float | None) -> str:
    if since is None:
        return ""
    seconds = int(max(0.0, time.time() - since))
    hours, minutes = seconds // 3600, seconds // 60 % 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"
