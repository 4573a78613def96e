"""Mode cluster: one release of the chart in a cluster that is there already, as on GKE."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from habari_local.core.errors import USAGE, HabariError, NotRunning
from habari_local.diagnosis.requirements import PYTHON, TOOLS, Finding, Requirement
from habari_local.drivers import log_files
from habari_local.drivers.kubernetes import kubeconfig
from habari_local.drivers.kubernetes.readiness import PodWatch
from habari_local.helm_values import upgrade_plan as plans
from habari_local.modes.cluster import handles, release_info, required_secrets, steps
from habari_local.platform.helm import status_and_logs
from habari_local.platform.helm.backup import ReleaseBackup, VolumeBackup
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


class ClusterMode(VolumeBackup):
    """The chart in a namespace of a cluster that others made, and use."""

    name = handles.NAME
    summary = "an existing cluster, by a context of your kubeconfig: the real deployment"
    s3_backend = "aws"
    notes: Sequence[str] = ()

    def requirements(self) -> Sequence[Requirement]:
        """Return what must be on the machine."""
        return (PYTHON, *(each for each in TOOLS if each.name == "helm"), CONTEXT)

    def services(self, ctx: Context) -> Sequence[str]:  # noqa: ARG002 (the chart's, always)
        """Return the names that `logs` takes."""
        return list(SERVICES)

    def check(self, ctx: Context) -> None:
        """Refuse what can't succeed: what `plan_up` refuses, and secrets that are not there."""
        self._check(ctx)
        required_secrets.require_secrets(ctx)

    def _check(self, ctx: Context) -> None:
        """Refuse what can't succeed: no such context, no answer, a namespace of somebody else's."""
        cluster, release = handles.cluster(ctx), handles.release(ctx)
        refusal = cluster.refusal()
        if refusal:
            raise HabariError(
                f"Context {cluster.context}: {refusal}, an API server that knows us was expected.",
                f"kubectl --context {cluster.context} version",
            )
        others = release.others()
        if others:
            raise HabariError(
                f"Namespace {release.namespace}: used by {', '.join(others)}, not by our"
                f" release {release.name}.",
                f"helm list --kube-context {cluster.context} --namespace {release.namespace}",
            )
        now = release.status()
        if now and now.pending:
            seconds = time.time() - now.updated
            if seconds < AT_WORK:
                raise HabariError(
                    f"Release {now.number}: {now.status} since {seconds:.0f} s, another helm is"
                    " working on it or was killed.",
                    f"helm history {release.name} --kube-context {cluster.context} --namespace"
                    f" {release.namespace}",
                )
        steps.allowed_values(ctx)

    def plan_up(self, ctx: Context) -> Plan:
        """Return what `up` would change."""
        self._check(ctx)
        release = handles.release(ctx)
        now = release.status()
        found = steps.outcome(ctx)
        was = f"revision {now.number}, {now.status}" if now else "not there yet"
        head = (
            f"Plan: release {release.name} ({was}) in namespace {release.namespace}"
            f" of {release.context}"
        )
        people = [each.user for each in handles.cluster(ctx).pods(release.namespace) if each.user]
        running = [f"{len(people)} users' servers keep running."] if people else []
        waived = ctx.settings.waived_rules
        notes = [f"Waived: {', '.join(waived)}."] if waived else []
        missing = required_secrets.missing(ctx)
        notes += [f"Missing, and `up` wants it: secret {each}." for each in missing]
        lines = (head, *plans.as_lines(found), *running, *notes)
        data = {**plans.as_data(found), "servers": len(people), "waived": list(waived)}
        data["missing"] = missing
        return Plan(release.namespace, lines, data, lost=found.removed)

    def plan_down(self, ctx: Context) -> Plan:
        """Return what `down` would take away and leave."""
        release = handles.release(ctx)
        there = release.status() is not None
        pods = [each for each in handles.cluster(ctx).pods(release.namespace) if each.user]
        lost = [DATABASE, *([f"{len(pods)} running servers"] if pods else [])] if there else []
        return Plan(release.namespace, (), {}, tuple(lost))

    def steps(self, ctx: Context) -> Sequence[Step]:  # noqa: ARG002 (they ask when they act)
        """Return the bring-up."""
        watches: list[PodWatch] = []

        def watch(ctx: Context) -> PodWatch:
            if not watches:
                watches.append(PodWatch(handles.cluster(ctx), handles.namespace(ctx)))
            return watches[0]

        return [
            steps.values(),
            steps.guards(("values",)),
            steps.release(("guards",)),
            steps.rollout("proxy", "proxy", watch, ("release",)),
            steps.rollout("hub", "JupyterHub", watch, ("release",)),
        ]

    def endpoints(self, ctx: Context) -> Endpoints:
        """Return where everything is, as the release says; the suite's users are throw-away ones.

        Raises:
            NotRunning: the release is not there.
        """
        cluster, namespace = handles.cluster(ctx), handles.namespace(ctx)
        values = self._values(ctx)
        public = release_info.url(values)

        def told(name: str) -> str:
            return release_info.variable(values, name, cluster, namespace)

        inside = told("AWS_ENDPOINT_URL") or None
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
            hub_api_token=release_info.token(cluster, namespace),
            s3=S3Endpoint(
                outside,
                told("AWS_DEFAULT_REGION") or ctx.settings.s3_region,
                told("AWS_ACCESS_KEY_ID"),
                told("AWS_SECRET_ACCESS_KEY"),
                told("HABARI_LAKE_BUCKET"),
                told("HABARI_NOTEBOOKS_BUCKET"),
            ),
            users=THROW_AWAY,
            github=None,
            services=addresses,
            project_path=None,
            kubernetes={
                "kubeconfig": str(cluster.kubeconfig),
                "context": cluster.context,
                "namespace": namespace,
            },
        )

    def allowed_users(self, ctx: Context) -> Sequence[str]:
        """Return the accounts that the deployment lets in by name."""
        return release_info.allowed_users(self._values(ctx))

    def _values(self, ctx: Context) -> dict[str, object]:
        release = handles.release(ctx)
        if release.status() is None:
            raise NotRunning(f"Release {release.name} in {release.namespace}")
        return release.values()

    def kept(self, ctx: Context) -> ReleaseBackup:
        """Return the release's volumes."""
        return ReleaseBackup(handles.cluster(ctx), handles.namespace(ctx))

    def status(self, ctx: Context) -> Sequence[ServiceStatus]:
        """Return proxy, hub and each user's server."""
        if handles.release(ctx).status() is None:
            return []
        public = release_info.url(self._values(ctx))
        pods = handles.cluster(ctx).pods(handles.namespace(ctx))
        rows = [
            status_and_logs.service(
                name, f"{public}{page}", [p for p in pods if p.component == name], {}
            )
            for name, page in SERVICES.items()
        ]
        return rows + status_and_logs.servers(pods, {})

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
        cluster, namespace = handles.cluster(ctx), handles.namespace(ctx)
        wanted = services or self.services(ctx)
        found = [
            each
            for each in cluster.pods(namespace)
            if each.component in wanted or (each.user and (not services or each.user in services))
        ]
        titles = {each.name: each.title for each in found}
        logs = status_and_logs.pod_logs(cluster, namespace, titles, lines, since, follow=follow)
        yield from log_files.merge(logs, follow=follow)

    def data(self, ctx: Context) -> Sequence[str]:  # noqa: ARG002 (never any)
        """Return nothing: what is in a cluster is deleted by hand alone."""
        return ()

    def down(self, ctx: Context, *, wipe: bool) -> DownResult:
        """Uninstall the release and stop users' servers; homes and the namespace stay."""
        cluster, release = handles.cluster(ctx), handles.release(ctx)
        delete = f"kubectl --context {cluster.context} delete namespace {release.namespace}"
        if wipe:
            raise HabariError(
                "Mode cluster: --wipe does not work here; delete a cluster's homes by hand.",
                delete,
                USAGE,
            )
        stopped = [f"release {release.name}"] if release.uninstall(cancel=ctx.cancel) else []
        for each in cluster.pods(release.namespace) if stopped else ():
            if each.user:
                cluster.delete_pod(release.namespace, each.name)
                stopped.append(each.title)
        claims = cluster.claims(release.namespace)
        kept = [f"namespace {release.namespace}"] if stopped or claims else []
        kept += [f"claim {name}" for name in claims]
        return DownResult(tuple(stopped), tuple(kept), deletes=delete)


MODE = ClusterMode()
