"""Running steps side by side, each after those it names, and undoing them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from habari_local.core.console import Board
from habari_local.core.errors import Cancelled, HabariError
from habari_local.platform.mode import Context, Step


def run_steps(steps: Sequence[Step], ctx: Context, shown: Board) -> dict[str, str]:
    """Run steps side by side, each after those it names; return the outcomes by name.

    The first failure cancels the others and is raised when they have ended. A step that was
    cancelled is no failure beside one, and no success without one.
    """
    outcomes: dict[str, str] = {}
    running: dict[Future[str], tuple[int, Step]] = {}
    waiting = list(enumerate(steps))
    failure: BaseException | None = None
    with ThreadPoolExecutor(max_workers=max(1, len(steps))) as pool:
        try:
            while waiting or running:
                for number, step in _ready(waiting, outcomes) if failure is None else ():
                    waiting.remove((number, step))
                    running[pool.submit(_run_step, number, step, ctx, shown)] = (number, step)
                if not running:
                    break
                done, _ = wait(running, timeout=1.0, return_when=FIRST_COMPLETED)
                for future in done:
                    number, step = running.pop(future)
                    error = future.exception()
                    if error is None:
                        outcomes[step.name] = future.result()
                    elif failure is None or isinstance(failure, Cancelled):
                        failure = error
                        ctx.cancel.set()
        except BaseException:
            ctx.cancel.set()
            raise
    if failure is not None:
        raise failure
    return outcomes


def roll_back(steps: Sequence[Step], ctx: Context) -> list[str]:
    """Undo steps, the last first; return what they say of it."""
    said = [step.undo(ctx) for step in reversed(steps) if step.undo is not None]
    return [each for each in said if each]


def _ready(waiting: Sequence[tuple[int, Step]], over: dict[str, str]) -> list[tuple[int, Step]]:
    return [(n, step) for n, step in waiting if all(name in over for name in step.after)]


def _run_step(number: int, step: Step, ctx: Context, shown: Board) -> str:
    def say(text: str) -> None:
        shown.waits(number, text)

    say("")
    try:
        outcome = step.action(ctx, say)
    except Cancelled:
        shown.ends(number, "stopped", good=False)
        raise
    except HabariError as error:
        shown.ends(number, error.message, good=False)
        raise
    shown.ends(number, outcome, good=True)
    return outcome
