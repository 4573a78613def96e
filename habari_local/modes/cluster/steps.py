"""The steps of mode cluster: values that break no rule, the release, its pods; and the way back."""

from __future__ import annotations

import re
from contextlib import nullcontext

from habari_local.core.errors import USAGE, ConfigError, HabariError, pasteable
from habari_local.drivers.kubernetes.objects import Objects
from habari_local.helm_values import behavior
from habari_local.helm_values import upgrade_plan as plans
from habari_local.helm_values.chart import open_chart
from habari_local.helm_values.evaluate import NotEvaluated, evaluator_of
from habari_local.helm_values.rules import RULES
from habari_local.helm_values.tree_diff import objects
from habari_local.helm_values.validate import validate
from habari_local.modes.cluster import required_secrets, values_files
from habari_local.modes.cluster.platform import ClusterPlatform
from habari_local.platform.helm import steps as helm_steps
from habari_local.platform.mode import UNCHANGED, Context, Progress, Step

SECRET_MISSING = re.compile(r'secret "[^"]+" not found')
SECONDS = 600.0  # in which nothing changes: a node may have to be added first


def allowed_values(platform: ClusterPlatform, *, evaluate: bool = True) -> str:
    """Refuse values that break a rule which is not waived; return why they were not evaluated.

    Where it is not asked for, the rules that need no rendering remain: `up` evaluates once.

    Raises:
        HabariError: everything that is wrong with them, at once.
    """
    waived, root = platform.ctx.settings.waived_rules, platform.ctx.checkout.root
    rules = RULES.keys() | behavior.RULES.keys()
    unknown = [name for name in waived if name not in rules]
    if unknown:
        known = ", ".join(sorted(rules))
        raise ConfigError([f"HABARI_WAIVED_RULES={each}: expected of {known}" for each in unknown])
    chart, evaluator, reason = open_chart(platform.chart), None, ""
    try:
        evaluator = evaluator_of(chart, platform.environ) if evaluate else None
    except NotEvaluated as error:
        reason = error.message.rstrip(".")
    with evaluator or nullcontext(), values_files.closed(platform) as files:
        found = [
            each
            for each in validate(files, root, chart, root, evaluator)
            if not each.warning and each.rule not in waived
        ]
    if found:
        count = f"{len(found)} problem{'s' if len(found) != 1 else ''}"
        raise HabariError(
            f"Values {files[0].name}: {count} found.",
            _check_command(platform),
            USAGE,
            [f"- {each}" for each in found],
        )
    return reason


def _check_command(platform: ClusterPlatform) -> str:
    """Return the command that checks the files of this deployment."""
    if platform.tenant is None:
        return "habari-local config check"
    shared, own = (
        each.relative_to(platform.ctx.checkout.root) for each in platform.tenant.files()[:2]
    )
    return pasteable("habari-local", "config", "check", "--base", shared, own)


def outcome(platform: ClusterPlatform) -> plans.UpgradePlan:
    """Return what an upgrade would do."""
    release = platform.release
    now = release.status()
    before = release.manifest() if now else ""
    with values_files.opened(platform) as files:
        after = release.preview(platform.chart, files, pending=bool(now and now.pending))
    if platform.tenant:
        after = f"{after}\n---\n{platform.tenant.guards()}"
    return plans.plan_upgrade(before, after, Objects(platform.cluster, release.namespace))


def values(platform: ClusterPlatform) -> Step:
    """Return the step that checks the values once more."""

    def action(_ctx: Context, say: Progress) -> str:
        say("checking the values")
        allowed_values(platform, evaluate=False)
        return UNCHANGED

    return Step("values", "chart and values", action)


def guards(platform: ClusterPlatform, after: tuple[str, ...]) -> Step:
    """Return the step that gives a tenant's namespace its quota, limits and network policy."""

    def action(_ctx: Context, say: Progress) -> str:
        tenant, namespace = platform.tenant, platform.namespace
        if tenant is None:
            return UNCHANGED
        say("comparing with the cluster")
        target = Objects(platform.cluster, namespace)
        if not plans.plan_upgrade("", tenant.guards(), target).anything:
            return UNCHANGED
        platform.cluster.keep_namespace(namespace, {"dev.habari.tenant": tenant.name})
        for manifest in objects(tenant.guards()).values():
            target.apply(manifest)
        return f"namespace {namespace} guarded"

    return Step("guards", "quota, limits, network policy", action, after)


def release(platform: ClusterPlatform, after: tuple[str, ...]) -> Step:
    """Return the step that has the release follow chart and values, and rolls back on undo."""
    began: list[int] = []  # the good revision before, 0 of none; empty: nothing was changed

    def action(ctx: Context, say: Progress) -> str:
        say("comparing with the cluster")
        release = platform.release
        newest = release.status()
        if newest and newest.pending:
            say(release.recover(cancel=ctx.cancel))
            newest = release.status()
        if newest and newest.status == "deployed" and not outcome(platform).anything:
            return UNCHANGED
        good = [each.number for each in release.history() if each.good]
        began.append(good[-1] if good else 0)
        say("helm upgrade --install")
        with values_files.opened(platform) as files:
            deployment = helm_steps.Deployment(platform.cluster, release, platform.chart, files)
            hint = pasteable(
                *("kubectl", "--context", release.context, "--namespace", release.namespace),
                *("get", "events", "--sort-by=.lastTimestamp"),
            )
            helm_steps.upgrade(deployment, ctx, say, seconds=SECONDS, growing=True, hint=hint)
        return f"upgraded from revision {began[0]}" if began[0] else "installed"

    def undo(_ctx: Context) -> str | None:
        if not began:
            return None
        release = platform.release
        if began[0]:
            return helm_steps.roll_back(release, began[0])[0]
        uninstall(platform)
        return f"Release {release.name}: is new, removed again."

    return Step("release", "release", action, after, undo)


def uninstall(platform: ClusterPlatform) -> bool:
    """Remove the release with what its hooks made; return if there was one.

    Helm leaves the objects of a hook that failed: the pods of a puller would go on for ever.

    Raises:
        CommandFailed: helm was refused or not answered.
        ApiError: the cluster refused to delete an object.
    """
    release = platform.release
    made_by_hooks = objects(release.hooks())
    gone = release.uninstall(cancel=platform.ctx.cancel)
    target = Objects(platform.cluster, release.namespace)
    for manifest in made_by_hooks.values():
        target.delete(manifest)
    return gone


def rollout(platform: ClusterPlatform, name: str, title: str, after: tuple[str, ...]) -> Step:
    """Return the step that waits until a component runs in its newest form."""

    def hint(message: str) -> str:
        """Return what to do about a pod that could not come up, and is gone by then."""
        if SECRET_MISSING.search(message):
            return required_secrets.hint(platform)
        settings, to = platform.ctx.settings, f"--context {platform.ctx.settings.kube_context}"
        if settings.tenant:
            return f"habari-local tenant diff {settings.tenant} {to}"
        where = platform.namespace
        return f"habari-local up --mode cluster {to} --namespace {where} --no-rollback"

    part = helm_steps.Component(name, name, title)
    return helm_steps.rollout(platform, part, after, seconds=SECONDS, growing=True, hint=hint)
