"""Images that leave this machine or this disk: sent to a registry, removed when nothing asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from habari_local.drivers import docker
from habari_local.errors import HabariError
from habari_local.images.build import Images
from habari_local.images.catalogue import SOURCES, choose


def push(
    images: Images, names: Sequence[str], registry: str, say: Callable[[str], None]
) -> dict[str, str]:
    """Send images to `registry` (host, port, path); return their names there, by image.

    Without a name, every image that is built here goes; those that are pulled stay where they are.

    Raises:
        HabariError: an image is not built yet, or the registry does not take it.
    """
    chosen = [each for each in choose(images.catalogue, names) if names or not each.pull]
    sent = {}
    for image in chosen:
        reference = images.reference(image.name)
        if docker.find(reference) is None:
            raise HabariError(
                f"Image {image.name}: not built, {reference} was expected here.",
                f"habari-local image build {image.name}",
            )
        plain = reference.partition("@")[0].rpartition("/")[2]
        target = f"{registry.rstrip('/')}/{plain}"
        say(target)
        docker.push(reference, target, say)
        sent[image.name] = target
    return sent


def prune(images: Images, *, every: bool = False) -> list[docker.Stored]:
    """Remove what this checkout built and neither value of HABARI_IMAGES asks for; return that.

    With `every`, what they ask for goes too, and what was sent to local clusters. What a container
    uses stays, and so does what another checkout built.
    """
    wanted: set[str] = set()
    for source in () if every else SOURCES:
        of_source = Images(
            images.checkout, images.settings.model_copy(update={"images": source}), images.environ
        )
        wanted |= {of_source.reference(name) for name in of_source.catalogue}
    if every:
        docker.forget_sent()
    removed = []
    for stored in docker.ours():
        if stored.labels.get("dev.habari.checkout") != images.checkout.id:
            continue
        if stored.tags and wanted.intersection(stored.tags):
            continue
        outcomes = [docker.remove(name) for name in stored.tags or (stored.id,)]
        if all(outcomes):
            removed.append(stored)
    return removed
