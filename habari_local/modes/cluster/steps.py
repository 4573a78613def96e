"""The steps of mode cluster: values that may go out, the release, its pods; and the way back."""

from __future__ import annotations

import re
from collections.abc import Callable

from habari_local.core import polling
from habari_local.core.errors import USAGE, ConfigError, HabariError, NotReady
from habari_local.drivers.kubernetes.objects import Objects
from habari_local.drivers.kubernetes.readiness import PodWatch, Readiness
from habari_local.helm_values import upgrade_plan as plans
from habari_local.helm_values.chart import open_chart
from habari_local.helm_values.rules import RULES
from habari_local.helm_values.tree_diff import objects
from habari_local.helm_values.validate import validate
from habari_local.modes.cluster import handles, required_secrets, values_files
from habari_local.platform.mode import UNCHANGED, Context, Progress, Step

SECRET_MISSING = re.compile(r'secret "[^"]+" not found')
SECONDS = 600.0  # how long pods may take: a node may have to be added first


def allowed_values(ctx: Context) -> None:
    """Refuse values that break a rule which is not waived.

    Raises:
        HabariError: everything that is wrong with them, at once.
    """
    unknown = [name for name in ctx.settings.waived_rules if name not in RULES]
    if unknown:
        known = ", ".join(RULES)
        raise ConfigError([f"HABARI_WAIVED_RULES={each}: expected of {known}" for each in unknown])
    chart, root = open_chart(handles.chart(ctx)), ctx.checkout.root
    with values_files.closed(ctx) as files:
        found = [
            each
            for each in validate(files, root, chart, root)
            if not each.warning and each.rule not in ctx.settings.waived_rules
        ]
    if found:
        count = f"{len(found)} problem{'s' if len(found) != 1 else ''}"
        raise HabariError(
            f"Values {files[0].name}: {count} found.",
            "habari-local config check",
            USAGE,
            [f"- {each}" for each in found],
        )


def outcome(ctx: Context) -> plans.UpgradePlan:
    """Return what an upgrade would do."""
    release = handles.release(ctx)
    before = release.manifest() if release.status() else ""
    with values_files.opened(ctx) as files:
        after = release.preview(handles.chart(ctx), files)
    tenant = handles.tenant(ctx)
    if tenant:
        after = f"{after}\n---\n{tenant.guards()}"
    return plans.plan_upgrade(before, after, Objects(handles.cluster(ctx), release.namespace))


def values() -> Step:
    """Return the step that looks at the values once more."""

    def action(ctx: Context, say: Progress) -> str:
        say("checking the values")
        allowed_values(ctx)
        return UNCHANGED

    return Step("values", "chart and values", action)


def guards(after: tuple[str, ...]) -> Step:
    """Return the step that gives a tenant's namespace its quota, limits and network policy."""

    def action(ctx: Context, say: Progress) -> str:
        tenant, cluster, namespace = (
            handles.tenant(ctx),
            handles.cluster(ctx),
            handles.namespace(ctx),
        )
        if tenant is None:
            return UNCHANGED
        say("comparing with the cluster")
        target = Objects(cluster, namespace)
        if not plans.plan_upgrade("", tenant.guards(), target).anything:
            return UNCHANGED
        cluster.keep_namespace(namespace, {"dev.habari.tenant": tenant.name})
        for manifest in objects(tenant.guards()).values():
            target.apply(manifest)
        return f"namespace {namespace} guarded"

    return Step("guards", "quota, limits, network policy", action, after)


def release(after: tuple[str, ...]) -> Step:
    """Return the step that has the release follow chart and values, and goes back if told to."""
    began: list[int] = []  # the good revision before, 0 of none; empty: nothing was changed

    def action(ctx: Context, say: Progress) -> str:
        say("comparing with the cluster")
        if not outcome(ctx).anything and _good(ctx):
            return UNCHANGED
        release = handles.release(ctx)
        good = [each.number for each in release.history() if each.good]
        began.append(good[-1] if good else 0)
        say("helm upgrade --install")
        with values_files.opened(ctx) as files:
            release.upgrade(handles.chart(ctx), files, on_line=say, cancel=ctx.cancel)
        return f"upgraded from revision {began[0]}" if began[0] else "installed"

    def undo(ctx: Context) -> str | None:
        if not began:
            return None
        release = handles.release(ctx)
        if began[0]:
            release.rollback(began[0])
            return f"Release {release.name}: rolled back to revision {began[0]}."
        release.uninstall()
        return f"Release {release.name}: is new, removed again."

    return Step("release", "release", action, after, undo)


def _good(ctx: Context) -> bool:
    newest = handles.release(ctx).status()
    return newest is not None and newest.status == "deployed"


def rollout(
    name: str, title: str, watch: Callable[[Context], PodWatch], after: tuple[str, ...]
) -> Step:
    """Return the step that waits until a component runs in its newest form.

    It ends as soon as its pod can't come up any more, with the pod's events and last lines.
    """

    def action(ctx: Context, say: Progress) -> str:
        cluster, namespace = handles.cluster(ctx), handles.namespace(ctx)
        arrival = Readiness(cluster, namespace, name, name, growing=True)
        if arrival.complete():
            return UNCHANGED
        if not ctx.wait:
            return "not waited for"
        following = watch(ctx)
        try:
            polling.wait_until(
                arrival.complete,
                title,
                seconds=SECONDS,
                failed=lambda: arrival.failed(following),
                log=lambda: arrival.evidence(following),
                tick=lambda: say(arrival.says(following)),
                cancel=ctx.cancel,
            )
        except NotReady as error:
            error.hint = _hint(ctx, error.message)
            raise
        return "runs"

    return Step(name, title, action, after)


def _hint(ctx: Context, told: str) -> str:
    """What to do about a pod that could not come up, and is gone by then."""
    if SECRET_MISSING.search(told):
        return required_secrets.hint(ctx)
    to = f"--context {ctx.settings.kube_context}"
    if ctx.settings.tenant:
        return f"habari-local tenant diff {ctx.settings.tenant} {to}"
    return f"habari-local up --mode cluster {to} --namespace {handles.namespace(ctx)} --no-rollback"
