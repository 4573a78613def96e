"""`habari-local logs`: what the services and users' servers wrote."""

from __future__ import annotations

import json
import re
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Annotated

import typer

from habari_local.commands import completion
from habari_local.commands.options import ContextName, ModeName, Namespace, cluster, resolve
from habari_local.core.console import Result
from habari_local.core.errors import USAGE, HabariError

LINES = 50  # of each, where nobody says how many
ALL = 10_000_000  # lines: more than any log has
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def logs(  # noqa: PLR0913, PLR0917 (each is an option of the command line)
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SERVICE|USER]...", autocompletion=completion.services_and_users),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Print new lines too.")] = False,
    lines: Annotated[
        int | None,
        typer.Option("--lines", "-n", min=0, help="Last lines of each; 50, or all that match."),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="AGE", help="For example 30s, 5m, 2h or 1d.")
    ] = None,
    grep: Annotated[
        str | None,
        typer.Option("--grep", metavar="REGEX", help="Lines that match; lower case ignores case."),
    ] = None,
    mode: ModeName = None,
    context: ContextName = None,
    namespace: Namespace = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object per line: name, text, time if known.")
    ] = False,
) -> Result:
    """Show what services and servers wrote.

    The last lines of all, or of the services and users that are named.

    Example: habari-local logs hub --since 5m --grep error
    """
    from habari_local import active_mode

    wanted, after = _pattern(grep), _moment(since)
    chosen, ctx = active_mode.current(mode, cluster(mode, context, namespace))
    active_mode.require_secrets(chosen, ctx)
    targets = resolve(chosen, ctx, names or (), "habari-local logs {name}")
    found = chosen.logs(
        ctx,
        [each.service or each.user for each in targets],
        follow=follow,
        lines=ALL if wanted or (after is not None and lines is None) else _or(lines, LINES),
        since=after,
    )
    if as_json or not sys.stdout.isatty():
        found = (COLOUR.sub("", line) for line in found)
    if wanted:
        found = (line for line in found if wanted.search(line.partition(" | ")[2]))
        found = found if follow or lines is None else _last(found, lines)
    return Result(lines=map(_json, found) if as_json else found)


def _or(given: int | None, otherwise: int) -> int:
    return otherwise if given is None else given


def _pattern(text: str | None) -> re.Pattern[str] | None:
    """Return what lines must match: a capital letter in it makes capitals count.

    Raises:
        HabariError: it is no regular expression.
    """
    if text is None:
        return None
    try:
        return re.compile(text, re.IGNORECASE if text == text.lower() else 0)
    except re.error as error:
        raise HabariError(
            f"--grep {text}: not a regular expression ({error}).",
            "habari-local logs --grep error",
            USAGE,
        ) from error


def _moment(age: str | None) -> float | None:
    """Return the moment that was `age` ago, in seconds since the epoch.

    Raises:
        HabariError: it is no age.
    """
    if age is None:
        return None
    found = re.fullmatch(r"(\d+)([smhd])", age.strip())
    if not found:
        raise HabariError(
            f"--since {age}: expected a number with s, m, h or d.",
            "habari-local logs --since 5m",
            USAGE,
        )
    return time.time() - int(found[1]) * UNITS[found[2]]


def _last(lines: Iterable[str], count: int) -> Iterator[str]:
    """Yield the last lines of each log."""
    kept: dict[str, deque[str]] = {}
    for line in lines:
        kept.setdefault(line.partition(" | ")[0], deque(maxlen=count)).append(line)
    for each in kept.values():
        yield from each


def _json(line: str) -> str:
    from datetime import UTC, datetime

    from habari_local.drivers.log_files import written_at

    name, _, text = line.partition(" | ")
    written = written_at(text)
    told = datetime.fromtimestamp(written, UTC).isoformat() if written is not None else None
    return json.dumps({"name": name.strip(), "time": told, "text": text})
