"""Finding the modes: every folder here with a `MODE` is one, and nothing else lists them."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from habari_local.core.errors import USAGE, HabariError, nearest

if TYPE_CHECKING:  # what imports the names alone must stay fast: --help lists them
    from habari_local.platform.mode import Mode

# A test adds a folder of its own here to sketch a mode.
FOLDERS = [Path(__file__).parent]


def names() -> tuple[str, ...]:
    """Return the names of all modes, without importing them; `process` first, as the default."""
    found = {init.parent.name for folder in FOLDERS for init in folder.glob("[a-z]*/__init__.py")}
    return tuple(sorted(found, key=lambda name: (name != "process", name)))


def get(name: str) -> Mode:
    """Return the mode of that name.

    Raises:
        HabariError: there is no such mode.
    """
    if name not in names():
        raise HabariError(
            f"Mode {name}: not known, expected one of {', '.join(names())}.",
            f"habari-local up --mode {nearest(name, names()) or names()[0]}",
            USAGE,
        )
    mode: Mode = import_module(f"habari_local.modes.{name}").MODE
    return mode
