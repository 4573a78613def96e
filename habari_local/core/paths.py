"""Where things are: the checkout, and what the tool keeps in its `.habari/`."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from habari_local.core.checkout import Identity, identify, record
from habari_local.core.errors import USAGE, HabariError

PACKAGE = Path(__file__).resolve().parents[1]
CHECKOUT = "HABARI_CHECKOUT"  # the variable that names the checkout to work on, as --checkout
MARKER = "habari-local"  # the table of [tool] in pyproject.toml that makes a folder a checkout


@dataclass(frozen=True)
class Checkout:
    """One clone of the repository; its id labels all that it starts."""

    root: Path

    @property
    def id(self) -> str:
        """Ten hex digits, of this checkout alone, wherever it is moved to."""
        return self.identity.id

    @cached_property
    def identity(self) -> Identity:
        """Who this checkout is."""
        return identify(self.root)

    @property
    def state(self) -> Path:
        """The folder of everything that the tool writes; private to the user."""
        identity = self.identity  # before the note is changed
        folder = private_folder(self.root / ".habari")
        record(self.root, identity)
        return folder

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
            f"PROJECT_PATH: {path} is a file, not a folder.",
            "habari-local config set PROJECT_PATH ./project",
        )
    if path.is_dir():
        return False
    path.mkdir(parents=True)
    return True


class _Choice:
    """The checkout that the command line names; None: the one around the working directory."""

    folder: Path | None = None


def choose(folder: Path | None) -> None:
    """Have `find_checkout` return the checkout at `folder` (`--checkout`) from now on."""
    _Choice.folder = folder


def chosen() -> Path | None:
    """Return the folder that was named, if one was."""
    return _Choice.folder


def find_checkout() -> Checkout:
    """Return the checkout to work on: the one that is named, else the one we stand in.

    It is never the one that this code happens to come from.

    Raises:
        HabariError: there is none, or this code is another checkout's or another version's.
    """
    named = _Choice.folder
    root = _around(_working_directory()) if named is None else named.expanduser().resolve()
    if root is None or not is_checkout(root):
        raise _no_checkout(named)
    _require_own_code(root)
    return Checkout(root)


def checkout_or_folder() -> Checkout:
    """Return the checkout as `find_checkout` does; outside any, the folder we stand in as one.

    For what reads files of production's repository, which is none of ours. Nothing may be written.

    Raises:
        HabariError: one is named that is none, or this code is another checkout's.
    """
    if _Choice.folder is None and not in_checkout():
        return Checkout(_working_directory())
    return find_checkout()


def in_checkout() -> bool:
    """Whether the working directory is in a checkout, whatever code runs."""
    return _around(_working_directory()) is not None


def is_checkout(folder: Path) -> bool:
    """Whether `folder` is the root of a checkout."""
    return MARKER in _pyproject(folder).get("tool", {})


def code_checkout() -> Path | None:
    """Return the checkout that the running code is part of; None: it was installed."""
    return PACKAGE.parent if is_checkout(PACKAGE.parent) else None


def _working_directory() -> Path:
    try:
        return Path.cwd().resolve()
    except FileNotFoundError:
        raise HabariError("The working directory has been deleted.", "cd") from None


def _around(start: Path) -> Path | None:
    return next((each for each in (start, *start.parents) if is_checkout(each)), None)


def _pyproject(folder: Path) -> dict[str, Any]:
    """Return what the folder's pyproject.toml says; nothing if it can't be read as one."""
    try:
        return _parsed((folder / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


@cache
def _parsed(text: str) -> dict[str, Any]:
    """Return what a TOML text says, taken apart once: the same file is asked for ten times."""
    import tomllib

    return tomllib.loads(text)


def _no_checkout(named: Path | None) -> HabariError:
    own = code_checkout()
    hint = f"cd {shlex.quote(str(own))}" if own else "habari-local --checkout PATH status"
    if named is not None:
        return HabariError(f"{named} is not a checkout of Habari.", hint, USAGE)
    here = f"No checkout of Habari here: neither {_working_directory()} nor a folder above it."
    return HabariError(here, hint, USAGE)


def _require_own_code(root: Path) -> None:
    """Refuse to work on a checkout with other code than its own.

    Raises:
        HabariError: the code is that of another checkout, or was installed from another version.
    """
    own = code_checkout()
    if own is not None and own.samefile(root):
        return
    quoted = shlex.quote(str(root))
    if own is not None:
        raise HabariError(
            f"Two checkouts: this habari-local is {own}'s, the checkout here is {root}.",
            f"cd {quoted} && {_uv(root)} run habari-local status",
            USAGE,
        )
    here, wanted = _installed_version(), str(_pyproject(root).get("project", {}).get("version"))
    if here != wanted:
        raise HabariError(
            f"This habari-local is version {here}, installed in {PACKAGE.parent};"
            f" the checkout {root} is version {wanted}.",
            f"cd {quoted} && {_uv(root)} run habari-local status",
            USAGE,
        )


def _uv(root: Path) -> str:
    own = Path(".tools/bin/uv")  # where the README's first line puts it
    return str(own) if (root / own).is_file() else "uv"


def _installed_version() -> str:
    from importlib.metadata import Distribution

    found = Distribution.discover(name="habari-local", path=[str(PACKAGE.parent)])
    return next((each.version for each in found), "unknown")
