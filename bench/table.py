"""The bench's table and plot: our figures, those by hand, the ratio, the goal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench.ours import Figures


@dataclass(frozen=True)
class Row:
    """One line: what is measured, its unit, and the goals of the issue (None: no goal)."""

    key: str
    title: str
    unit: str
    goal: float | None = None
    ratio_goal: float | None = None


ROWS = (
    Row("cold", "first `up` of a machine, caches empty", "s", 90),
    Row("up", "`up` → all answer", "s", 3, 0.7),
    Row("first_save", "`up` → first notebook saved (ours in S3)", "s", 6, 0.6),
    Row("spawn", "spawn", "s", 2.5),
    Row("save", "save a 30 kB notebook through the hub (ours in S3)", "s"),
    Row("s3_save", "… in S3 itself (ours: checked, built anew, on the disk)", "s"),
    Row("list", "list its folder", "s"),
    Row("memory_idle", "memory, no server (PSS)", "MB", 280),
    Row("memory_one", "memory, one server (PSS)", "MB", 400),
    Row("second_up", "second `up`", "s", 0.5),
    Row("shells", "… from ten shells, the slowest", "s", 1),
    Row("status", "`status`", "s", 0.5),
    Row("edit", "edit in hub/ → the hub answers with it (`up --watch`)", "s", 2),
    Row("down", "`down`", "s", 3),
    Row("left", "processes and ports left by `down`", "", 0),
    Row("e2e", "end-to-end suite, its up and down included", "s", 60),
    Row("help", "`habari-local --help`", "s", 0.25),
)


def middle(runs: Sequence[Figures], key: str) -> float | None:
    """Return the median of a figure over runs; None where it was not measured."""
    values = [run[key] for run in runs if key in run]
    return median(values) if values else None


def spread(runs: Sequence[Figures], key: str) -> str:
    """Return a figure as median (min-max)."""
    values = [run[key] for run in runs if key in run]
    if not values:
        return ""
    digits = 0 if max(values) >= 100 or max(values) == 0 else 2
    shown = [f"{value:.{digits}f}" for value in (median(values), min(values), max(values))]
    return shown[0] if len(values) == 1 else f"{shown[0]} ({shown[1]}-{shown[2]})"


def markdown(ours: Sequence[Figures], by_hand: Sequence[Figures]) -> str:
    """Return the table as Markdown."""
    lines = ["| what | ours | by hand | ratio | goal | met |", "|---|---|---|---|---|---|"]
    for row in ROWS:
        mine, theirs = middle(ours, row.key), middle(by_hand, row.key)
        if mine is None:
            if row.goal is not None:
                lines.append(f"| {row.title} | not measured in this run | | | ≤ {row.goal:g} | |")
            continue
        ratio = mine / theirs if theirs else None
        goals = [f"≤ {row.goal:g} {row.unit}".strip()] if row.goal is not None else []
        goals += [f"≤ {row.ratio_goal:g} x"] if row.ratio_goal else []
        good = (row.goal is None or mine <= row.goal) and (
            not row.ratio_goal or (ratio is not None and ratio <= row.ratio_goal)
        )
        met = ("yes" if good else "**no**") if goals else ""
        unit = f" {row.unit}" if row.unit else ""
        lines.append(
            f"| {row.title} | {spread(ours, row.key)}{unit} | {spread(by_hand, row.key)} "
            f"| {f'{ratio:.2f}' if ratio else ''} | {', '.join(goals)} | {met} |"
        )
    return "\n".join(lines) + "\n"


def svg(ours: Sequence[Figures], by_hand: Sequence[Figures]) -> str:
    """Return a plot: two bars for each figure that both have, scaled to the larger."""
    rows = [row for row in ROWS if middle(ours, row.key) and middle(by_hand, row.key)]
    height = 44 * len(rows) + 50
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 {height}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="760" height="{height}" fill="#fff"/>',
        '<text x="310" y="22"><tspan fill="#0a7d55">■ Habari local</tspan>  '
        '<tspan fill="#9aa5b1">■ the same parts by hand</tspan></text>',
    ]
    for number, row in enumerate(rows):
        top = 40 + 44 * number
        mine, theirs = middle(ours, row.key) or 0.0, middle(by_hand, row.key) or 0.0
        title = row.title.replace("`", "").replace("→", "to")
        parts.append(f'<text x="300" y="{top + 20}" text-anchor="end">{title}</text>')
        for place, (value, colour) in enumerate(((mine, "#0a7d55"), (theirs, "#9aa5b1"))):
            width = 340 * value / max(mine, theirs)
            y = top + 16 * place
            parts.append(f'<rect x="310" y="{y}" width="{width:.0f}" height="14" fill="{colour}"/>')
            label = f"{value:.0f}" if value >= 100 else f"{value:.2g}"
            x = 314 + width
            parts.append(f'<text x="{x:.0f}" y="{y + 12}">{label} {row.unit}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"
