"""`habari-local image`: the images that modes with containers run: build, move, check, prune."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from habari_local.commands.options import AsJson, Sets, flags
from habari_local.console import Result, Table, human_size

if TYPE_CHECKING:
    from habari_local.images.build import Images, Task
    from habari_local.modes.base import Step

app = typer.Typer(
    no_args_is_help=True,
    help="Images of the modes with containers: list, build, pull, push, check, prune.\n\n"
    "Example: habari-local image list",
)
Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]...", help="As `image list` shows them; none: all."),
]


def _images(sets: list[str] | None) -> Images:
    from habari_local.config.load import environment, load
    from habari_local.drivers import docker
    from habari_local.images.build import Images
    from habari_local.paths import find_checkout

    checkout, env = find_checkout(), environment()
    settings = load(checkout.root, flags(sets)).settings
    docker.program(env)
    return Images(checkout, settings, env)


@app.command("list")
def list_(sets: Sets = None, as_json: AsJson = False) -> Result:
    """Show each image, its name with its tag, where it comes from, and whether it is there.

    Example: habari-local image list --set HABARI_IMAGES=packages
    """
    from habari_local.drivers import docker

    images = _images(sets)
    rows: list[dict[str, Any]] = []
    shown = []
    for image in images.catalogue.values():
        reference = images.reference(image.name)
        stored = docker.find(reference)
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
                "commit": stored.labels.get(docker.COMMIT, "") if stored else "",
            }
        )
        shown.append((image.name, state, human_size(size), reference, image.about))
    table = Table(["image", "state", "size", "reference", "about"], shown)
    return Result({"images": rows}, [table], as_json=as_json)


@app.command()
def build(names: Names = None, sets: Sets = None, as_json: AsJson = False) -> Result:
    """Build the images that are missing, side by side; one that is there is never built again.

    Example: habari-local image build notebook --set HABARI_IMAGES=packages
    """
    return _make(_images(sets), names or (), "build", as_json=as_json)


@app.command()
def pull(names: Names = None, sets: Sets = None, as_json: AsJson = False) -> Result:
    """Fetch the images that come as they are from a registry, before `up` needs them.

    Example: habari-local image pull postgres
    """
    from habari_local.images.catalogue import choose

    images = _images(sets)
    pulled = [each.name for each in choose(images.catalogue, names or ()) if each.pull]
    if not pulled:
        source = images.settings.images
        return Result({"images": {}}, [f"Nothing to pull with HABARI_IMAGES={source}."])
    return _make(images, pulled, "pull", as_json=as_json)


def _make(images: Images, names: Sequence[str], verb: str, *, as_json: bool) -> Result:
    from habari_local import lifecycle
    from habari_local.config.secrets import Secrets
    from habari_local.console import board
    from habari_local.lock import held
    from habari_local.modes.base import Context

    ctx = Context(images.checkout, images.settings, Secrets(), images.environ)
    with held(images.checkout.state, f"image {verb}"):
        tasks = images.tasks(names)
        with board([task.title for task in tasks]) as shown:
            outcomes = lifecycle.perform([_step(task) for task in tasks], ctx, shown)
    data = {t.name: {"reference": t.reference, "outcome": outcomes[t.name]} for t in tasks}
    table = Table(
        ["image", "outcome", "reference"],
        [(task.name, outcomes[task.name], task.reference) for task in tasks],
    )
    return Result({"images": data}, [table], as_json=as_json)


def _step(task: Task) -> Step:
    from habari_local.modes.base import Step

    action = lambda ctx, say: task.perform(say, ctx.cancel)  # noqa: E731 (a Step wants one)
    return Step(task.name, task.title, action, task.after)


@app.command()
def push(
    to: Annotated[str, typer.Option("--to", metavar="REGISTRY", help="As in localhost:5000/team.")],
    names: Names = None,
    sets: Sets = None,
    as_json: AsJson = False,
) -> Result:
    """Send images to a registry, under the same name and tag.

    Example: habari-local image push notebook --to europe-docker.pkg.dev/habari/images
    """
    from habari_local.console import board
    from habari_local.images.transfer import push as send

    images = _images(sets)
    with board([f"push to {to}"]) as shown:
        shown.waits(0, "")
        sent = send(images, names or (), to, lambda text: shown.waits(0, text))
        shown.ends(0, f"{len(sent)} sent", good=True)
    return Result({"images": sent}, list(sent.values()), as_json=as_json)


@app.command()
def prune(
    every: Annotated[
        bool, typer.Option("--all", help="Those too that the settings ask for now.")
    ] = False,
    as_json: AsJson = False,
) -> Result:
    """Remove images that this checkout built and that nothing asks for any more.

    Example: habari-local image prune
    """
    from habari_local.images.transfer import prune as remove

    removed = remove(_images(None), every=every)
    size = human_size(sum(each.size for each in removed))
    names = [name for each in removed for name in each.tags]
    said = [f"Removed {name}" for name in names] or ["Nothing to remove."]
    summary = [f"{len(names)} removed, up to {size} free."] if names else []
    return Result({"removed": names}, [*said, *summary], as_json=as_json)


@app.command()
def check(
    reference: Annotated[
        str, typer.Argument(metavar="REF", help="Image to check; none: the one jupyter/ builds.")
    ] = "",
    max_size: Annotated[
        int, typer.Option("--max-size", metavar="MB", help="Size that it may have.", min=0)
    ] = 0,
    sets: Sets = None,
    as_json: AsJson = False,
) -> Result:
    """Run a notebook image and check what the platform needs of it; exit 1 if something lacks.

    Example: habari-local image check ghcr.io/team/notebook:2026-11
    """
    from habari_local.images import contract

    images = _images(sets)
    rows = contract.check(images, reference, max_size)
    good = all(row.good for row in rows)
    table = Table(
        ["check", "state", "found", "needed"],
        [(r.name, "ok" if r.good else "missing", r.found, r.needed) for r in rows],
    )
    last = "The platform can run this image." if good else "The platform can't run this image."
    data = {"good": good, "checks": [asdict(row) for row in rows]}
    return Result(data, [table, last], 0 if good else 1, as_json=as_json)
