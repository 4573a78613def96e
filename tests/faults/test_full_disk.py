"""A full disk, a small one that the test fills: it is told, and what was saved stays."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.server_client import ServerError
from tests.faults.parts import Platform
from tests.scratch import Scratch

pytestmark = [
    pytest.mark.row(17),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small tmpfs"),
]
SIZE = 24  # MiB


@pytest.fixture
def small(scratch: Scratch) -> Iterator[Path]:
    """The folder of process mode's state, on a small disk of its own."""
    folder = scratch.state / "process"
    folder.mkdir(mode=0o700)
    options = f"size={SIZE}m,mode=700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    yield folder
    for found in scratch.found():
        found.process.kill()
    subprocess.run(["umount", "-l", folder], check=True)


def fill(folder: Path, spare: int = 0) -> Path:
    """Take all that is left of the disk but `spare` bytes."""
    filler = folder / "filler"
    left = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    filler.write_bytes(b"x" * (left - spare))
    return filler


def test_up_tells_it_and_works_when_there_is_room(scratch: Scratch, small: Path) -> None:
    filler = fill(small)
    done = scratch.call("up")
    assert done.returncode in (1, 4)
    assert re.search("No space left on device|disk is full", done.stderr)
    assert "Try:" in done.stderr
    assert scratch.found() == []
    filler.unlink()
    scratch.good("up")
    scratch.good("status")


def test_saves_are_refused_and_what_was_saved_stays(scratch: Scratch, small: Path) -> None:
    scratch.good("up")
    server = Platform(scratch, "process").server_of("grace")
    paths = ("notebooks/mine.txt", "mine.txt")
    for path in paths:
        server.save_text(path, "before")
    filler = fill(small)
    for path in paths:
        with pytest.raises(ServerError):
            server.save_text(path, "x" * 1_000_000)
        assert server.read(path)["content"] == "before"
    filler.unlink()
    for path in paths:
        assert server.save_text(path, "after")
        assert server.read(path)["content"] == "after"
    scratch.good("status")
