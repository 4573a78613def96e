"""The plot of a drill: what became of saves, second by second, and when what was broken."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from xml.sax.saxutils import escape

from habari_local.drills.fault_injection import InjectedFault
from habari_local.drills.save_ledger import SaveAttempt

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 960, 340, 60, 64, 40
BARS = 120  # at most
COLOURS = {"saved": "#0a7d55", "unconfirmed": "#d98e04", "refused": "#c0392b"}


def svg(title: str, attempts: Sequence[SaveAttempt], faults: Sequence[InjectedFault]) -> str:
    """Return the plot as SVG: bars of answers, stacked, over bands of faults."""
    end = max([1.0, *(each.told for each in attempts), *(each.recovered for each in faults)])
    wide = max(1, math.ceil(end / BARS))  # seconds a bar
    counted: Counter[tuple[int, str]] = Counter(
        (int(each.told // wide), each.outcome) for each in attempts
    )
    bars = range(int(end // wide) + 1)
    highest = max((sum(counted[bar, name] for name in COLOURS) for bar in bars), default=0) or 1
    across = (WIDTH - LEFT - 20) / (len(bars) * wide)
    up = (HEIGHT - TOP - BOTTOM) * 0.85 / highest  # bands stay to be seen above bars
    floor = HEIGHT - BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="20" font-size="14">{escape(title)}</text>',
        *_legend(),
        *(_band(each, across, number) for number, each in enumerate(faults)),
    ]
    for bar in bars:
        y = float(floor)
        for name, colour in COLOURS.items():
            tall = counted[bar, name] * up
            y -= tall
            if tall:
                parts.append(
                    f'<rect x="{LEFT + bar * wide * across:.1f}" y="{y:.1f}" fill="{colour}" '
                    f'width="{max(1.0, wide * across - 1):.1f}" height="{tall:.1f}"/>'
                )
    parts += [
        f'<path d="M{LEFT} {TOP}V{floor}H{WIDTH - 20}" fill="none" stroke="#555"/>',
        f'<text x="{LEFT - 6}" y="{floor - highest * up + 10:.0f}" text-anchor="end">{highest}'
        "</text>",
        f'<text x="{LEFT - 6}" y="{floor}" text-anchor="end">0</text>',
        f'<text x="{LEFT}" y="{HEIGHT - 14}">0 s</text>',
        f'<text x="{WIDTH - 20}" y="{HEIGHT - 14}" text-anchor="end">{end:.0f} s, '
        f"answers in {wide} s each</text>",
    ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _legend() -> list[str]:
    return [
        f'<text x="{WIDTH - 320 + 110 * number}" y="20" fill="{colour}">■ {name}</text>'
        for number, (name, colour) in enumerate(COLOURS.items())
    ]


def _band(fault: InjectedFault, across: float, number: int) -> str:
    x, wide = LEFT + fault.began * across, (fault.recovered - fault.began) * across
    title = f"{fault.name}, {fault.began:.0f} s to {fault.recovered:.0f} s"
    label = ""
    if wide >= 20:  # else it is told by the tooltip alone
        label = f'<text x="{x:.1f}" y="{TOP - 20 + 14 * (number % 2)}">{fault.name}</text>'
    return (
        f'<g><title>{title}</title><rect x="{x:.1f}" y="{TOP}" width="{max(1.0, wide):.1f}" '
        f'height="{HEIGHT - TOP - BOTTOM}" fill="#e4e7eb"/>{label}</g>'
    )
