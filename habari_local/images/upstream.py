"""Upstream's images: as recorded in images/upstream.toml, and as the chart's values name its own.

An image that is there is compared with its record. The chart's own images, hub and proxy, are run
with HABARI_IMAGES=upstream only.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from habari_local.config.settings import Settings
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.docker.client import translate_errors
from habari_local.drivers.registry import Offer, parse
from habari_local.helm_values.chart import open_chart, pinned_archive, production_values
from habari_local.helm_values.values import read
from habari_local.images import catalogue
from habari_local.images.catalogue import Image

FILE = "images/upstream.toml"
TOLERANCE = 0.1  # a size that grew by less is no news
# Key of the record → key of the image's configuration.
CONFIGURED = {"user": "User", "entrypoint": "Entrypoint", "command": "Cmd"}
# Name in the catalogue → our own of the same kind, what it is, where the chart's values have it.
CHARTS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "chart-hub": ("hub", "JupyterHub, the chart's own", ("hub", "image")),
    "chart-proxy": ("proxy", "configurable-http-proxy, the chart's own", ("proxy", "chp", "image")),
}


@dataclass(frozen=True)
class Recorded:
    """What is known of one image; what is missing in `facts` was read nowhere."""

    name: str
    reference: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def size(self, key: str) -> int | None:
        """Return a recorded size in bytes: `download_mb` or `size_mb`."""
        found = self.facts.get(key)
        return None if found is None else int(found) * 1_000_000


@dataclass(frozen=True)
class Compared:
    """How an image differs from its record, and what there is to record, in sentences."""

    differences: list[str]
    unrecorded: list[str]


def load(root: Path) -> dict[str, Recorded]:
    """Return what is recorded in a checkout, by the name in the catalogue."""
    tables = tomllib.loads((root / FILE).read_text(encoding="utf-8"))
    return {
        name: Recorded(name, table.pop("reference"), table)
        for name, table in ((name, dict(found)) for name, found in tables.items())
    }


def configuration(reference: str) -> dict[str, Any]:
    """Return what an image of the engine is configured as, with the record's keys.

    Raises:
        HabariError: the engine has none of that name.
    """
    with translate_errors(f"Image {reference}"):
        found = docker_client.api().inspect_image(reference)  # type: ignore[no-untyped-call]
    config = found["Config"]
    seen: dict[str, Any] = {key: config.get(name) for key, name in CONFIGURED.items()}
    seen = {key: value or ("" if key == "user" else []) for key, value in seen.items()}
    seen["volumes"] = sorted(config.get("Volumes") or {})
    seen["healthcheck"] = (config.get("Healthcheck") or {}).get("Test") or []
    seen["env"] = dict(each.split("=", 1) for each in config.get("Env") or ())
    seen["size_mb"] = round(found["Size"] / 1e6)
    return seen


def compare(recorded: Recorded, offer: Offer, seen: Mapping[str, Any]) -> Compared:
    """Compare a record with what the registry offers and what the image is configured as."""
    known = recorded.facts
    found = {**seen, "download_mb": round(offer.size / 1e6)}
    differences = [
        f"platforms: no {each} among {', '.join(offer.platforms)}"
        for each in known.get("platforms", ())
        if each not in offer.platforms
    ]
    digest = parse(recorded.reference).version
    if digest.startswith("sha256:") and offer.digest not in ("", digest):
        differences.append(f"digest: {offer.digest}, {digest} is recorded")
    for name, value in known.get("env", {}).items():
        if found["env"].get(name) != value:
            differences.append(f"env {name}: {found['env'].get(name)!r}, {value!r} is recorded")
    unrecorded = []
    for key in (*CONFIGURED, "volumes", "healthcheck", "download_mb", "size_mb"):
        if key not in known:
            unrecorded.append(f"{key} = {found[key]!r}")
        elif not _same(known[key], found[key]):
            differences.append(f"{key}: {found[key]!r}, {known[key]!r} is recorded")
    return Compared(differences, unrecorded)


def _same(known: Any, found: Any) -> bool:
    if isinstance(known, int) and isinstance(found, int):
        return abs(found - known) <= known * TOLERANCE
    return bool(known == found)


def chart_images(settings: Settings, root: Path, environ: Mapping[str, str]) -> list[Image]:
    """Return the images that the chart runs in mode kind; nothing is downloaded for it.

    Of a chart that is not on this machine yet, what is recorded of the pinned one is returned.

    Raises:
        HabariError: HABARI_CHART is no chart, or a file of values can't be read.
    """
    recorded = load(root)
    values = _values(settings, root, environ)
    found = []
    ours = catalogue.load("packages")
    for name, (like, about, path) in CHARTS.items():
        image: dict[str, Any] = {}
        for each in values:
            image.update(_at(each, path))
        named = f"{image['name']}:{image['tag']}" if {"name", "tag"} <= image.keys() else ""
        pull = named or recorded[name].reference
        # Until its size is recorded: as large as ours may be.
        found.append(Image(name, about, ("kind",), ours[like].limit_mb, pull=pull))
    return found


def _values(settings: Settings, root: Path, environ: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the layers of values that a local release has, as far as they are files."""
    pinned = pinned_archive(environ)
    if not settings.chart and not pinned.is_file():
        return []
    chart = open_chart(
        (root / Path(settings.chart).expanduser()).resolve() if settings.chart else pinned
    )
    files = (production_values(root), root / "kind" / "values.yaml")
    return [chart.defaults(), *(read(each).data for each in files)]


def _at(values: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    found: Any = values
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    given = found if isinstance(found, Mapping) else {}
    return {key: value for key, value in given.items() if key in ("name", "tag") and value}
