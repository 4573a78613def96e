"""Go's YAML library, which helm, kind and kubectl use: what it makes of texts."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).parent / "fixtures" / "go_yaml"


def go_values(texts: Sequence[str]) -> list[dict[str, Any]]:
    """Return `values` or `error` for each text, as a file of values; skips where Go is missing."""
    lines = "".join(f"{json.dumps(text)}\n" for text in texts)
    done = subprocess.run([_program()], input=lines, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


@cache
def _program() -> Path:
    if shutil.which("go") is None:
        pytest.skip("no go on PATH: it builds the YAML library that helm uses")
    made = Path(tempfile.mkdtemp(prefix="habari-go-yaml-")) / "go_yaml"
    done = subprocess.run(
        ["go", "build", "-o", made, "."], cwd=SOURCE, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"go can't build helm's YAML library: {done.stderr.strip().splitlines()[-1]}")
    return made
