"""Asking whether a change of a cluster of others is meant, when something would be lost by it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from habari_local.errors import USAGE, HabariError

if TYPE_CHECKING:
    from habari_local.modes.base import Plan


def confirm(plan: Plan, meant: str | None, again: str) -> None:
    """Return if nothing would be lost, or the person names the place where it would.

    Args:
        plan: with what would be lost, and the place.
        meant: the place as it was given on the command line; None: it was not.
        again: the command that says it at once.

    Raises:
        HabariError: another place was named, or nobody is there to be asked.
    """
    if not plan.lost:
        return
    if meant is None and sys.stdin.isatty():
        meant = typer.prompt(
            f"Lost with it: {', '.join(plan.lost)}. Type the namespace to go on",
            default="",
            show_default=False,
            err=True,
        )
    if meant != plan.place:
        seen = f"{meant} was named" if meant else "it was not named"
        raise HabariError(
            f"Namespace {plan.place}: {seen}, its name was expected from who means to lose"
            f" {', '.join(plan.lost)}.",
            f"{again} --yes-i-mean {plan.place}",
            USAGE,
        )
