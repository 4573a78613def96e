"""Where things are: the checkout, and what the tool keeps in its `.habari/`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from habari_local.errors import HabariError

PACKAGE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Checkout:
    """One clone of the repository; its path gives it the id that labels all that it starts."""

    root: Path

    @property
    def id(self) -> str:
        """Ten hex digits, stable for a path."""
        return hashlib.sha256(str(self.root).encode()).hexdigest()[:10]

    @property
    def state(self) -> Path:
        """The folder of everything that the tool writes; private to the user."""
        return private_folder(self.root / ".habari")

    @property
    def environments(self) -> Path:
        """The component environments, made from locks: a cache, deleted without loss."""
        return self.state / "envs"

    @property
    def report(self) -> Path:
        """The end-to-end report."""
        return self.state / "report"

    def of_mode(self, mode: str) -> Path:
        """Rendered files, logs and data of one mode."""
        return private_folder(self.state / mode)


def private_folder(path: Path) -> Path:
    """Make `path` (and nothing above `.habari`) readable by its owner alone."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def project_folder(path: Path) -> bool:
    """Make the folder that servers see as project/ unless it is there; return whether it was made.

    Raises:
        HabariError: a file is in its place.
    """
    if path.exists() and not path.is_dir():
        raise HabariError(
            f"PROJECT_PATH: {path} is a file, a folder was expected.",
            "habari-local config set PROJECT_PATH ./project",
        )
    if path.is_dir():
        return False
    path.mkdir(parents=True)
    return True


def find_checkout(start: Path | None = None) -> Checkout:
    """Find the checkout around `start` (default: the one that this package runs from)."""
    for folder in (start, *start.parents) if start else ():
        if (folder / "habari_local" / "cli.py").is_file():
            return Checkout(folder)
    return Checkout(PACKAGE.parent)
