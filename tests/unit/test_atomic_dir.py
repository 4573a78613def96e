"""Folders of what is being made: what a killed maker left is removed, another's is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from habari_local.core.atomic_dir import atomic_dir

MAKER = """
import sys
from pathlib import Path
from habari_local.core.atomic_dir import atomic_dir
with atomic_dir(Path(sys.argv[1])) as folder:
    (folder / "half").touch()
    print(folder, flush=True)
    sys.stdin.read()
"""


def maker(place: Path) -> tuple[subprocess.Popen[str], Path]:
    """Somebody at work, and their folder."""
    command = [sys.executable, "-c", MAKER, str(place)]
    started = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert started.stdout
    return started, Path(started.stdout.readline().strip())


def test_the_next_maker_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    killed, left = maker(tmp_path)
    killed.kill()
    killed.communicate(timeout=10)
    assert (left / "half").exists()
    with atomic_dir(tmp_path) as folder:
        assert list(tmp_path.iterdir()) == [folder]
    assert list(tmp_path.iterdir()) == []


def test_whoever_is_at_work_is_left_alone(tmp_path: Path) -> None:
    other, theirs = maker(tmp_path)
    with atomic_dir(tmp_path):
        assert (theirs / "half").exists()
    other.communicate("", timeout=10)
    assert other.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_of_what_failed(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no room"), atomic_dir(tmp_path):
        raise OSError("no room")
    assert list(tmp_path.iterdir()) == []
