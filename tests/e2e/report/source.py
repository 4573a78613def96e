"""What a run is evidence of: the code as it was, the machine, and how the run was asked for."""

import hashlib
import os
import platform
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Source:
    """The code: its commit, whether files differ from it, and a digest of both."""

    commit: str  # empty outside of git
    dirty: bool
    digest: str  # two runs are of the same code if theirs is the same


def of_checkout(root: Path = ROOT) -> Source:
    """The code of the checkout at *root* as it is now, files that git was not told of included."""
    commit = _git(root, "rev-parse", "HEAD").decode().strip()
    if not commit:
        return Source("", False, "")
    changed = _git(root, "status", "--porcelain", "--untracked-files=all")
    digest = hashlib.sha256(commit.encode() + changed + _git(root, "diff", "HEAD", "--binary"))
    untracked = _git(root, "ls-files", "--others", "--exclude-standard", "-z").split(b"\0")
    for name in filter(None, untracked):
        path = root / os.fsdecode(name)
        digest.update(path.read_bytes() if path.is_file() else b"")
    return Source(commit, bool(changed), digest.hexdigest())


def machine() -> str:
    """The machine in a few words: system, processor, cores, memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    words = f"{os.cpu_count()} cores, {memory:.0f} GiB"
    return f"{platform.system()} {platform.machine()}, {words}, Python {platform.python_version()}"


def chosen_by(config: pytest.Config) -> str:
    """How somebody asked for a part of the suite, as on the command line; empty if for all."""
    folder = Path(__file__).resolve().parents[1]
    here = config.invocation_params.dir
    words = [each for each in config.args if not folder.is_relative_to((here / each).resolve())]
    options = {
        "-k": config.option.keyword,
        "-m": config.option.markexpr,
        "--maxfail": config.option.maxfail or None,
    }
    words += [f"{name} {shlex.quote(str(value))}" for name, value in options.items() if value]
    words += [f"--deselect {each}" for each in config.option.deselect or ()]
    words += ["--last-failed"] if getattr(config.option, "lf", False) else []
    return " ".join(words)


def _git(root: Path, *words: str) -> bytes:
    """What git says; nothing where it can't be asked, as in an archive of the sources."""
    command = ("git", "--no-optional-locks", "-C", str(root), *words)
    try:
        return subprocess.run(command, check=True, capture_output=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return b""
