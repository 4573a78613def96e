"""The plot of a bring-up's phases: a bar for each, from when it began to when it was over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, LEFT, ROW = 900, 260, 26


@dataclass(frozen=True)
class Phase:
    """One step: from `began` to `ended` in seconds since the start, and what came of it."""

    title: str
    began: float
    ended: float
    said: str


def svg(phases: Sequence[Phase]) -> str:
    """Return the plot, those that begin first on top."""
    whole = max((each.ended for each in phases), default=1.0)
    scale = (WIDTH - LEFT - 60) / whole
    height = ROW * len(phases) + 50
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
    ]
    for second in range(0, int(whole) + 1, 5):
        x = LEFT + second * scale
        parts.append(f'<line x1="{x:.0f}" y1="24" x2="{x:.0f}" y2="{height}" stroke="#e5e9ee"/>')
        parts.append(f'<text x="{x:.0f}" y="16" text-anchor="middle" fill="#667">{second} s</text>')
    for number, each in enumerate(sorted(phases, key=lambda phase: (phase.began, phase.ended))):
        top = 30 + ROW * number
        x, width = LEFT + max(each.began, 0) * scale, max((each.ended - each.began) * scale, 2)
        parts.append(
            f'<text x="{LEFT - 10}" y="{top + 15}" text-anchor="end">{escape(each.title)}</text>'
        )
        parts.append(
            f'<rect x="{x:.0f}" y="{top + 2}" width="{width:.0f}" height="18" fill="#0a7d55">'
            f"<title>{escape(each.said)}</title></rect>"
        )
        label = f"{each.ended - each.began:.1f}"
        parts.append(f'<text x="{x + width + 4:.0f}" y="{top + 15}" fill="#667">{label}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"
