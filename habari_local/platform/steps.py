"""Steps that several modes have: the folders that users see, and the address that they open."""

from __future__ import annotations

from collections.abc import Callable

from habari_local.core import container_user, polling
from habari_local.core.paths import project_folder
from habari_local.platform.mode import UNCHANGED, Context, Progress, Step

START_SECONDS = 90.0  # until a hub that answers is found behind its proxy


def folders(prepare: Callable[[], object], *, in_containers: bool = True) -> Step:
    """Return the step that makes the project's folder, and what `prepare` does.

    `in_containers`: who runs in containers must be able to write to it.
    """

    def action(ctx: Context, say: Progress) -> str:
        say("creating folders")
        prepare()
        if not project_folder(ctx.project_path):
            return UNCHANGED
        if in_containers:
            container_user.chown(ctx.project_path)
        return f"created {ctx.project_path}"

    return Step("folders", "folders", action)


def public_address(
    url: str, after: tuple[str, ...], connect: Callable[[], object] = lambda: None
) -> Step:
    """Return the step that waits until users' address leads to the hub, once `connect` was done."""
    page = f"{url}/hub/health"

    def action(ctx: Context, say: Progress) -> str:
        if polling.http_ok(page):
            return UNCHANGED
        if not ctx.wait:
            return "not waited for"
        connect()
        polling.wait_until(
            lambda: polling.http_ok(page),
            "Habari",
            seconds=START_SECONDS,
            tick=lambda: say(f"waiting for {page}"),
            cancel=ctx.cancel,
        )
        return "connected"

    return Step("routes", "the address that users open", action, after)
