"""The container in which tar_stream.py works on a volume, of Docker's engine or in a pod.

It runs as root, where it may be that, with no more rights than it takes to read and to give away
any file: those that Kubernetes' baseline allows.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from typing import Any

from habari_local.core.errors import CommandFailed, HabariError
from habari_local.drivers import tar_stream

MOUNT = "/carried"
AT_MOST = 6 * 3600  # seconds after which one whose tool was killed ends by itself
IDLE = ["python3", "-c", f"import time; time.sleep({AT_MOST})"]
CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID"]
# In the environment the program is no part of a pod's address, which has a limit.
RUN = "import os; exec(os.environ['PROGRAM'])"


def environment() -> dict[str, str]:
    """Return the variables that the container has."""
    return {"PROGRAM": inspect.getsource(tar_stream)}


def command(verb: str, options: Mapping[str, Any], path: str = MOUNT) -> Sequence[str]:
    """Return the command that has `verb` of tar_stream.py done in the container."""
    return ["python3", "-c", RUN, verb, path, json.dumps(options)]


def explained(volume: str, error: CommandFailed) -> HabariError:
    """Return the error in the program's own words: the last that it said."""
    said = (error.output.splitlines() or [error.message])[-1]
    return HabariError(f"{volume}: {said}.", "habari-local status", details=error.details)
