"""Where Python code is wrong: the file and line of a syntax error, or of a traceback in a log."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+)')
# The line after a traceback's frames: the exception's name, and what it says.
RAISED = re.compile(
    r"^\s*(?:[\w.]+\.)?(?P<name>[A-Z]\w*(?:Error|Exception|Warning|Exit))(?:: (?P<said>.*))?$"
)


def syntax_error(path: Path, shown: str) -> str:
    """Return where a file can't be read as Python and why, in words; "" if it can, or is none.

    `shown` is what the file is called in the words.
    """
    if path.suffix != ".py" or not path.is_file():
        return ""
    try:
        ast.parse(path.read_bytes(), filename=str(path))
    except SyntaxError as error:
        return f"{shown}, line {error.lineno}: {error.msg}"
    except ValueError as error:  # a null byte
        return f"{shown}: {error}"
    return ""


def traceback_place(lines: Sequence[str], folders: Mapping[str, str]) -> str:
    """Return where the last traceback in a log was raised in our files, and what; "" without one.

    Args:
        lines: of the log.
        folders: where our files are for the program → what they are called here.
    """
    place, said = "", ""
    for line in lines:
        if line.lstrip().startswith("Traceback (most recent call last)"):
            place, said = "", ""
        frame = FRAME.match(line)
        if frame:
            shown = _shown(frame["file"], folders)
            place = f"{shown}, line {frame['line']}" if shown else place
        elif place and not said and (raised := RAISED.match(line)):
            said = f"{raised['name']}: {raised['said']}" if raised["said"] else raised["name"]
    return f"{place}: {said}" if place and said else ""


def _shown(file: str, folders: Mapping[str, str]) -> str:
    for prefix, name in folders.items():
        if file.startswith(f"{prefix}/") and not file.endswith("/habari_hub/standby.py"):
            return f"{name}{file.removeprefix(prefix)}"
    return ""
