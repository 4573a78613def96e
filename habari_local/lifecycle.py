"""Bringing a mode up and down: check, steps, and everything undone on failure."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from habari_local import active_mode
from habari_local.core.checkout import checkout_lock
from habari_local.core.console import LiveBoard, PlainBoard, board
from habari_local.core.errors import HabariError
from habari_local.platform.mode import UNCHANGED, Context, DownResult, Mode, RemoteMode
from habari_local.platform.scheduler import roll_back, run_steps

Shown = Callable[[Sequence[str]], PlainBoard | LiveBoard]


def up(mode: Mode, ctx: Context, *, keep: bool = False, show: Shown = board) -> bool:
    """Bring `mode` up, its steps shown by `show`; return whether anything had to be done.

    On an error or Ctrl-C everything that this call started is taken back (unless `keep`), logs
    stay.

    Raises:
        HabariError: what kept it from coming up.
        KeyboardInterrupt: Ctrl-C, after the roll-back.
    """
    with checkout_lock(ctx.checkout.state, f"up --mode {mode.name}"):
        remembered = not isinstance(mode, RemoteMode)
        if remembered:
            require_no_other_mode(mode, ctx)
        mode.check(ctx)
        first = remembered and active_mode.active_mode(ctx.checkout) is None
        steps = mode.steps(ctx)
        try:
            if remembered:
                active_mode.remember(ctx, mode.name)
            with show([step.title for step in steps]) as shown:
                outcomes = run_steps(steps, ctx, shown)
        except BaseException as error:
            if not keep:
                with _ignore_signals():
                    undone = roll_back(steps, ctx)
                    if first:
                        active_mode.forget(ctx.checkout, mode.name)
                if isinstance(error, HabariError):
                    error.details = (*error.details, *undone)
            raise
    return any(step.changes and outcomes.get(step.name, UNCHANGED) != UNCHANGED for step in steps)


@contextmanager
def running_platform(mode: Mode, ctx: Context, *, keep: bool = False) -> Iterator[Context]:
    """Have `mode` up for the block, with the context that it came up with.

    One that was down before is taken down after it, unless `keep`. One elsewhere is met as it is:
    it is for others to bring up and down.
    """
    if isinstance(mode, RemoteMode):
        yield ctx
        return
    was_up = active_mode.active_mode(ctx.checkout) == mode.name
    up(mode, ctx)
    there = ctx
    try:
        _, there = active_mode.current(mode.name)
        yield there
    finally:
        if not (was_up or keep):
            down(mode, there)


def require_no_other_mode(mode: Mode, ctx: Context) -> None:
    """Refuse to go on while another mode is up in this checkout.

    Raises:
        HabariError: one is.
    """
    other = active_mode.active_mode(ctx.checkout)
    if other not in (None, mode.name):
        raise HabariError(
            f"Mode {other} is up in this checkout; only one mode can be up at a time.",
            "habari-local down",
        )


def down(mode: Mode, ctx: Context, *, wipe: bool = False) -> DownResult:
    """Stop `mode`; with `wipe` delete its data too. Nothing to stop is no error."""
    with checkout_lock(ctx.checkout.state, f"down --mode {mode.name}"):
        with _ignore_signals():
            stopped = mode.down(ctx, wipe=wipe)
            active_mode.forget(ctx.checkout, mode.name)
        return stopped


@contextmanager
def _ignore_signals() -> Iterator[None]:
    """Let a clean-up end: another Ctrl-C would only leave something behind."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(each, signal.SIG_IGN) for each in signals]
    try:
        yield
    finally:
        for each, handler in zip(signals, before, strict=True):
            signal.signal(each, handler)
