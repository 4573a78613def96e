"""`up` in an existing cluster: show what would change, ask, then apply it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from habari_local.commands.confirm import confirm
from habari_local.core.console import Result

if TYPE_CHECKING:
    from habari_local.platform.mode import Context, Mode


def again(verb: str, ctx: Context) -> str:
    """Return the command for a verb at the same cluster, namespace and tenant."""
    settings = ctx.settings
    if settings.tenant and verb in ("up", "down"):
        return f"habari-local tenant {verb} {settings.tenant} --context {settings.kube_context}"
    tenant = f"HABARI_TENANT={settings.tenant} " if settings.tenant else ""
    return (
        f"{tenant}habari-local {verb} --mode cluster --context {settings.kube_context}"
        f" --namespace {settings.kube_namespace}"
    )


def run_up(
    mode: Mode, ctx: Context, *, plan_only: bool, meant: str | None, keep: bool, as_json: bool
) -> Result:
    """Return the plan, or what came of it.

    Raises:
        HabariError: it is impossible, was not confirmed, or failed and was rolled back.
    """
    from habari_local import lifecycle
    from habari_local.platform.mode import RemoteMode

    assert isinstance(mode, RemoteMode)  # noqa: S101 (its caller asked)
    plan = mode.plan_up(ctx)
    if plan_only:
        return Result(dict(plan.data), plan.lines, as_json=as_json)

    def change() -> bool:
        confirm(plan, meant, again("up", ctx))
        return lifecycle.up(mode, ctx, keep=keep)

    def told() -> Iterator[str]:
        yield from plan.lines
        done = "is up" if change() else "was already up; nothing to do"
        yield f"\nHabari {done} in namespace {plan.place} of {ctx.settings.kube_context}.\n"
        yield f"  open      {mode.endpoints(ctx).hub_url}"
        yield f"\nTry next: {again('status', ctx)}"

    if not as_json:
        return Result(lines=told())
    changed = change()
    url = mode.endpoints(ctx).hub_url
    data = {"mode": mode.name, "url": url, "changed": changed, "plan": dict(plan.data)}
    return Result(data, as_json=True)
