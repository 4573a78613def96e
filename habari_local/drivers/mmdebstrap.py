"""mmdebstrap: a Debian file system from packages alone, by the script that knows its parts."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from habari_local.errors import MissingTool
from habari_local.run import run

INSTALL = "sudo apt-get install mmdebstrap"


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
        MissingTool: no mmdebstrap here.
        CommandFailed: a package could not be got, or the disk is full.
    """
    if shutil.which("mmdebstrap", path=environ.get("PATH")) is None:
        raise MissingTool("mmdebstrap", "to build images from packages alone", INSTALL)
    run(
        [str(script), str(target), suite, mirror],
        env=environ,
        on_line=on_line,
        cancel=cancel,
        hint="check the network and HABARI_DEBIAN_MIRROR, then: habari-local image build base",
    )
