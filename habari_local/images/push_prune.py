"""Images that leave this machine or this disk: sent to a registry, removed when nothing asks."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from habari_local.core.errors import USAGE, HabariError
from habari_local.drivers import git
from habari_local.drivers.docker import images as docker_images
from habari_local.drivers.docker import registry as docker_registry
from habari_local.drivers.docker.client import familiar_name
from habari_local.images.build import Images
from habari_local.images.catalogue import SOURCES, choose

DIRTY = "-dirty"  # how git.commit ends of a tree that differs from its commit


@dataclass(frozen=True)
class PushedImage:
    """An image in a registry: its name with tag there, its digest, whether it came there now."""

    name: str
    target: str
    digest: str
    new: bool

    @property
    def repository(self) -> str:
        """The name without the tag."""
        return self.target.rpartition(":")[0]

    @property
    def tag(self) -> str:
        """Tag and digest, as one puts them behind the name: nothing else can be meant."""
        return f"{self.target.rpartition(':')[2]}@{self.digest}"


def push(
    images: Images,
    names: Sequence[str],
    registry: str,
    say: Callable[[str], None],
    *,
    dirty: bool = False,
) -> list[PushedImage]:
    """Send images to `registry` (host, port, path) that it does not have yet; return all of them.

    Without a name, every image that is built here goes; those that are pulled stay where they are.
    A tag is the hash of all that went in, so what the registry has under it is not sent again.

    Raises:
        HabariError: an image is not built yet, the registry does not take it, or, unless `dirty`,
            no commit has what is in an image.
    """
    chosen = [each for each in choose(images.catalogue, names) if names or not each.pull]
    if not dirty:
        _require_committed(images)
    sent = []
    for image in chosen:
        reference = images.reference(image.name)
        stored = docker_images.find(reference)
        if stored is None:
            raise HabariError(
                f"Image {image.name}: not built; {reference} is not here.",
                f"habari-local image build {image.name}",
            )
        if stored.labels.get(docker_images.COMMIT, "").endswith(DIRTY) and not dirty:
            raise HabariError(
                f"Image {reference}: built from uncommitted changes, as its label says.",
                f"docker image rm {reference} && habari-local image build {image.name}",
            )
        plain = reference.partition("@")[0].rpartition("/")[2]
        target = f"{registry.rstrip('/')}/{plain}"
        say(target)
        there = docker_registry.digest_there(target)
        sent.append(
            PushedImage(
                image.name, target, there or docker_registry.push(reference, target, say), not there
            )
        )
    return sent


def _require_committed(images: Images) -> None:
    changed = git.changed(images.checkout.root, images.environ)
    if changed:
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise HabariError(
            f"This checkout: {', '.join(changed[:3])}{more} not committed; commit, or use --dirty.",
            "git status",
        )


def fetch(reference: str, say: Callable[[str], None]) -> str:
    """Pull NAME[:TAG]@DIGEST by its digest; return NAME@DIGEST, by which Docker knows it.

    Docker refuses content that has another digest.

    Raises:
        HabariError: there is no digest, or the registry does not give the image.
    """
    found = re.fullmatch(r"(.+?)(:[\w.-]+)?(@sha256:[0-9a-f]{64})", reference)
    if found is None:
        raise HabariError(
            f"Image {reference}: without a digest (NAME@sha256:…).",
            "habari-local image push notebook --to REGISTRY --json",
            USAGE,
        )
    exact = f"{found[1]}{found[3]}"
    docker_registry.pull(exact, say, None)
    return exact


def unasked(images: Images, *, every: bool = False) -> list[docker_images.LocalImage]:
    """Return what this checkout built and neither value of HABARI_IMAGES asks for.

    With `every`, what they ask for too, built and pulled. What another checkout built is not among
    it, nor a notebook image that the settings name: it may be the only one.
    """
    known = [
        Images(images.checkout, images.settings.model_copy(update={"images": each}), images.environ)
        for each in SOURCES
    ]
    wanted = {familiar_name(each.reference(name)) for each in known for name in each.catalogue}
    built = [
        stored
        for stored in docker_images.habari_images()
        if stored.labels.get("dev.habari.checkout") == images.checkout.id
        and (every or not wanted.intersection(map(familiar_name, stored.tags)))
    ]
    return [*built, *_pulled(known)] if every else built


def _pulled(known: Sequence[Images]) -> list[docker_images.LocalImage]:
    """Return what is there under a reference that is pulled; each by that reference alone."""
    references = {
        each.reference(name)
        for each in known
        for name, image in each.catalogue.items()
        if image.pull
    } - {each.settings.notebook_image for each in known}
    found = {name: docker_images.find(name) for name in sorted(references)}
    return [replace(stored, tags=(name,)) for name, stored in found.items() if stored]


def prune(images: Images, *, every: bool = False) -> list[docker_images.LocalImage]:
    """Remove what `unasked` returns; return what is gone. What a container uses stays.

    With `every`, what was sent to local clusters goes too.
    """
    if every:
        docker_images.remove_pushed_names()
    removed = []
    for stored in unasked(images, every=every):
        outcomes = [docker_images.remove(name) for name in stored.tags or (stored.id,)]
        if all(outcomes):
            removed.append(stored)
    return removed
