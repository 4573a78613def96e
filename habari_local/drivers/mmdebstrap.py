"""mmdebstrap: a Debian file system from packages alone, by the script that knows its parts."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from habari_local.core.errors import MissingTool
from habari_local.core.subprocesses import run
from habari_local.drivers.install_errors import explainer
from habari_local.drivers.package_manager import MMDEBSTRAP, install

# What gives who is not root the numbers that files of an image belong to.
MAPPER = "newuidmap"


def programs() -> tuple[str, ...]:
    """Return the programs that it takes: one more for who is not root."""
    return ("mmdebstrap",) if os.getuid() == 0 else ("mmdebstrap", MAPPER)


def bootstrap(
    script: Path,
    target: Path,
    suite: str,
    mirror: str,
    environ: Mapping[str, str],
    *,
    on_line: Callable[[str], None] | None = None,
    cancel: threading.Event | None = None,
) -> None:
    """Write the file system of `suite` to the tar file `target`.

    Raises:
        MissingTool: no mmdebstrap here, or no newuidmap for who is not root.
        CommandFailed: a package could not be downloaded, or the disk is full.
    """
    for program in programs():
        if shutil.which(program, path=environ.get("PATH")) is None:
            why = "to build images from packages alone"
            raise MissingTool(program, why, install(MMDEBSTRAP, environ))
    run(
        [str(script), str(target), suite, mirror],
        env=environ,
        on_line=on_line,
        cancel=cancel,
        hint=explainer(target, environ),
    )
