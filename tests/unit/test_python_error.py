"""A broken edit is told with its file and line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from habari_local.core.python_error import syntax_error, traceback_place


def test_a_syntax_error_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "config.py"
    file.write_text("c = 1\nx = = 1\n")
    assert syntax_error(file, "hub/config.py") == "hub/config.py, line 2: invalid syntax"
    file.write_bytes(b"c = '\0'\n")
    assert syntax_error(file, "hub/config.py").startswith("hub/config.py")
    file.write_text("c = 1\n")
    assert not syntax_error(file, "hub/config.py")
    assert not syntax_error(tmp_path / "gone.py", "gone.py")
    (tmp_path / "page.html").write_text("x = = 1")
    assert not syntax_error(tmp_path / "page.html", "page.html")


def test_the_last_of_our_lines_in_a_traceback_is_told(tmp_path: Path) -> None:
    own, other = tmp_path / "ours" / "config.py", tmp_path / "other" / "library.py"
    for file, text in (
        (own, "import library\nlibrary.call()\n"),
        (other, "def call():\n    1 / 0\n"),
    ):
        file.parent.mkdir()
        file.write_text(text)
    done = subprocess.run(
        [sys.executable, str(own)],
        env={"PYTHONPATH": str(other.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = ["an earlier line", *done.stderr.splitlines()]
    said = traceback_place(lines, {str(own.parent): "hub"})
    assert said == "hub/config.py, line 2: ZeroDivisionError: division by zero"
    assert not traceback_place(lines, {"/elsewhere": "hub"})
    assert not traceback_place(lines[:1], {str(own.parent): "hub"})
