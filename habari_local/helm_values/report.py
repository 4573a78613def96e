"""What `diff` found: differences of values and of manifests, as data, as lines and as HTML."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from habari_local.core.html_page import render_page
from habari_local.helm_values.chart import Chart
from habari_local.helm_values.rendered_diff import RenderedChange, rendered_changes
from habari_local.helm_values.schema import check
from habari_local.helm_values.tree_diff import ABSENT, Change, shown
from habari_local.helm_values.values import dotted, read
from habari_local.helm_values.values_diff import Difference, differences

NO_REASON = "no reason is given"
PAGE = Path(__file__).with_name("diff.html.j2")


@dataclass(frozen=True)
class Report:
    """Every difference from production; none has a secret in it once it is told."""

    chart: Chart
    production: str
    overlays: tuple[str, ...]
    values: tuple[Difference, ...]
    manifests: tuple[RenderedChange, ...]

    @property
    def without_reason(self) -> tuple[Difference, ...]:
        """The differences without a reason."""
        return tuple(each for each in self.values if not each.reason)

    def by(self, effect: RenderedChange) -> str:
        """Return what causes an effect, in words: where all do, not each by name."""
        causes = effect.causes
        everything = len(causes) == len(self.values) > 1
        return "every value" if everything else ", ".join(dotted(each.place) for each in causes)

    def by_thing(self) -> Iterator[tuple[str, list[RenderedChange]]]:
        """Yield the effects of each object."""
        for thing, found in groupby(self.manifests, lambda effect: effect.thing):
            yield thing, list(found)


def compare(
    chart: Chart,
    production: Path,
    overlays: Sequence[Path],
    root: Path,
    environ: Mapping[str, str],
) -> Report:
    """Compare production's values with the overlays merged over them; files are named from `root`.

    Raises:
        HabariError: the chart does not take the values.
        CommandFailed: it can't be rendered with them.
    """
    files = [production, *overlays]
    check(chart, files, root)
    names = [str(p.relative_to(root)) if p.is_relative_to(root) else str(p) for p in files]
    below, *above = (read(path, name) for path, name in zip(files, names, strict=True))
    found = differences(chart.defaults(), below, above)
    caused = rendered_changes(chart, below.data, found, environ)
    return Report(chart, names[0], tuple(names[1:]), tuple(found), tuple(caused))


def as_data(report: Report) -> dict[str, Any]:
    """Return the report for programs; a side that is absent has no entry."""
    return {
        "chart": {"name": report.chart.name, "version": report.chart.version},
        "production": report.production,
        "overlays": list(report.overlays),
        "values": [
            {
                "value": dotted(each.place),
                **_sides(value_change(each)),
                "where": each.where,
                "reason": each.reason,
            }
            for each in report.values
        ],
        "manifests": [
            {
                "object": each.thing,
                "place": dotted(each.change.place),
                **_sides(each.change),
                "causes": [dotted(cause.place) for cause in each.causes],
            }
            for each in report.manifests
        ],
        "without_reason": [dotted(each.place) for each in report.without_reason],
    }


def as_lines(report: Report) -> Iterator[str]:
    """Yield the report for people."""
    yield f"Values: {report.production} → {' + '.join(report.overlays)}"
    for each in report.values:
        yield f"  {dotted(each.place)}: {arrow(value_change(each))}"
        yield f"      {each.reason or NO_REASON.upper()}  [{each.where or 'nowhere'}]"
    yield f"Manifests, rendered by the chart {report.chart.title}:"
    for thing, found in report.by_thing():
        for effect in found:
            place = dotted(effect.change.place)
            yield f"  {thing}{f' {place}' if place else ''}: {arrow(effect.change)}"
            yield f"      by {report.by(effect)}"
    yield summary(report)


def summary(report: Report) -> str:
    """Return the report in one sentence."""
    unexplained = len(report.without_reason)
    return (
        f"{len(report.values)} values differ, and with them {len(report.manifests)} places in the"
        f" manifests; {unexplained or 'none'} without a reason."
    )


def arrow(change: Change) -> str:
    """Return both sides of a change in one line."""
    return f"{side(change, change.before)} → {side(change, change.after)}"


def side(change: Change, value: Any, length: int = 70) -> str:
    """Return one side of a change as short text without secrets; of a whole object that it is."""
    if value is ABSENT:
        return "absent"
    if not change.place:
        return "present"
    text = json.dumps(shown(change.place, value), ensure_ascii=False)
    return text if len(text) <= length else f"{text[:length]}…"


def value_change(difference: Difference) -> Change:
    """Return a difference of values as a change."""
    return Change(difference.place, difference.production, difference.local)


def _sides(change: Change) -> dict[str, Any]:
    sides = {"production": change.before, "local": change.after}
    return {name: shown(change.place, v) for name, v in sides.items() if v is not ABSENT}


def render_html(report: Report) -> str:
    """Return the HTML; it loads nothing."""
    values = {
        "report": report,
        "summary": summary(report),
        "no_reason": NO_REASON,
        "dotted": dotted,
        "value_change": value_change,
        "before": lambda change: side(change, change.before, 400),
        "after": lambda change: side(change, change.after, 400),
    }
    return render_page(PAGE, values)
