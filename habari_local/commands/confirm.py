"""Asking whether it is meant to delete something, here or in an existing cluster."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from habari_local.core.errors import USAGE, HabariError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from habari_local.platform.mode import Plan

SHOWN = 20  # things that are listed one by one


def confirm_deletion(things: Sequence[str], checkout: Path, *, yes: bool, again: str) -> None:
    """List what is about to be deleted; return if nothing is, or it is agreed to.

    Args:
        things: what goes, in words.
        checkout: whose it is.
        yes: it is agreed to on the command line.
        again: the command that asked for it, without --yes.

    Raises:
        HabariError: the answer is no, or nobody is there to be asked.
    """
    if not things:
        return
    more = [f"and {len(things) - SHOWN} more"] if len(things) > SHOWN else []
    listed = "".join(f"  - {each}\n" for each in [*things[:SHOWN], *more])
    sys.stderr.write(f"This deletes, of {checkout}:\n{listed}")
    if yes:
        return
    if not sys.stdin.isatty():
        raise HabariError(
            "Nothing was deleted: without a terminal, --yes is needed.", f"{again} --yes", USAGE
        )
    if not typer.confirm("Delete it?", err=True):
        raise HabariError("Nothing was deleted.", "habari-local status")


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
            f"This deletes {', '.join(plan.lost)}. Type the namespace to confirm",
            default="",
            show_default=False,
            err=True,
        )
    if meant != plan.place:
        seen = f"{meant} was given" if meant else "it was not confirmed"
        raise HabariError(
            f"Namespace {plan.place}: {seen}; confirm with its name that this deletes"
            f" {', '.join(plan.lost)}.",
            f"{again} --confirm {plan.place}",
            USAGE,
        )
