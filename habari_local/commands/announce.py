"""Naming the checkout before a verb changes anything in it: every verb but those that only read."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any

import typer

# Verbs that change nothing here. One that is not listed names the checkout that it works on.
READS = frozenset(
    {
        *("status", "endpoints", "logs", "doctor", "why", "bundle", "diff", "open"),
        *("image list", "image check", "image verify"),
        *("config show", "config get", "config check", "config secret list", "backup list"),
        *("snapshot list",),
        *("s3 ls", "s3 cat", "s3 check"),
        *("tenant list", "tenant diff", "tenant check"),
    }
)


def announce(app: typer.Typer) -> None:
    """Have every verb of `app` that is not among `READS` begin with a line on standard error."""
    for name, info in verbs(app):
        if name not in READS and info.callback is not None:
            info.callback = _announced(info.callback)


def verbs(app: typer.Typer, before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each verb with its whole name, as Typer has it registered."""
    for info in app.registered_commands:
        function = info.callback
        name = info.name or (function.__name__.rstrip("_").replace("_", "-") if function else "")
        yield f"{before}{name}", info
    for group in app.registered_groups:
        if group.typer_instance is not None:
            yield from verbs(group.typer_instance, f"{before}{group.name} ")


def _announced(verb: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(verb)
    def named(*arguments: Any, **options: Any) -> Any:
        from habari_local.core import paths

        if paths.chosen() or paths.in_checkout():  # else the verb says whether it needs one
            sys.stderr.write(f"Checkout: {paths.find_checkout().root}\n")
        return verb(*arguments, **options)

    return named
