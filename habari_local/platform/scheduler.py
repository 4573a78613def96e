"""Running steps side by side, each after those it names, and undoing them; image builds too."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from habari_local.config.settings import Settings
from habari_local.core.console import Board
from habari_local.core.errors import Cancelled, HabariError
from habari_local.images.build import Task
from habari_local.platform.mode import UNCHANGED, Context, Progress, Step


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


def catalogue_name(settings: Settings, service: str) -> str:
    """Return the image of a service as the catalogue calls it: S3 has one for each backend."""
    return f"s3-{settings.s3_backend}" if service == "s3" else service


def images_step(services: Sequence[str]) -> Step:
    """Return the step that builds or pulls what is missing of the images of these services."""

    def action(ctx: Context, say: Progress) -> str:
        say("looking for images")
        tasks = ctx.images.tasks([catalogue_name(ctx.settings, name) for name in services])
        outcomes = run_tasks(tasks, ctx, say)
        made = [name for name, outcome in outcomes.items() if outcome != UNCHANGED]
        return f"made {', '.join(made)}" if made else UNCHANGED

    return Step("images", "images", action)


def task_step(task: Task) -> Step:
    """Return the step that makes sure of one image."""

    def action(ctx: Context, say: Progress) -> str:
        with ctx.installing(task.title):
            return task.perform(say, ctx.cancel)

    return Step(task.name, task.title, action, task.after)


class _OneStep:
    """A board that passes on what images wait for to the one step that they are part of."""

    def __init__(self, tasks: Sequence[Task], say: Progress) -> None:
        self._tasks, self._say = tasks, say

    def waits(self, number: int, text: str) -> None:
        if text:
            self._say(f"{self._tasks[number].name}: {text}")

    def ends(self, number: int, outcome: str, *, good: bool) -> None:
        """Show nothing: the step tells of all images when they are there."""


def run_tasks(tasks: Sequence[Task], ctx: Context, say: Progress) -> dict[str, str]:
    """Make sure of the images as part of a step; return the outcomes by name."""
    return run_steps([task_step(task) for task in tasks], ctx, _OneStep(tasks, say))
