"""What in a log tells of a fault: lines written since it, and none that our own probes caused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from habari_local.drivers.log_files import STARTED

# In the query of each request that `why` sends, and so in the line that a service logs of it.
MARK = "habari-probe"
# What no person asks for: those who do are `status`, `up`, Docker and Kubernetes. A code that the
# hub never gave is one of `why`: a browser brings those that it was given.
PROBES = re.compile(
    rf"{MARK}|/hub/health\b|/_chp_healthz\b|/_habari/health\b|400 POST /hub/api/oauth2/token"
)
SINCE = 120.0  # seconds that a log goes back from its last line: what came before is another story
# Of the hub and of servers, of the proxy, of PostgreSQL and Kubernetes, of Python.
BAD = re.compile(
    r"\[[EWC] \d|\b(error|warn(ing)?|fatal|panic|critical|refused|failed)\b|Error\b|Traceback"
    r"|exception| [45]\d\d (GET|POST|PUT|HEAD|DELETE|PATCH)\b",
    re.IGNORECASE,
)
# Of these, what is no mere warning, and no answer to somebody's mistake.
ERROR = re.compile(
    r"\[[EC] \d|\b(error|fatal|panic|critical)\b|Error\b|Traceback|exception"
    r"| 5\d\d (GET|POST|PUT|HEAD|DELETE|PATCH)\b",
    re.IGNORECASE,
)
DAY = 86400.0
DATED = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)")
COMMON = re.compile(r"(\d\d/\w{3}/\d{4})[: ](\d\d:\d\d:\d\d)")  # of the Common Log Format
CLOCK = re.compile(r"(?:^|\| )(\d\d:\d\d:\d\d)\b")
HEAD = 80  # letters of a line in which its time is looked for: later ones are what it tells of

Moment = tuple[float | None, float]  # seconds since the epoch, where the date is told; of the day


def since_the_fault(lines: Sequence[str]) -> list[str]:
    """Return the lines of one service's log that are about what is broken now.

    They are of its present or last life, of the last minutes of the log's own time (a stopped one
    wrote nothing since), and no traces of probes.
    """
    begin = max((n for n, line in enumerate(lines) if STARTED in line), default=-1)
    life = lines[begin + 1 :]
    ages = _ages(life)
    return [
        line
        for line, age in zip(life, ages, strict=True)
        if age <= SINCE and not PROBES.search(line)
    ]


def last_errors(lines: Sequence[str]) -> list[str]:
    """Return the lines of a service's present or last life that tell of an error."""
    begin = max((n for n, line in enumerate(lines) if STARTED in line), default=-1)
    return [line for line in lines[begin + 1 :] if ERROR.search(line) and not PROBES.search(line)]


def telling(lines: Sequence[str]) -> list[str]:
    """Return the lines that a person wants to see: errors and warnings, with what belongs to them.

    All that is there if none of them says that it is one, but then the last three are enough.
    """
    shown: list[str] = []
    bad = False
    for line in lines:
        if _moment(line):
            bad = bool(BAD.search(line))
        elif BAD.search(line):
            bad = True
        if bad:
            shown.append(line)
    return shown or list(lines[-3:])


def _ages(lines: Sequence[str]) -> list[float]:
    """Return how many seconds before the last line each was written.

    One without a time goes with the one before it, as the lines of a traceback do.
    """
    moments: list[Moment | None] = []
    for line in lines:
        moments.append(_moment(line) or (moments[-1] if moments else None))
    ages: list[float] = []
    age, later = 0.0, None
    for moment in reversed(moments):
        if moment and later:
            age += _between(moment, later)
        later = moment or later
        ages.append(age)
    return ages[::-1]


def _moment(line: str) -> Moment | None:
    head = line[:HEAD]
    for pattern, layout in ((DATED, "%Y-%m-%d %H:%M:%S"), (COMMON, "%d/%b/%Y %H:%M:%S")):
        found = pattern.search(head)
        if found:
            try:
                at = datetime.strptime(f"{found[1]} {found[2]}", layout)
            except ValueError:
                continue
            seconds = (at - datetime(1970, 1, 1)).total_seconds()
            return seconds, seconds % DAY
    found = CLOCK.search(head)
    if not found:
        return None
    hours, minutes, seconds = (int(part) for part in found[1].split(":"))
    return None, float(hours * 3600 + minutes * 60 + seconds)


def _between(earlier: Moment, later: Moment) -> float:
    """Return the seconds between two lines; a clock without a date may have passed midnight."""
    if earlier[0] is not None and later[0] is not None:
        return max(0.0, later[0] - earlier[0])
    passed = (later[1] - earlier[1]) % DAY
    return 0.0 if passed > DAY - 5 else passed  # threads write a line late now and then
