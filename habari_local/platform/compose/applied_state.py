"""What Compose last applied: whether it would find anything to do, told without asking it.

Asking Compose takes a program and most of a second, so the answer of the last time is kept: of
which files it was given, by which configuration and image each container is known. It holds while
the files are the same and the engine has just those containers running. Without it, or where
anything differs, Compose is asked: a cache, deleted without loss.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from habari_local.config.secrets import write_changed
from habari_local.drivers.docker.client import Container
from habari_local.drivers.docker.compose import Project


def holds(project: Project, now: Sequence[Container]) -> bool:
    """Whether the containers that are there are what the files ask for, all of them running."""
    try:
        kept = json.loads(_file(project).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(kept == _state(project, now)) and all(
        each.state == "running" for each in now if each.service
    )


def note(project: Project, now: Sequence[Container]) -> None:
    """Keep what Compose has just made of the files."""
    write_changed(_file(project), json.dumps(_state(project, now), indent=1) + "\n")


def _state(project: Project, now: Sequence[Container]) -> dict[str, object]:
    seen = hashlib.sha256()
    for path in (*project.files, *sorted(project.env_file.parent.glob("*.env"))):
        seen.update(path.read_bytes())
    services = sorted([each.service, each.made_from] for each in now if each.service)
    return {"files": seen.hexdigest(), "containers": services}


def _file(project: Project) -> Path:
    return project.env_file.with_name("applied.json")
