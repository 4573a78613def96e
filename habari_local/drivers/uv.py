"""uv: the component environments, each made from its lock and from nothing else."""

from __future__ import annotations

import hashlib
import shlex
import shutil
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from habari_local.core.errors import HabariError, MissingTool
from habari_local.core.subprocesses import run
from habari_local.drivers import package_manager
from habari_local.drivers.install_errors import explainer
from habari_local.drivers.package_manager import UV

MARKER = ".habari-lock"


def program(env: Mapping[str, str]) -> str:
    """Return the path of uv: the one that runs us, on PATH, or installed beside this package.

    Raises:
        MissingTool: there is none.
    """
    beside = Path(sys.executable).with_name("uv")
    for candidate in (env.get("UV", ""), str(beside)):
        if candidate and Path(candidate).is_file():
            return candidate
    found = shutil.which("uv", path=env.get("PATH"))
    if not found:
        raise MissingTool("uv", "to make the environments", package_manager.install(UV, env))
    return found


def interpreter(folder: Path) -> Path:
    """Return the Python of an environment."""
    return folder / "bin" / "python"


def digest(lock: Path, python: str = "") -> str:
    """Return what an environment made from `lock` for `python` is known by.

    Not by the path of the Python that runs us: each virtual environment has another one, of the
    same interpreter. What a wheel is made for is the interpreter's kind and version.
    """
    tag = python or str(sys.implementation.cache_tag)
    return hashlib.sha256(tag.encode() + lock.read_bytes()).hexdigest()


def is_synced(folder: Path, lock: Path, python: str = "") -> bool:
    """Whether `folder` holds the environment of `lock`, complete, and its interpreter is there."""
    marker = folder / MARKER
    return (
        interpreter(folder).exists()  # a link to the base interpreter, which may be gone
        and marker.is_file()
        and marker.read_text(encoding="utf-8") == digest(lock, python)
    )


def present(lock: Path) -> None:
    """Refuse a lock that is gone.

    Raises:
        HabariError: it is, with the command that brings it back.
    """
    if not lock.is_file():
        command = f"git -C {shlex.quote(str(lock.parent))} restore {lock.name}"
        raise HabariError(f"{lock}: this lock is not there.", command)


def sync(
    folder: Path,
    lock: Path,
    env: Mapping[str, str],
    *,
    python: str = "",
    on_line: Callable[[str], None] | None = None,
    cancel: threading.Event | None = None,
) -> bool:
    """Make `folder` the environment of `lock` (a hashed requirements file); return if it changed.

    `python` is a version that uv finds or gets; without one the interpreter that runs us serves.

    Raises:
        CommandFailed: uv could not get or install something; a second call goes on from there.
    """
    present(lock)
    if is_synced(folder, lock, python):
        return False
    uv = program(env)
    (folder / MARKER).unlink(missing_ok=True)
    # A venv of our own: the variable of the tool's would send uv to the wrong one.
    clean = {key: value for key, value in env.items() if key != "VIRTUAL_ENV"}
    explain = explainer(folder, env)
    inside = interpreter(folder)
    if not _serves(inside, python):
        base = python or str(getattr(sys, "_base_executable", "") or sys.executable)
        make = [uv, "venv", "--quiet", "--no-project", "--clear", "--python", base]
        run([*make, str(folder)], env=clean, cancel=cancel, hint=explain)
    install = [uv, "pip", "sync", "--require-hashes", "--python", str(inside), str(lock)]
    run(install, env=clean, on_line=on_line, cancel=cancel, hint=explain)
    (folder / MARKER).write_text(digest(lock, python), encoding="utf-8")
    return True


def _serves(inside: Path, python: str) -> bool:
    """Whether the interpreter of an environment that is there is of the version asked for."""
    wanted = python or f"{sys.version_info.major}.{sys.version_info.minor}"
    named = inside.with_name(f"python{wanted}")
    return inside.exists() and named.exists() and named.resolve() == inside.resolve()
