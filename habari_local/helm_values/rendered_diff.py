"""How what the chart renders differs from production, and which value causes each difference."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from habari_local.core.errors import CommandFailed
from habari_local.core.versions import pinned
from habari_local.drivers import helm
from habari_local.helm_values.chart import Chart
from habari_local.helm_values.tree_diff import ABSENT, Change, changes, read_manifests, summarize
from habari_local.helm_values.values import Data, Place
from habari_local.helm_values.values_diff import Difference, applied

KUBERNETES = pinned("kubernetes")  # of the local cluster's node: charts are rendered for it
NAME = NAMESPACE = "habari"

# Differences that were put in, and the places that changed with them.
Step = tuple[tuple[Difference, ...], list[Place]]


@dataclass(frozen=True)
class RenderedChange:
    """One difference in an object (`Kind/name`), and the values that cause it."""

    thing: str
    change: Change
    causes: tuple[Difference, ...]


def rendered_changes(
    chart: Chart,
    production: Mapping[str, Any],
    found: Sequence[Difference],
    environ: Mapping[str, str],
) -> list[RenderedChange]:
    """Return every difference in what is rendered.

    The differences of the values are put in one after the other, and each step is rendered: what
    changes with a step is caused by it. What differs between two renderings of the same values,
    as a token that the chart makes at random, is no difference.

    Raises:
        CommandFailed: the chart can't be rendered with these values.
    """
    steps = [applied(production, found[:count]) for count in range(len(found) + 1)]
    trees, first, last = _rendered(chart, steps, environ)
    whole = (trees[0] or first, trees[-1] or last)
    random = {
        each.place for pair in zip(whole, (first, last), strict=True) for each in changes(*pair)
    }
    by_step = list(_by_step(found, trees))
    return [
        RenderedChange(str(change.place[0]), summarize(change), _causes(change, by_step))
        for change in changes(*whole)
        if not any(_within(change.place, place) for place in random)
    ]


def _by_step(found: Sequence[Difference], trees: Sequence[Data | None]) -> Iterator[Step]:
    """Yield what each difference changes; those that only together can be rendered, together."""
    before, waiting = trees[0] or {}, []
    for cause, tree in zip(found, trees[1:], strict=True):
        waiting.append(cause)
        if tree is not None:
            yield tuple(waiting), [change.place for change in changes(before, tree)]
            before, waiting = tree, []


def _causes(change: Change, steps: Sequence[Step]) -> tuple[Difference, ...]:
    """Return whose steps changed it; of what is gone, what changed in it before matters no more."""

    def matters(place: Place) -> bool:
        below = change.after is not ABSENT and _within(place, change.place)
        return below or _within(change.place, place)

    return tuple(cause for causes, places in steps if any(map(matters, places)) for cause in causes)


def _within(place: Place, other: Place) -> bool:
    return place[: len(other)] == other


def _rendered(
    chart: Chart, steps: Sequence[Mapping[str, Any]], environ: Mapping[str, str]
) -> tuple[list[Data | None], Data, Data]:
    """Render each step, None where that can't be, and the first and the last once more."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:

        def render(number: int) -> Data:
            path = Path(folder) / f"{number}.yaml"  # the folder is its owner's alone
            path.write_text(json.dumps(steps[number], ensure_ascii=False), encoding="utf-8")
            text = helm.template(
                chart.path, [path], environ, name=NAME, namespace=NAMESPACE, kubernetes=KUBERNETES
            )
            return read_manifests(text)

        def attempt(number: int) -> Data | None:
            try:
                return render(number)
            except CommandFailed:
                return None

        # Side by side: each is a program that runs for 0.2 s.
        trees = list(pool.map(attempt, range(len(steps))))
        return trees, render(0), render(len(steps) - 1)
