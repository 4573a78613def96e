"""The steps of kind mode around its cluster: programs, registry, and what its nodes pull."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from habari_local.config.render.compose import as_dotenv
from habari_local.config.secrets import write_private
from habari_local.core import container_user, polling
from habari_local.core.paths import private_folder, project_folder
from habari_local.drivers import kind_nodes
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.docker import images as docker_images
from habari_local.drivers.docker import registry as docker_registry
from habari_local.drivers.docker.client import remove_all
from habari_local.drivers.docker.volumes import Owner, keep_cache
from habari_local.images import bundled_binaries
from habari_local.modes.kind import handles
from habari_local.modes.kind.registries import CERTS
from habari_local.platform.mode import UNCHANGED, Context, Progress, Step

REGISTRY_OWNER = Owner(1000, 100)  # as compose/kind.yml has it, whichever image it is
CTR = ("ctr", "--namespace", "k8s.io", "images")  # where the kubelet finds what is pulled


def folders() -> Step:
    """Return the step that makes the project's folder."""

    def action(ctx: Context, say: Progress) -> str:
        say("creating folders")
        private_folder(ctx.checkout.of_mode(handles.NAME))
        handles.project(ctx).end_leftovers()  # what a killed habari-local left at work
        if not project_folder(ctx.project_path):
            return UNCHANGED
        container_user.chown(ctx.project_path)
        return f"created {ctx.project_path}"

    return Step("folders", "folders", action)


def programs(after: tuple[str, ...]) -> Step:
    """Return the step that has kind, helm and kubectl on this machine."""

    def action(ctx: Context, say: Progress) -> str:
        known = handles.images(ctx)
        if not bundled_binaries.from_image(known):
            for name in bundled_binaries.NAMES:
                bundled_binaries.program(known, name)
            return UNCHANGED
        say("copying kind, helm and kubectl out of their image")
        return "copied" if bundled_binaries.unpack(known) else UNCHANGED

    return Step("tools", "kind, helm, kubectl", action, after)


def registry(after: tuple[str, ...]) -> Step:
    """Return the step that has Compose start the registry beside the cluster."""

    begun: list[bool] = []

    def action(ctx: Context, say: Progress) -> str:
        say("Docker Compose creates the registry")
        page = f"http://127.0.0.1:{ctx.settings.port('registry')}/v2/"
        before = {
            each.id
            for each in docker_client.containers(handles.resource_labels(ctx))
            if each.state == "running"
        }
        project = handles.project(ctx)
        write_private(project.env_file, as_dotenv(_variables(ctx)))
        begun.append(True)
        reference = handles.images(ctx).reference("registry")
        labels = {docker_images.LABEL: "registry"}
        done = (
            "" if before else keep_cache(docker_images.REGISTRY, labels, reference, REGISTRY_OWNER)
        )
        project.up((), cancel=ctx.cancel)
        polling.wait_until(
            lambda: polling.http_ok(page),
            "Registry",
            seconds=30,
            cancel=ctx.cancel,
            hint="habari-local logs registry",
        )
        now = {each.id for each in docker_client.containers(handles.resource_labels(ctx))}
        return UNCHANGED if now == before else "; ".join(filter(None, ["started", done]))

    def undo(ctx: Context) -> None:
        handles.project(ctx).end_leftovers()
        if not handles.nodes(ctx):
            remove_all(handles.resource_labels(ctx), interrupted=bool(begun))

    return Step("registry", "registry", action, after, undo)


def _variables(ctx: Context) -> dict[str, str]:
    return {
        "UP_PROJECT": handles.project(ctx).name,
        "UP_MODE": handles.NAME,
        "UP_CHECKOUT": ctx.checkout.id,
        "UP_IMAGE_REGISTRY": handles.images(ctx).reference("registry"),
        "UP_PORT_REGISTRY": str(ctx.settings.port("registry")),
    }


def push(names: Mapping[str, str], after: tuple[str, ...]) -> Step:
    """Return the step that has the registry hold the images: what it has is not sent again."""

    def action(ctx: Context, say: Progress) -> str:
        say("asking the registry")
        known = handles.images(ctx)
        wanted = [known.reference(image) for image in names.values()]
        lacking = [each for each in wanted if not _has(ctx, each)]

        def one(reference: str) -> None:
            target = f"{handles.registry(ctx)}/{reference}"
            docker_registry.push(reference, target, lambda text: say(f"{reference}: {text}"))

        docker_client.in_parallel(one, lacking)
        return (
            f"sent {', '.join(each.partition(':')[0] for each in lacking)}"
            if lacking
            else UNCHANGED
        )

    return Step("push", "images in the registry", action, after)


def _has(ctx: Context, reference: str) -> bool:
    repository, _, tag = reference.rpartition(":")
    port = ctx.settings.port("registry")
    return polling.http_ok(f"http://127.0.0.1:{port}/v2/{repository}/manifests/{tag}")


def pulls(names: Mapping[str, str], after: tuple[str, ...]) -> Step:
    """Return the step that has the nodes pull the images while the control plane comes up."""

    def action(ctx: Context, say: Progress) -> str:
        references = list(handles.pushed(ctx, names).values())
        nodes = handles.nodes(ctx)
        with ThreadPoolExecutor(len(nodes)) as pool:
            found = list(pool.map(lambda each: _pull(each, references, ctx.cancel, say), nodes))
        pulled = sum(map(len, found))
        return f"pulled {pulled}" if pulled else UNCHANGED

    return Step("pulls", "images on the nodes", action, after)


def _pull(
    of: kind_nodes.Node,
    references: Sequence[str],
    cancel: threading.Event,
    say: Callable[[str], None],
) -> list[str]:
    there = kind_nodes.execute(of, [*CTR, "list", "--quiet"]).split()
    lacking = [each for each in references if each not in there]
    left = set(lacking)

    def one(reference: str) -> None:
        say(f"pulling {', '.join(sorted(name.rpartition('/')[2] for name in left))}")
        kind_nodes.execute(of, [*CTR, "pull", "--hosts-dir", CERTS, reference], cancel=cancel)
        left.discard(reference)

    if lacking:
        with ThreadPoolExecutor(2) as pool:  # unpacking is what takes the time
            list(pool.map(one, lacking))
    return lacking
