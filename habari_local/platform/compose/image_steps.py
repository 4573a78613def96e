"""The images' step of the Compose modes: what is missing is built or pulled, side by side."""

from __future__ import annotations

from collections.abc import Sequence

from habari_local.images.build import Images, Task
from habari_local.platform.mode import UNCHANGED, Context, Progress, Step
from habari_local.platform.scheduler import run_steps


def images(ctx: Context) -> Images:
    """Return the checkout's images."""
    return Images(ctx.checkout, ctx.settings, ctx.environ)


def name_in_catalogue(ctx: Context, service: str) -> str:
    """Return the image of a service as the catalogue calls it: S3 has one for each backend."""
    return f"s3-{ctx.settings.s3_backend}" if service == "s3" else service


def references(ctx: Context, services: Sequence[str]) -> dict[str, str]:
    """Return what the services' images are called, by service."""
    known = images(ctx)
    return {name: known.reference(name_in_catalogue(ctx, name)) for name in services}


def step(services: Sequence[str]) -> Step:
    """Return the step that makes sure of the images of these services."""

    def action(ctx: Context, say: Progress) -> str:
        say("looking for images")
        tasks = images(ctx).tasks([name_in_catalogue(ctx, name) for name in services])
        made = [
            name for name, outcome in run_tasks(tasks, ctx, say).items() if outcome != UNCHANGED
        ]
        return f"made {', '.join(made)}" if made else UNCHANGED

    return Step("images", "images", action)


def task_step(task: Task) -> Step:
    """Return the step that makes sure of one image."""

    def action(ctx: Context, say: Progress) -> str:
        with ctx.installing(task.title):
            return task.perform(say, ctx.cancel)

    return Step(task.name, task.title, action, task.after)


class _Forward:
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
    return run_steps([task_step(task) for task in tasks], ctx, _Forward(tasks, say))
