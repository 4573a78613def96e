"""The images' step of the Compose modes: what is missing is built or pulled, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from habari_local.core.errors import Cancelled
from habari_local.images.build import Images, Task
from habari_local.platform.mode import UNCHANGED, Context, Progress, Step


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
        made = [name for name, outcome in _perform(tasks, ctx, say).items() if outcome != UNCHANGED]
        return f"made {', '.join(made)}" if made else UNCHANGED

    return Step("images", "images", action)


def _perform(tasks: Sequence[Task], ctx: Context, say: Progress) -> dict[str, str]:
    """Perform the tasks, each when those it stands on are done; the first failure ends the rest."""
    started: dict[str, Future[str]] = {}

    def one(task: Task) -> str:
        for name in task.after:
            started[name].result()
        try:
            with ctx.installing(f"image {task.name}"):
                return task.perform(lambda text: say(f"{task.name}: {text}"), ctx.cancel)
        except BaseException:
            ctx.cancel.set()
            raise

    with ThreadPoolExecutor(max(1, len(tasks))) as pool:
        for task in tasks:
            started[task.name] = pool.submit(one, task)
    failures = [each for each in (f.exception() for f in started.values()) if each is not None]
    if failures:  # those that were cancelled because another failed say nothing
        raise next((each for each in failures if not isinstance(each, Cancelled)), failures[0])
    return {name: future.result() for name, future in started.items()}
