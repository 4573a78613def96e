"""What runs in the cluster beside the chart: S3, the fake GitHub, the key of users' servers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from habari_local.config.render import helm as values
from habari_local.config.render import kind as render
from habari_local.config.secrets import write_changed, write_private
from habari_local.config.settings import Settings
from habari_local.core import container_user
from habari_local.helm_values import schema
from habari_local.helm_values.chart import chart_path, open_chart, production_values
from habari_local.identity.users import people
from habari_local.modes.kind import policies
from habari_local.modes.kind.platform import APPLY, NAME, S3, KindPlatform
from habari_local.platform.helm.steps import Deployment
from habari_local.platform.mode import UNCHANGED, Context, Progress, Step

MANIFESTS = "dev.habari/manifests"  # annotation of the namespace: what was applied
KEY = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")  # these alone are in the secret
CHART_IMAGES = ("hub", "proxy", "notebook")


def images(settings: Settings) -> dict[str, str]:
    """Return the images that the nodes pull: what runs them → name in the catalogue.

    With HABARI_IMAGES=upstream, hub and proxy are the chart's own.
    """
    chart = CHART_IMAGES if settings.images == "packages" else ("notebook",)
    backend = {} if settings.s3_backend == "aws" else {"s3": f"s3-{settings.s3_backend}"}
    github = {} if settings.real_github else {"github": "github"}
    enforcer = {policies.IMAGE: policies.IMAGE} if policies.ours(settings) else {}
    return {**{name: name for name in chart}, **backend, **github, **enforcer}


def files(platform: KindPlatform, after: tuple[str, ...]) -> Step:
    """Return the step that writes what kind, kubectl and helm read, and has the chart check it."""

    def action(ctx: Context, say: Progress) -> str:
        say("checking the values against the chart's schema")
        changed = _render(platform)
        found = deployment(platform)
        chart = open_chart(found.chart)
        schema.check(chart, found.values, ctx.checkout.root)
        return f"fit {chart.title}" if changed else UNCHANGED

    return Step("values", "chart and values", action, after)


def _render(platform: KindPlatform) -> bool:
    """Write the cluster's configuration and the third layer of values; return if that changed."""
    ctx = platform.ctx
    folder, root = ctx.checkout.of_mode(NAME), ctx.checkout.root
    known = platform.pushed(images(ctx.settings))
    public = {name: text for name, text in S3.environment(ctx).items() if name not in KEY}
    own = {name: known[name] for name in CHART_IMAGES if name in known}
    pages = json.dumps(_hub_files(root / "hub"), sort_keys=True)
    hub = values.HubFiles(
        (root / "hub" / "habari_hub" / "local_addresses.py").read_text(encoding="utf-8"),
        hashlib.sha256(pages.encode()).hexdigest()[:16],
    )
    found = values.values(ctx.settings, ctx.secrets, own, public, container_user.uid(), hub)
    changed = write_changed(folder / "values.yaml", values.as_yaml(found))
    text = (root / "kind" / "cluster.yaml").read_text(encoding="utf-8")
    services = ["hub", *images(ctx.settings)]
    shared = platform.shared_volume() if ctx.settings.nodes > 1 else ""
    made = render.cluster(text, root, ctx.settings, ctx.project_path, services, shared)
    return write_changed(folder / "cluster.yaml", made) or changed


def deployment(platform: KindPlatform) -> Deployment:
    """Return the release with its layers of values."""
    ctx, root = platform.ctx, platform.ctx.checkout.root
    layers = (
        production_values(root),
        root / "kind" / "values.yaml",
        root / ".habari" / NAME / "values.yaml",
    )
    chart = chart_path(ctx.settings, root, platform.environ, cancel=ctx.cancel)
    return Deployment(platform.cluster, platform.release, chart, layers)


def manifests(platform: KindPlatform, after: tuple[str, ...]) -> Step:
    """Return the step that has the cluster run S3 and the fake GitHub as kind/manifests say."""

    def action(ctx: Context, say: Progress) -> str:
        names = [name for name in ("s3", "github") if name in images(ctx.settings)]
        text = render.as_list(_objects(platform, names))
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        cluster, namespace = platform.cluster, platform.namespace
        if cluster.annotation(namespace, MANIFESTS) == digest:
            return UNCHANGED
        say("kubectl apply")
        file = ctx.checkout.of_mode(NAME) / "manifests.json"
        write_private(file, text)
        platform.kubectl("--namespace", namespace, *APPLY, str(file))
        cluster.annotate(namespace, MANIFESTS, digest)
        return f"applied {', '.join([*names, 'pages'])}"

    return Step("manifests", "S3 and fake GitHub in the cluster", action, after)


def _objects(platform: KindPlatform, names: Sequence[str]) -> list[object]:
    ctx = platform.ctx
    folder = ctx.checkout.root / "kind" / "manifests"
    known = platform.pushed(images(ctx.settings))
    secrets = render.secrets_of(ctx.settings, ctx.secrets, people(ctx.settings), names)
    files = _hub_files(ctx.checkout.root / "hub")
    objects = render.manifests(folder, [*names, "dashboard"], known)
    render.tie_to_secrets(objects, secrets)
    return [*files, *secrets, *objects]


def _hub_files(folder: Path) -> list[object]:
    """Return what the hub's pod mounts: its pages and the dashboard."""
    return [render.pages(folder / "templates"), render.dashboard(folder / "habari_dashboard")]


def key(platform: KindPlatform, after: tuple[str, ...]) -> Step:
    """Return the step that makes the buckets and puts servers' key into the cluster."""

    def use(_ctx: Context, variables: dict[str, str]) -> bool:
        wanted = {name: variables[name] for name in KEY}
        return platform.cluster.keep_secret(platform.namespace, "habari-s3", wanted)

    return S3.step(use, after)
