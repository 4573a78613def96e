"""Mode cluster: one release of the chart in a cluster that is there already, as on GKE."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from habari_local.core.errors import USAGE, HabariError, NotRunning
from habari_local.diagnosis.requirements import PYTHON, SOPS, TOOLS, Finding, Requirement
from habari_local.drivers import log_files
from habari_local.drivers.kubernetes import kubeconfig
from habari_local.drivers.kubernetes.hooks import Hooks
from habari_local.helm_values import upgrade_plan as plans
from habari_local.modes.cluster import required_secrets, steps
from habari_local.modes.cluster.platform import NAME, ClusterPlatform, allowed_users, public_url
from habari_local.platform.helm import pod_status
from habari_local.platform.helm.backup import HelmBackup
from habari_local.platform.mode import (
    Address,
    Context,
    DownResult,
    Endpoints,
    Plan,
    S3Endpoint,
    ServiceStatus,
    Step,
)
from habari_local.s3.s3_client import S3Target

SERVICES: Mapping[str, str] = {"proxy": "/_chp_healthz", "hub": "/hub/health"}
AT_WORK = 900.0  # seconds after which a pending release is one whose helm was killed
# Whom the suite works as: it makes them at the hub, and deletes them.
THROW_AWAY = {"admin": ["habari-e2e-0"], "allowed": ["habari-e2e-1", "habari-e2e-2"], "denied": []}
DATABASE = "the hub's database (users' list, sessions, tokens)"


def _context(env: Mapping[str, str]) -> Finding:
    named = env.get("HABARI_KUBE_CONTEXT", "")
    return Finding(named or "none named", good=bool(named), state="not named")


def _name_one(env: Mapping[str, str]) -> str:
    """Return the command that names a context: the kubeconfig's first, if there is one at all."""
    with suppress(HabariError):
        for name in kubeconfig.contexts(env):
            return f"habari-local config set HABARI_KUBE_CONTEXT {name}"
    return "gcloud container clusters get-credentials CLUSTER"


CONTEXT = Requirement("context", "one by name", _name_one, _context)


class ClusterMode(HelmBackup):
    """The chart in a namespace of a cluster that others made, and use."""

    name = NAME
    summary = "an existing cluster, by a context of your kubeconfig: the real deployment"
    s3_backend = "aws"
    notes: Sequence[str] = ()

    def platform(self, ctx: Context) -> ClusterPlatform:
        """Return what is deployed."""
        return ClusterPlatform(ctx)

    def requirements(self) -> Sequence[Requirement]:
        """Return what must be on the machine."""
        return (PYTHON, *(each for each in TOOLS if each.name == "helm"), SOPS, CONTEXT)

    def services(self, ctx: Context) -> Sequence[str]:  # noqa: ARG002 (the chart's, always)
        """Return the names that `logs` takes."""
        return list(SERVICES)

    def check(self, ctx: Context) -> None:
        """Refuse what can't succeed: what `plan_up` refuses, and secrets that are not there."""
        platform = ClusterPlatform(ctx)
        self._check(platform)
        required_secrets.require_secrets(platform)

    def _check(self, platform: ClusterPlatform) -> str:
        """Refuse what can't succeed: no such context, no answer, a namespace of somebody else's.

        Returns why the values were not evaluated; "" where they were.
        """
        release = platform.release
        others = release.others()
        if others:
            raise HabariError(
                f"Namespace {release.namespace}: used by {', '.join(others)}, not by our"
                f" release {release.name}.",
                f"helm list --kube-context {release.context} --namespace {release.namespace}",
            )
        self._check_pending(platform)
        return steps.allowed_values(platform)

    def _check_pending(self, platform: ClusterPlatform) -> None:
        """Refuse a release on which another helm may be at work."""
        release = platform.release
        now = release.status()
        if now and now.pending:
            seconds = time.time() - now.updated
            pulls = Hooks(platform.cluster, release.namespace, every=True).pulling
            if seconds < AT_WORK or pulls():
                raise HabariError(
                    f"Release {now.number}: {now.status} since {seconds:.0f} s, another helm is"
                    " working on it or was killed.",
                    f"helm history {release.name} --kube-context {release.context} --namespace"
                    f" {release.namespace}",
                )

    def check_release(self, ctx: Context) -> None:
        """Refuse a release that is not there, or not whole: `config.yaml` is not looked at."""
        platform = ClusterPlatform(ctx)
        self._check_pending(platform)
        now = platform.release.status()
        if now is None:
            raise NotRunning(f"Release {platform.release.name} in {platform.namespace}")
        if now.status != "deployed":
            raise HabariError(
                f"Release {platform.release.name}: revision {now.number} is {now.status}"
                f" ({now.description}).",
                f"helm history {platform.release.name} --kube-context {platform.release.context}"
                f" --namespace {platform.namespace}",
            )

    def plan_up(self, ctx: Context) -> Plan:
        """Return what `up` would change."""
        platform = ClusterPlatform(ctx)
        unjudged = self._check(platform)
        release = platform.release
        now = release.status()
        found = steps.outcome(platform)
        was = f"revision {now.number}, {now.status}" if now else "not there yet"
        head = (
            f"Plan: release {release.name} ({was}) in namespace {release.namespace}"
            f" of {release.context}"
        )
        people = [each.user for each in platform.cluster.pods(release.namespace) if each.user]
        running = [f"{len(people)} users' servers keep running."] if people else []
        waived = ctx.settings.waived_rules
        notes = [f"Waived: {', '.join(waived)}."] if waived else []
        judged = f"not evaluated: {unjudged}" if unjudged else "evaluated, no problems found"
        notes.append(f"Values: {judged}.")
        if now and now.pending:
            notes.append(f"Revision {now.number} was left {now.status}: `up` recovers it first.")
        missing = required_secrets.missing(platform)
        notes += [f"Missing, and `up` wants it: secret {each}." for each in missing]
        lines = (head, *plans.as_lines(found), *running, *notes)
        data = {**plans.as_data(found), "servers": len(people), "waived": list(waived)}
        data |= {"missing": missing, "evaluated": not unjudged}
        return Plan(release.namespace, lines, data, lost=found.removed)

    def plan_down(self, ctx: Context) -> Plan:
        """Return what `down` would take away and leave."""
        platform = ClusterPlatform(ctx)
        release = platform.release
        there = release.status() is not None
        pods = [each for each in platform.cluster.pods(release.namespace) if each.user]
        lost = [DATABASE, *([f"{len(pods)} running servers"] if pods else [])] if there else []
        return Plan(release.namespace, (), {}, tuple(lost))

    def steps(self, ctx: Context) -> Sequence[Step]:
        """Return the bring-up."""
        platform = ClusterPlatform(ctx)
        return [
            steps.values(platform),
            steps.guards(platform, ("values",)),
            steps.release(platform, ("guards",)),
            steps.rollout(platform, "proxy", "proxy", ("release",)),
            steps.rollout(platform, "hub", "JupyterHub", ("release",)),
        ]

    def bucket_access(self, ctx: Context) -> S3Target:
        """Return the S3 with the servers' key: the release has no other."""
        return self.endpoints(ctx).s3.target(ctx.settings.s3_backend)

    def endpoints(self, ctx: Context) -> Endpoints:
        """Return where everything is, as the release says; the suite's users are throw-away ones.

        Raises:
            NotRunning: the release is not there.
        """
        platform = ClusterPlatform(ctx)
        values = platform.values()
        public = public_url(values)

        def variable(name: str) -> str:
            return platform.server_variable(values, name)

        inside = variable("AWS_ENDPOINT_URL") or None
        outside = ctx.settings.s3_endpoint_url or inside
        addresses = {
            "proxy": Address(public, "http://proxy-public"),
            "hub": Address(f"{public}/hub/api", "http://hub:8081/hub/api"),
        }
        if outside:
            addresses["s3"] = Address(outside, inside or outside)
        return Endpoints(
            mode=self.name,
            hub_url=f"{public}/",
            hub_api_token=platform.hub_token(),
            s3=S3Endpoint(
                outside,
                variable("AWS_DEFAULT_REGION") or ctx.settings.s3_region,
                variable("AWS_ACCESS_KEY_ID"),
                variable("AWS_SECRET_ACCESS_KEY"),
                variable("HABARI_LAKE_BUCKET"),
                variable("HABARI_NOTEBOOKS_BUCKET"),
            ),
            users=THROW_AWAY,
            github=None,
            services=addresses,
            project_path=None,
            kubernetes={
                "kubeconfig": str(platform.cluster.kubeconfig),
                "context": platform.cluster.context,
                "namespace": platform.namespace,
            },
        )

    def allowed_users(self, ctx: Context) -> Sequence[str]:
        """Return the accounts that the deployment lets in by name."""
        return allowed_users(ClusterPlatform(ctx).values())

    def status(self, ctx: Context) -> Sequence[ServiceStatus]:
        """Return proxy, hub and each user's server."""
        platform = ClusterPlatform(ctx)
        if platform.release.status() is None:
            return []
        public = public_url(platform.release.values())
        pods = platform.cluster.pods(platform.namespace)
        rows = [
            pod_status.service(
                name, f"{public}{page}", [p for p in pods if p.component == name], {}
            )
            for name, page in SERVICES.items()
        ]
        return rows + pod_status.servers(pods, {})

    def logs(
        self,
        ctx: Context,
        services: Sequence[str],
        *,
        follow: bool,
        lines: int,
        since: float | None = None,
    ) -> Iterator[str]:
        """Yield log lines, the newest `lines` of each service first, then users' servers."""
        platform = ClusterPlatform(ctx)
        cluster, namespace = platform.cluster, platform.namespace
        wanted = services or self.services(ctx)
        found = [
            each
            for each in cluster.pods(namespace)
            if each.component in wanted or (each.user and (not services or each.user in services))
        ]
        titles = {each.name: each.title for each in found}
        logs = pod_status.pod_logs(cluster, namespace, titles, lines, since, follow=follow)
        yield from log_files.merge(logs, follow=follow)

    def killed_for_memory(self, ctx: Context, user: str) -> str:
        """Return what of a user's server was killed for memory."""
        platform = ClusterPlatform(ctx)
        return pod_status.killed_for_memory(platform.cluster, platform.namespace, user)

    def data(self, ctx: Context) -> Sequence[str]:  # noqa: ARG002 (never any)
        """Return nothing: what is in a cluster is deleted by hand alone."""
        return ()

    def down(self, ctx: Context, *, wipe: bool) -> DownResult:
        """Uninstall the release and stop users' servers; homes and the namespace stay."""
        platform = ClusterPlatform(ctx)
        cluster, release = platform.cluster, platform.release
        delete = f"kubectl --context {cluster.context} delete namespace {release.namespace}"
        if wipe:
            raise HabariError(
                "Mode cluster: --wipe does not work here; delete a cluster's homes by hand.",
                delete,
                USAGE,
            )
        stopped = [f"release {release.name}"] if steps.uninstall(platform) else []
        for each in cluster.pods(release.namespace) if stopped else ():
            if each.user:
                cluster.delete_pod(release.namespace, each.name)
                stopped.append(each.title)
        claims = cluster.claims(release.namespace)
        kept = [f"namespace {release.namespace}"] if stopped or claims else []
        kept += [f"claim {name}" for name in claims]
        return DownResult(tuple(stopped), tuple(kept), deletes=delete)


MODE = ClusterMode()
