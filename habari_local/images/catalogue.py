"""The catalogue: every image that any mode runs, read from catalogue.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from habari_local.core.errors import USAGE, HabariError
from habari_local.core.versions import versions

Source = Literal["upstream", "packages"]
SOURCES: tuple[Source, ...] = ("upstream", "packages")


@dataclass(frozen=True)
class Image:
    """One image; exactly one of `dockerfile`, `bootstrap` and `pull` says where it comes from.

    Paths are relative to the checkout. `base` is the name of another image of the catalogue, or a
    reference with a digest. `uses` names images of the catalogue that the build copies from, by
    the argument that gets the reference. `limit_mb` is what it may grow to, in millions of bytes.
    """

    name: str
    about: str
    modes: tuple[str, ...] = ()
    limit_mb: int = 0
    dockerfile: str = ""
    context: str = ""
    base: str = ""
    uses: Mapping[str, str] = field(default_factory=dict)
    args: Mapping[str, str] = field(default_factory=dict)
    bootstrap: str = ""
    suite: str = ""
    as_of: str = ""
    pull: str = ""

    @property
    def origin(self) -> str:
        """Say in a word or two where it comes from."""
        return self.pull or self.dockerfile or self.bootstrap

    @property
    def needs(self) -> tuple[str, ...]:
        """Name what must be there before this is built: images of the catalogue and references."""
        return tuple(each for each in (self.base, *self.uses.values()) if each)


Catalogue = Mapping[str, Image]


def load(source: Source, path: Path | None = None) -> dict[str, Image]:
    """Return the images by name, as they are made with `HABARI_IMAGES=source`.

    One that the file gives no origin for that source is not among them.

    Raises:
        TypeError: the file has a key that no image knows.
    """
    path = path or Path(__file__).with_suffix(".toml")
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    images = (_image(name, table, source) for name, table in tables.items())
    return {image.name: image for image in images if image.origin}


def _image(name: str, table: Mapping[str, Any], source: Source) -> Image:
    shared = {key: value for key, value in table.items() if key not in SOURCES}
    merged = {**shared, **table.get(source, {})}
    known = versions()["images"]
    references = {key: merged[key].format_map(known) for key in ("base", "pull") if key in merged}
    return Image(name, **{**merged, **references, "modes": tuple(merged.get("modes", ()))})


def through(reference: str, mirror: str) -> str:
    """Return what an upstream image is called at a mirror: its whole name, registry too, after it.

    >>> through("python:3.13", "mirror.example/cache")
    'mirror.example/cache/docker.io/library/python:3.13'
    """
    if not mirror:
        return reference
    first, _, rest = reference.partition("/")
    if rest and (first == "localhost" or "." in first or ":" in first):
        return f"{mirror}/{reference}"
    return f"{mirror}/docker.io/{reference if rest else f'library/{reference}'}"


def choose(catalogue: Catalogue, names: Sequence[str]) -> list[Image]:
    """Return the images of those names, all of them without a name.

    Raises:
        HabariError: one of them is not in the catalogue.
    """
    unknown = [name for name in names if name not in catalogue]
    if unknown:
        raise HabariError(
            f"Image {unknown[0]}: not known, expected one of {', '.join(catalogue)}.",
            "habari-local image list",
            USAGE,
        )
    return [catalogue[name] for name in names or catalogue]


def with_bases(catalogue: Catalogue, names: Sequence[str]) -> list[Image]:
    """Return the named images and what they are made from, each after all that it needs."""
    ordered: dict[str, Image] = {}

    def add(image: Image) -> None:
        for each in image.needs:
            if each in catalogue:
                add(catalogue[each])
        ordered[image.name] = image

    for image in choose(catalogue, names):
        add(image)
    return list(ordered.values())
