"""The report of `diff` as one HTML file, to be read before a change goes to the cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from habari_local.helm_values.report import NO_REASON, Report, side, summary, value_change
from habari_local.helm_values.tree_diff import Change
from habari_local.helm_values.values import dotted

HEAD = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Habari: one machine and production</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; color: #1f2328; background: #fff }
h2 { margin-top: 2.5rem } table { border-collapse: collapse; width: 100%; table-layout: fixed }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem; border-bottom: 1px solid #d0d7de; overflow-wrap: anywhere }
code { font: 13px/1.4 ui-monospace, monospace } .before { color: #9a3412 } .after { color: #166534 }
.where { color: #59636e } .unexplained { background: #ffebe9; font-weight: 600 }
@media (prefers-color-scheme: dark) { body { color: #e6edf3; background: #0d1117 } th, td { border-color: #3d444d }
.before { color: #ffa657 } .after { color: #7ee787 } .where { color: #9198a1 } .unexplained { background: #67060c } }
</style>
"""  # noqa: E501 (a style sheet)


def render_html(report: Report) -> str:
    """Return the HTML; it loads nothing."""
    unexplained = ' class="unexplained"' if report.without_reason else ""
    overlays = " + ".join(report.overlays)
    return "\n".join(
        [
            f"{HEAD}<h1>One machine and production</h1>",
            f"<p>Chart {_code(report.chart.title)}, {_code(report.production)} → {_code(overlays)}",
            f"<p{unexplained}>{escape(summary(report))}",
            "<h2>Values</h2>",
            *_table(("value", "production", "here", "why"), _values(report)),
            "<h2>What the chart renders</h2>",
            *_table(("place", "production", "here", "by"), _manifests(report)),
            "</html>\n",
        ]
    )


def _values(report: Report) -> Iterator[str]:
    for each in report.values:
        unexplained = "" if each.reason else ' class="unexplained"'
        where = f'<br><code class="where">{escape(each.where)}</code>'
        why = f"<td>{escape(each.reason or NO_REASON)}{where}"
        sides = _sides(value_change(each))
        yield f"<tr{unexplained}><td>{_code(dotted(each.place))}{sides}{why}"


def _manifests(report: Report) -> Iterator[str]:
    for thing, found in report.by_thing():
        yield f'<tr><th colspan="4">{escape(thing)}'
        for effect in found:
            place = dotted(effect.change.place) or "the whole"
            by = _code(report.by(effect))
            yield f"<tr><td>{_code(place)}{_sides(effect.change)}<td>{by}"


def _sides(change: Change) -> str:
    before, after = side(change, change.before, 400), side(change, change.after, 400)
    return f"<td>{_code(before, 'before')}<td>{_code(after, 'after')}"


def _code(text: str, kind: str = "") -> str:
    of = f' class="{kind}"' if kind else ""
    return f"<code{of}>{escape(text)}</code>"


def _table(headings: Sequence[str], rows: Iterator[str]) -> list[str]:
    head = "".join(f"<th>{each}" for each in headings)
    return ["<table>", f"<tr>{head}", *rows, "</table>"]
