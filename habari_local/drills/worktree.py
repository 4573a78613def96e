"""A checkout of its own for a drill: any commit's files, then the working tree's, in one place.

The same place is the same platform, so that changing its files and bringing it up is an upgrade.
"""

from __future__ import annotations

import json
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from habari_local.core.subprocesses import run
from habari_local.drivers import git
from habari_local.platform.mode import Address, Endpoints, S3Endpoint

STATE = ".habari"


@dataclass(frozen=True)
class Worktree:
    """A folder with the files of some state of `origin`; `environ` goes to what runs in it."""

    origin: Path
    root: Path
    environ: Mapping[str, str]

    def be(self, reference: str) -> None:
        """Have the files of a commit.

        Raises:
            CommandFailed: there is no such commit.
        """
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder) / "files.tar"
            git.archive(self.origin, self.environ, reference, archive)
            self._clear()
            with tarfile.open(archive) as files:
                files.extractall(self.root, filter="data")

    def be_working_tree(self) -> None:
        """Have the files of the working tree, those not committed yet among them."""
        self._clear()
        for name in git.files(self.origin, self.environ):
            source, target = self.origin / name, self.root / name
            if source.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)

    def _clear(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        for each in self.root.iterdir():
            if each.name not in (STATE, "project"):
                shutil.rmtree(each) if each.is_dir() else each.unlink()

    def call(self, *words: str, say: Callable[[str], None] | None = None) -> str:
        """Run this checkout's own habari-local; return what it prints for programs.

        Raises:
            CommandFailed: it ended with an error.
        """
        argv = [sys.executable, "-m", "habari_local", *words]
        env = {**self.environ, "PYTHONPATH": str(self.root)}
        return run(argv, cwd=self.root, env=env, on_line=say, apart=True).output

    def endpoints(self) -> Endpoints:
        """Return what the platform that is up there says of itself."""
        return read(self.call("endpoints"))


def read(text: str) -> Endpoints:
    """Return what `endpoints` of any checkout printed."""
    told: dict[str, Any] = json.loads(text)
    known = {name: told[name] for name in Endpoints.__dataclass_fields__ if name in told}
    known["s3"] = S3Endpoint(**told["s3"])
    known["services"] = {name: Address(**each) for name, each in told["services"].items()}
    return Endpoints(**known)
