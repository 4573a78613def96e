"""What runs in the cluster beside the chart: S3, the fake GitHub, the key of users' servers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from habari_local.config.render import helm as values
from habari_local.config.render import kind as render
from habari_local.config.secrets import write_changed, write_private
from habari_local.core import container_user
from habari_local.core.subprocesses import run
from habari_local.helm_values import schema
from habari_local.helm_values.chart import chart_path, open_chart, production_values
from habari_local.identity.users import people
from habari_local.images import bundled_binaries
from habari_local.modes.kind import handles, policies
from habari_local.platform.helm.steps import Deployment
from habari_local.platform.mode import UNCHANGED, Context, Progress, Step

MANIFESTS = "dev.habari/manifests"  # annotation of the namespace: what was applied
KEY = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")  # these alone are in the secret
CHART_IMAGES = ("hub", "proxy", "notebook")


def images(ctx: Context) -> dict[str, str]:
    """Return the images that the node pulls: what runs them → name in the catalogue.

    With HABARI_IMAGES=upstream, hub and proxy are the chart's own.
    """
    chart = CHART_IMAGES if ctx.settings.images == "packages" else ("notebook",)
    backend = {} if ctx.settings.s3_backend == "aws" else {"s3": f"s3-{ctx.settings.s3_backend}"}
    github = {} if ctx.settings.real_github else {"github": "github"}
    enforcer = {policies.IMAGE: policies.IMAGE} if policies.ours(ctx.settings) else {}
    return {**{name: name for name in chart}, **backend, **github, **enforcer}


def files(after: tuple[str, ...]) -> Step:
    """Return the step that writes what kind, kubectl and helm read, and has the chart check it."""

    def action(ctx: Context, say: Progress) -> str:
        say("checking the values against the chart's schema")
        changed = render_all(ctx)
        root = ctx.checkout.root
        chart = chart_path(ctx.settings, root, handles.environ(ctx), cancel=ctx.cancel)
        schema.check(open_chart(chart), deployment(ctx).values, root)
        return f"fit {open_chart(chart).title}" if changed else UNCHANGED

    return Step("values", "chart and values", action, after)


def render_all(ctx: Context) -> bool:
    """Write the cluster's configuration and the third layer of values; return if that changed."""
    folder, root = ctx.checkout.of_mode(handles.NAME), ctx.checkout.root
    known = handles.pushed(ctx, images(ctx))
    server = handles.S3.environment(ctx)
    told = {name: text for name, text in server.items() if name not in KEY}
    own = {name: known[name] for name in CHART_IMAGES if name in known}
    hub = values.HubFiles(
        (root / "hub" / "habari_hub" / "local_addresses.py").read_text(encoding="utf-8")
    )
    found = values.values(ctx.settings, ctx.secrets, own, told, container_user.uid(), hub)
    changed = write_changed(folder / "values.yaml", values.as_yaml(found))
    text = (root / "kind" / "cluster.yaml").read_text(encoding="utf-8")
    services = ["hub", *images(ctx)]
    shared = handles.shared(ctx) if ctx.settings.nodes > 1 else ""
    made = render.cluster(text, root, ctx.settings, ctx.project_path, services, shared)
    return write_changed(folder / "cluster.yaml", made) or changed


def deployment(ctx: Context) -> Deployment:
    """Return the release with its layers of values."""
    root = ctx.checkout.root
    layers = (
        production_values(root),
        root / "kind" / "values.yaml",
        root / ".habari" / handles.NAME / "values.yaml",
    )
    chart = chart_path(ctx.settings, root, handles.environ(ctx))
    return Deployment(handles.cluster(ctx), handles.release(ctx), chart, layers)


def manifests(after: tuple[str, ...]) -> Step:
    """Return the step that has the cluster run S3 and the fake GitHub as kind/manifests say."""

    def action(ctx: Context, say: Progress) -> str:
        names = [name for name in ("s3", "github") if name in images(ctx)]
        text = render.as_list(_objects(ctx, names))
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        cluster = handles.cluster(ctx)
        if cluster.annotation(handles.NAMESPACE, MANIFESTS) == digest:
            return UNCHANGED
        say("kubectl apply")
        file = ctx.checkout.of_mode(handles.NAME) / "manifests.json"
        write_private(file, text)
        apply(ctx, str(file))
        cluster.annotate(handles.NAMESPACE, MANIFESTS, digest)
        return f"applied {', '.join([*names, 'pages'])}"

    return Step("manifests", "S3 and fake GitHub in the cluster", action, after)


def _objects(ctx: Context, names: Sequence[str]) -> list[object]:
    folder = ctx.checkout.root / "kind" / "manifests"
    known = handles.pushed(ctx, images(ctx))
    users = people(ctx.settings)
    secrets = render.secrets_of(ctx.settings, ctx.secrets, users, names)
    pages = render.pages(ctx.checkout.root / "hub" / "templates")
    return [pages, *secrets, *render.manifests(folder, names, known)]


def apply(ctx: Context, file: str) -> None:
    """Have the cluster hold what a file says."""
    cluster = handles.cluster(ctx)
    program = bundled_binaries.program(handles.images(ctx), "kubectl")
    argv = [str(program), "--kubeconfig", str(cluster.kubeconfig), "--context", cluster.context]
    argv += ["--namespace", handles.NAMESPACE, "apply", "--server-side", "--force-conflicts"]
    run([*argv, "--filename", file], env=handles.environ(ctx), cancel=ctx.cancel)


def key(after: tuple[str, ...]) -> Step:
    """Return the step that makes the buckets and puts servers' key into the cluster."""

    def use(ctx: Context, told: dict[str, str]) -> bool:
        wanted = {name: told[name] for name in KEY}
        return handles.cluster(ctx).keep_secret(handles.NAMESPACE, "habari-s3", wanted)

    return handles.S3.step(use, after)
