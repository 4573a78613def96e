"""git: which commit the checkout is at."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from habari_local.errors import HabariError
from habari_local.run import run


def commit(root: Path, environ: Mapping[str, str]) -> str:
    """Return the commit's hash, with `-dirty` where tracked files differ; empty outside of git."""
    describe = ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    try:
        return run(describe, cwd=root, env=environ).output.strip()
    except HabariError:
        return ""
