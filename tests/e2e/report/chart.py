"""The geometry of the report's bar chart: which bar lies where, in user units of the SVG."""

from dataclasses import dataclass
from statistics import median

from .model import Run

WIDTH = 1000
LABEL = 270
VALUE = 80
ROW = 26
BAR = 14


@dataclass(frozen=True)
class Bar:
    """One bar: median seconds of a step in a mode, and where it is drawn."""

    label: str
    mode: str
    series: int
    seconds: float
    times: int
    y: float
    length: float


@dataclass(frozen=True)
class Chart:
    """All bars and the height of the drawing."""

    bars: list[Bar]
    modes: list[str]
    height: float


def of_timings(runs: list[Run]) -> Chart:
    """A bar for each step and mode, steps in the order in which they were first measured."""
    steps = list(dict.fromkeys(timing.name for run in runs for timing in run.timings))
    rows = [
        (step, series, run.mode, seconds)
        for step in steps
        for series, run in enumerate(runs)
        if (seconds := [timing.seconds for timing in run.timings if timing.name == step])
    ]
    longest = max((median(seconds) for *_, seconds in rows), default=1.0) or 1.0
    bars = [
        Bar(
            label=step,
            mode=mode,
            series=series,
            seconds=median(seconds),
            times=len(seconds),
            y=index * ROW,
            length=max(2.0, median(seconds) / longest * (WIDTH - LABEL - VALUE)),
        )
        for index, (step, series, mode, seconds) in enumerate(rows)
    ]
    return Chart(bars, [run.mode for run in runs], len(bars) * ROW)
