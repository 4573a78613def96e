"""`habari-local image`: the images that modes with containers run: build, move, check, prune."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from habari_local.commands import image_registry
from habari_local.commands.image_args import Names, images_from_settings
from habari_local.commands.options import AsJson, Sets, Yes
from habari_local.core.console import Result, Table, human_size

if TYPE_CHECKING:
    from habari_local.images.build import Images

CACHE = "what was sent to local clusters, of all checkouts (a cache)"
app = typer.Typer(
    no_args_is_help=True,
    help="Container images: list, build, push, check.\n\nExample: habari-local image list",
)
app.command()(image_registry.push)
app.command()(image_registry.check)
app.command()(image_registry.verify)


@app.command("list")
def list_(sets: Sets = None, as_json: AsJson = False) -> Result:
    """List the images and whether each is here.

    With its tag, and where it comes from.

    Example: habari-local image list --set HABARI_IMAGES=packages
    """
    from habari_local.drivers.docker import images as docker_images

    images = images_from_settings(sets)
    rows: list[dict[str, Any]] = []
    shown = []
    for image in images.catalogue.values():
        reference = images.reference(image.name)
        stored = docker_images.find(reference)
        state = "there" if stored else ("not pulled" if image.pull else "not built")
        size = stored.size if stored else None
        rows.append(
            {
                "name": image.name,
                "about": image.about,
                "state": state,
                "reference": reference,
                "from": image.origin,
                "modes": list(image.modes),
                "size_bytes": size,
                "commit": stored.labels.get(docker_images.COMMIT, "") if stored else "",
            }
        )
        shown.append((image.name, state, human_size(size), reference, image.about))
    table = Table(["image", "state", "size", "reference", "about"], shown)
    return Result({"images": rows}, [table], as_json=as_json)


@app.command()
def build(names: Names = None, sets: Sets = None, as_json: AsJson = False) -> Result:
    """Build the images that are missing.

    In parallel; an image that exists is not built again.

    Example: habari-local image build notebook --set HABARI_IMAGES=packages
    """
    images = images_from_settings(sets)
    return _make(images, names or images.used(), "build", as_json=as_json)


@app.command()
def pull(names: Names = None, sets: Sets = None, as_json: AsJson = False) -> Result:
    """Pull the images that come from a registry.

    Those that are used unchanged, before `up` needs them.

    Example: habari-local image pull postgres
    """
    from habari_local.images.catalogue import choose

    images = images_from_settings(sets)
    wanted = choose(images.catalogue, names or images.used())
    pulled = [each.name for each in wanted if each.pull]
    if not pulled:
        source = images.settings.images
        return Result({"images": {}}, [f"Nothing to pull with HABARI_IMAGES={source}."])
    return _make(images, pulled, "pull", as_json=as_json)


def _make(images: Images, names: Sequence[str], verb: str, *, as_json: bool) -> Result:
    from habari_local.config.secrets import Secrets
    from habari_local.core.checkout_lock import checkout_lock
    from habari_local.core.console import board
    from habari_local.platform.compose.image_steps import task_step
    from habari_local.platform.mode import Context
    from habari_local.platform.scheduler import run_steps

    ctx = Context(images.checkout, images.settings, Secrets(), images.environ)
    with checkout_lock(images.checkout.state, f"image {verb}"):
        tasks = images.tasks(names)
        with board([task.title for task in tasks]) as shown:
            outcomes = run_steps([task_step(task) for task in tasks], ctx, shown)
    data = {t.name: {"reference": t.reference, "outcome": outcomes[t.name]} for t in tasks}
    table = Table(
        ["image", "outcome", "reference"],
        [(task.name, outcomes[task.name], task.reference) for task in tasks],
    )
    return Result({"images": data}, [table], as_json=as_json)


@app.command()
def prune(
    every: Annotated[bool, typer.Option("--all", help="Also those that are in use now.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> Result:
    """Remove images that are no longer used.

    Those that this checkout built; with --all, pulled ones too.

    Example: habari-local image prune
    """
    from habari_local.commands.confirm import confirm_deletion
    from habari_local.drivers.docker import images as docker_images
    from habari_local.images import push_prune

    images = images_from_settings(None)
    if every:
        found = push_prune.unasked(images, every=True)
        names = [name for each in found for name in each.tags or (each.id,)]
        again = "habari-local image prune --all"
        things = [*(f"image {name}" for name in names), *([CACHE] if docker_images.sent() else ())]
        confirm_deletion(things, images.checkout.root, yes=yes, again=again)
    removed = push_prune.prune(images, every=every)
    size = human_size(sum(each.size for each in removed))
    names = [name for each in removed for name in each.tags]
    said = [f"Removed {name}" for name in names] or ["Nothing to remove."]
    summary = [f"{len(names)} removed, up to {size} free."] if names else []
    return Result({"removed": names}, [*said, *summary], as_json=as_json)
