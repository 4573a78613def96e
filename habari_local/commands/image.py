"""`habari-local image`: images of the modes with containers: build, push, pull, check, prune."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from habari_local.commands.options import (
    AsJson,
    Names,
    Sets,
    Yes,
    confirm_deletion,
    images_from_settings,
)
from habari_local.core.console import Result, Table, human_size
from habari_local.core.errors import USAGE, HabariError

if TYPE_CHECKING:
    from habari_local.helm_values.values import Place, Values
    from habari_local.images.build import Images
    from habari_local.images.image_check import CheckRow
    from habari_local.images.push_prune import PushedImage

CACHE = "what was sent to local clusters, of all checkouts (a cache)"
app = typer.Typer(
    no_args_is_help=True,
    help="Container images: list, build, push, check.\n\nExample: habari-local image list",
)
Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Production's values; default: config.yaml."),
]


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
    from habari_local.core.checkout import checkout_lock
    from habari_local.core.console import board
    from habari_local.platform.mode import Context
    from habari_local.platform.scheduler import run_steps, task_step

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


@app.command()
def push(
    to: Annotated[
        str, typer.Option("--to", metavar="REGISTRY", help="For example localhost:5000/team.")
    ],
    names: Names = None,
    config: Config = None,
    dirty: Annotated[
        bool, typer.Option("--dirty", help="Push images of uncommitted changes too.")
    ] = False,
    sets: Sets = None,
    as_json: AsJson = False,
) -> Result:
    """Send images to a registry.

    Under the same name and tag; an image that it has is not sent again. The digest of the notebook
    image is written into config.yaml, where there is one.

    Example: habari-local image push notebook --to europe-docker.pkg.dev/habari/images
    """
    from habari_local.core.console import board
    from habari_local.images.push_prune import push as send

    images = images_from_settings(sets)
    values = _values(config, images.checkout.root / "config.yaml")
    with board([f"push to {to}"]) as shown:
        shown.waits(0, "")
        sent = send(images, names or (), to, lambda text: shown.waits(0, text), dirty=dirty)
        shown.ends(0, f"{sum(each.new for each in sent)} sent", good=True)
    written = _write(values, sent)
    rows = [(s.name, "sent" if s.new else "already there", f"{s.repository}:{s.tag}") for s in sent]
    told = [f"{written} names the notebook image."] if written else []
    data = {
        "images": {
            s.name: {"reference": s.target, "digest": s.digest, "sent": s.new} for s in sent
        },
        "written": written or None,
    }
    return Result(data, [Table(["image", "outcome", "reference"], rows), *told], as_json=as_json)


def _values(given: Path | None, usual: Path) -> Values | None:
    """Return production's values, None where there are none and nobody named any."""
    from habari_local.helm_values.values import read

    path = given or usual
    return read(path) if given or path.is_file() else None


def _write(values: Values | None, sent: Sequence[PushedImage]) -> str:
    """Name the notebook image in production's values; return their file if that was to be done."""
    from habari_local.config.secrets import write_private
    from habari_local.helm_values.rules.pods import SERVER
    from habari_local.helm_values.yaml_edit import set_values

    image = next((each for each in sent if each.name == "notebook"), None)
    if image is None or values is None:
        return ""
    wanted: dict[Place, str] = {
        (*SERVER, "name"): image.repository,
        (*SERVER, "tag"): image.tag,
    }
    new = set_values(values.text, values.name, wanted)
    if new != values.text:
        write_private(Path(values.name), new)
    return values.name


@app.command()
def check(
    reference: Annotated[
        str, typer.Argument(metavar="REF", help="Image to check; default: the one jupyter/ builds.")
    ] = "",
    max_size: Annotated[
        int, typer.Option("--max-size", metavar="MB", help="Largest allowed size.", min=0)
    ] = 0,
    sets: Sets = None,
    as_json: AsJson = False,
) -> Result:
    """Check that a notebook image will work.

    Runs it and tries what the platform needs; exit 1 if something is missing.

    Example: habari-local image check ghcr.io/team/notebook:2026-11
    """
    from habari_local.images import image_check

    return _outcome(
        image_check.check(images_from_settings(sets), reference, max_size), as_json=as_json
    )


@app.command()
def verify(
    reference: Annotated[
        str,
        typer.Argument(
            metavar="REF@DIGEST", help="Image to verify; default: the one in config.yaml."
        ),
    ] = "",
    config: Config = None,
    sets: Sets = None,
    as_json: AsJson = False,
) -> Result:
    """Pull an image by its digest and check it.

    Example: habari-local image verify
    """
    from habari_local.core.console import board
    from habari_local.images import image_check
    from habari_local.images.push_prune import fetch

    images = images_from_settings(sets)
    wanted = reference or _named(config or images.checkout.root / "config.yaml")
    with board([f"pull {wanted}"]) as shown:
        exact = fetch(wanted, lambda text: shown.waits(0, text))
        shown.ends(0, "its digest is right", good=True)
    return _outcome(image_check.check(images, exact), as_json=as_json)


def _named(path: Path) -> str:
    from habari_local.helm_values.rules.pods import SERVER
    from habari_local.helm_values.values import read, text_at

    data = read(path).data
    name, tag = text_at(data, *SERVER, "name"), text_at(data, *SERVER, "tag")
    if not (name and tag):
        raise HabariError(
            f"{path}: no singleuser.image with a name and a tag.",
            "habari-local image push notebook --to REGISTRY",
            USAGE,
        )
    return f"{name}:{tag}"


def _outcome(rows: Sequence[CheckRow], *, as_json: bool) -> Result:
    good = all(row.good for row in rows)
    table = Table(
        ["check", "state", "found", "needed"],
        [(r.name, "ok" if r.good else "missing", r.found, r.needed) for r in rows],
    )
    last = "The platform can run this image." if good else "The platform can't run this image."
    data = {"good": good, "checks": [asdict(row) for row in rows]}
    return Result(data, [table, last], 0 if good else 1, as_json=as_json)
