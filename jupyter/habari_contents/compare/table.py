"""The comparison's table and plot."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from .measures import LIMIT, Figures

DATA = Path(__file__).parents[1] / "tests" / "losses.toml"
LOSSES = tomllib.loads(DATA.read_text(encoding="utf-8"))["loss"]
COLOURS = {"ours": "#0a7d55", "s3contents": "#b4690e", "jupyter-fs": "#3f6fb5", "disk": "#9aa5b1"}


@dataclass(frozen=True)
class Row:
    """One line: what is measured, its unit, and the goal for ours (0: none)."""

    key: str
    title: str
    unit: str
    goal: float = 0


ROWS = (
    Row("list", "list 100 files + 100 folders", "s", 0.1),
    Row("list_calls", "calls to S3 for that", "", 2),
    Row("list_many", "list 10,000 objects", "s", 1.5),
    Row("list_many_store", "same, by aiobotocore without a server", "s"),
    Row("open", "open a 30 kB notebook", "s"),
    Row("save", "save a 30 kB notebook", "s"),
    Row("save_large", "save a 30 MB notebook", "s", 1.2),
    Row("memory_large", "memory above idle during that", "MB", 150),
    Row("rename", "rename a folder of 1,500 files", "s", 15),
    Row("rename_stall", "longest event-loop stall", "s", 0.05),
    Row("rename_moved", "files at the new name afterwards", ""),
    Row("refuse", "S3 rejects a save: time to answer", "s", 1),
    Row("refuse_stall", "longest event-loop stall", "s"),
    Row("hang", "S3 hangs on a save: time to answer", "s", 10),
    Row("hang_stall", "longest event-loop stall", "s"),
    Row("large_stall", "longest stall of a status request during a save of 30 MB", "s"),
    Row("far_rename", "30 ms to S3: rename a file", "s", 0.25),
    Row("far_duplicate", "30 ms to S3: duplicate a file", "s", 0.2),
    Row("far_folder", "30 ms to S3: new folder", "s", 0.1),
    Row("far_delete", "30 ms to S3: delete a file", "s", 0.15),
    Row("far_save", "30 ms to S3: save over", "s", 0.1),
    Row("far_new", "30 ms to S3: save new", "s", 0.13),
    Row("far_rename_folder", "30 ms to S3: rename a folder of 200", "s", 1.5),
    Row("far_list", "30 ms to S3: list", "s", 0.08),
    Row("start", "CPU time added to server start", "s", 0.3),
    Row("start_memory", "memory added to a server", "MB", 25),
)
UNDRAWN = {"start", "list_many_store"}


def shown(value: float | None, unit: str) -> str:
    """A figure with three digits."""
    if value is None:
        return ""
    if unit == "s" and value >= 0.99 * LIMIT:
        return f"> {LIMIT:.0f}"
    return (
        f"{value:.0f}"
        if value >= 100 or not unit
        else f"{value:.3f}"
        if value < 1
        else f"{value:.1f}"
    )


def markdown(figures: dict[str, Figures]) -> str:
    """The table as Markdown; the last column says whether ours is as good as it must be."""
    lines = [
        "| | ours | s3contents | jupyter-fs | disk | goal | met |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in ROWS:
        goal, said = row.goal, f"≤ {row.goal:g} {row.unit}".strip() if row.goal else ""
        plain = figures["ours"].get(f"plain_{row.key}")
        if plain:
            goal, said = 1.5 * plain, f"≤ 1.5 * {plain:.3f} s"
        if row.key == "large_stall" and row.key in figures["disk"]:
            goal, said = figures["disk"][row.key] + 0.1, "≤ the disk's + 0.1 s"
        mine = figures["ours"].get(row.key)
        met = "" if not goal or mine is None else "yes" if mine <= goal else "**no**"
        cells = [shown(figures[name].get(row.key), row.unit) for name in COLOURS]
        unit = f" ({row.unit})" if row.unit else ""
        lines.append(f"| {row.title}{unit} | {' | '.join(cells)} | {said} | {met} |")
    return "\n".join(lines) + "\n"


def losses(lost: dict[str, dict[int, str]]) -> str:
    """Which of the 24 each loses, beside what was found when they were written down."""
    lines = ["| | lost | s3contents | jupyter-fs |", "|---|---|---|---|"]
    for loss in LOSSES:
        cells = [lost[name].get(loss["number"], "") for name in ("s3contents", "jupyter-fs")]
        lines.append(f"| {loss['number']} | {loss['lost']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def svg(figures: dict[str, Figures]) -> str:
    """The rows that are seconds as bars, each row scaled to its longest."""
    rows = [row for row in ROWS if row.unit == "s" and row.key not in UNDRAWN]
    height = 74 * len(rows) + 40
    legend = "  ".join(f'<tspan fill="{c}">■ {name}</tspan>' for name, c in COLOURS.items())
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="760" height="{height}" fill="#fff"/>',
        f'<text x="260" y="20">{legend}</text>',
    ]
    for number, row in enumerate(rows):
        top = 34 + 74 * number
        parts.append(f'<text x="250" y="{top + 34}" text-anchor="end">{row.title}</text>')
        longest = max(figures[name].get(row.key, 0.0) for name in COLOURS) or 1.0
        for place, (name, colour) in enumerate(COLOURS.items()):
            value = figures[name].get(row.key)
            if value is None:
                continue
            y, width = top + 15 * place, max(1.0, 420 * value / longest)
            parts.append(f'<rect x="260" y="{y}" width="{width:.0f}" height="12" fill="{colour}"/>')
            label = f"{shown(value, row.unit)} s".replace(">", "&gt;")
            parts.append(f'<text x="{264 + width:.0f}" y="{y + 10}">{label}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"
