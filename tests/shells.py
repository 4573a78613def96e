"""How people, editors and CI call the tool: ten shells that must all mean the same to it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from habari_local.drivers import uv
from tests.scratch import Scratch

PTY = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"


@dataclass(frozen=True)
class Shell:
    """One of them."""

    command: list[str]
    environment: dict[str, str]
    folder: Path
    umask: int = 0o022

    def run(self) -> subprocess.CompletedProcess[str]:
        """Call the tool, without a terminal unless the command makes one; output is one text."""
        return subprocess.run(
            self.command,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            umask=self.umask,
            start_new_session=True,
            check=False,
        )


def shells(scratch: Scratch) -> dict[str, Shell]:
    """Return ten shells that call `up`, by what is special in them."""
    up, plain, root = scratch.command("up"), scratch.environment(), scratch.root
    bare = {name: value for name, value in plain.items() if name not in ("HOME", "VIRTUAL_ENV")}
    tool = uv.program(plain)
    uv_run = [tool, "run", "--no-project", "--python", sys.executable, *up]
    home = {"HOME": str(scratch.temporary.parent)}
    changed = {
        "PATH": {"PATH": f"{root}:{plain['PATH']}", "SHELL": "/bin/false"},
        "LANG": {"LANG": "fr_FR.UTF-8", "LC_ALL": "C"},
        "TZ": {"TZ": "America/Lima"},
        "a proxy": {"http_proxy": "http://127.0.0.1:9", "SSL_CERT_FILE": "/nowhere.pem"},
        "a virtual environment": {"VIRTUAL_ENV": str(root / "venv")},
        "CI": {"CI": "true"},
    }
    return {
        **{name: Shell(up, {**plain, **more}, root) for name, more in changed.items()},
        "HOME unset, nor an environment": Shell(up, bare, root),
        "uv run": Shell(uv_run, {**bare, **home}, root),
        "a sub-folder, another umask": Shell(up, plain, root / "hub", 0o077),
        "a terminal": Shell([sys.executable, "-c", PTY, *up], {**plain, "TERM": "xterm"}, root),
    }
