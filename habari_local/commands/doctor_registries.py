"""`habari-local doctor --pull`: what the registries have of the images that modes need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from habari_local.core.console import Prose, Table, human_size
from habari_local.core.errors import HabariError

if TYPE_CHECKING:
    from habari_local.images.build import Images


@dataclass(frozen=True)
class Asked:
    """One image at its registry: `size` in bytes, compressed; `problem` in the registry's words."""

    image: str
    reference: str
    modes: tuple[str, ...]
    size: int
    platforms: tuple[str, ...]
    problem: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        told: dict[str, Any] = {"image": self.image, "reference": self.reference}
        told |= {"modes": list(self.modes), "platforms": list(self.platforms)}
        return told | {"download_bytes": self.size, "problem": self.problem or None}


def ask_registries(environ: Mapping[str, str], modes: Sequence[str]) -> list[Asked]:
    """Ask, all at once, for each image that these modes have from a registry.

    Raises:
        HabariError: no engine answers, whose platform it is about.
    """
    from habari_local.config.load import load
    from habari_local.core.paths import find_checkout
    from habari_local.images.build import Images

    checkout = find_checkout()
    images = Images(checkout, load(checkout.root).settings, environ)
    wanted = images.foreign(modes)
    platform = _platform()
    with ThreadPoolExecutor(max(1, len(wanted))) as pool:
        return list(pool.map(lambda name: _one(images, name, wanted[name], platform), wanted))


def _platform() -> str:
    from habari_local.drivers.docker import client as docker_client
    from habari_local.drivers.docker.client import translate_errors

    with translate_errors():
        found = docker_client.api().version()
    return f"{found['Os']}/{found['Arch']}"


def _one(images: Images, name: str, reference: str, platform: str) -> Asked:
    from habari_local.drivers import registry
    from habari_local.images import build_secrets

    modes = images.catalogue[name].modes
    try:
        offer = registry.ask(reference, platform, build_secrets.ca_bundle(images.environ))
    except HabariError as error:
        said = error.message.removeprefix(f"Image {reference}: ").rstrip(".")
        return Asked(name, reference, modes, 0, (), said)
    problem = ""
    if platform not in offer.platforms:
        problem = f"not for {platform}: {', '.join(offer.platforms)}"
    expected = registry.parse(reference).version
    if expected.startswith("sha256:") and offer.digest not in ("", expected):
        problem = f"has the digest {offer.digest}"
    return Asked(name, reference, modes, offer.size, offer.platforms, problem)


def shown(asked: Sequence[Asked], free: int | None) -> list[str | Prose | Table]:
    """Return a table of what was asked, its sum, and how that compares with the room there is."""
    if not asked:
        return ["Nothing comes from a registry with these settings."]
    rows = [
        (
            each.image,
            "refused" if each.problem else "ok",
            human_size(each.size or None),
            each.reference,
        )
        for each in asked
    ]
    lines: list[str | Prose | Table] = ["", Table(["image", "state", "download", "from"], rows)]
    lines += [Prose(f"{each.image}: {each.problem}") for each in asked if each.problem]
    total = sum(each.size for each in asked) / 1e9
    least = "at least " if any(each.problem for each in asked) else ""
    room = "" if free is None else f"; {free / 1e9:.1f} GB free on Docker's disk"
    lines.append(Prose(f"To download: {least}{total:.1f} GB, compressed{room}."))
    return lines
