"""Having edits of `jupyter/` count in the running server: a restart, or an image made anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from habari_local.core import polling
from habari_local.core.errors import HabariError
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.docker.client import ResourceLabels
from habari_local.platform.mode import Context

START_SECONDS = 60.0
# Mounted into the container: a restart is enough. All else of the folder goes into the image.
LIVE = ("habari_contents", "jupyter_server_config.py")


def watched(
    ctx: Context, ours: ResourceLabels, page: str, bring_up: Callable[[], None]
) -> Iterator[str]:
    """Yield a line for each edit that was made to count, until interrupted."""
    from watchfiles import PythonFilter, watch

    folder = ctx.checkout.root / "jupyter"
    yield f"Watching {folder}; Ctrl-C stops watching and leaves the server up."
    edits = watch(folder, watch_filter=PythonFilter(extra_extensions=(".txt", "Dockerfile")))
    for changes in edits:
        began = time.monotonic()
        paths = {Path(path).relative_to(folder) for _, path in changes}
        paths = {path for path in paths if "tests" not in path.parts}
        if not paths:
            continue
        shown = ", ".join(sorted(str(path) for path in paths))
        live = all(path.parts[0] in LIVE for path in paths)
        if not live:
            yield f"{shown}: part of the image, which is rebuilt"
        try:
            if live:
                _restart(ours, page)
            else:
                bring_up()
        except HabariError as error:  # an edit that is broken: the next one may mend it
            yield from (*error.details, f"{shown}: not in effect. {error.message}")
            continue
        yield f"{shown}: in effect after {time.monotonic() - began:.1f} s"


def _restart(ours: ResourceLabels, page: str) -> None:
    for container in docker_client.containers(ours):
        if container.service == "notebook":
            docker_client.restart(container.id)
    polling.wait_until(lambda: polling.http_ok(page), "notebook server", seconds=START_SECONDS)
