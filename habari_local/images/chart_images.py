"""The chart's own images, hub and proxy, as its values name them: with upstream alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from habari_local.config.settings import Settings
from habari_local.helm_values import chart_source
from habari_local.helm_values.chart import open_chart
from habari_local.helm_values.values import read
from habari_local.images import catalogue
from habari_local.images.catalogue import Image
from habari_local.images.upstream import load

# Name in the catalogue → our own of the same kind, what it is, where the chart's values have it.
CHARTS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "chart-hub": ("hub", "JupyterHub, the chart's own", ("hub", "image")),
    "chart-proxy": ("proxy", "configurable-http-proxy, the chart's own", ("proxy", "chp", "image")),
}


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
    pinned = chart_source.pinned_archive(environ)
    if not settings.chart and not pinned.is_file():
        return []
    chart = open_chart(
        (root / Path(settings.chart).expanduser()).resolve() if settings.chart else pinned
    )
    files = (chart_source.production_values(root), root / "kind" / "values.yaml")
    return [chart.defaults(), *(read(each).data for each in files)]


def _at(values: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    found: Any = values
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    given = found if isinstance(found, Mapping) else {}
    return {key: value for key, value in given.items() if key in ("name", "tag") and value}
