"""How many requests an operation takes of S3: the table of the reference, counted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .stores import STORE

TABLE = Path(__file__).parents[3] / "docs" / "reference" / "s3-requests.md"
ROW = re.compile(r"^\| ([^|]+) \| `([^`]+)` \|", re.MULTILINE)
RECORDED = dict(ROW.findall(TABLE.read_text(encoding="utf-8")))


@pytest.fixture
def work(jupyter, name):
    """Each operation, on a file that has a checkpoint, in a folder beneath the bucket's."""
    here = f"lake/{name}"
    jupyter.put(here, {"type": "directory"})
    for file in ("a", "b", "c", "d"):
        assert jupyter.text(f"{here}/{file}.txt", "x").ok
        assert jupyter.call("POST", f"{here}/{file}.txt/checkpoints").ok
    # What the store does with conditions of copies is asked with the first.
    assert jupyter.call("POST", here, json={"copy_from": f"{here}/d.txt"}).ok
    return {
        "list a folder": lambda: jupyter.get(here, type="directory"),
        "open": lambda: jupyter.get(f"{here}/a.txt", type="file", content=1),
        "save over": lambda: jupyter.text(f"{here}/a.txt", "y"),
        "save new": lambda: jupyter.text(f"{here}/new.txt", "y"),
        "checkpoint": lambda: jupyter.call("POST", f"{here}/a.txt/checkpoints"),
        "rename a file": lambda: jupyter.move(f"{here}/b.txt", f"{here}/e.txt"),
        "duplicate a file": lambda: jupyter.call("POST", here, json={"copy_from": f"{here}/a.txt"}),
        "new folder": lambda: jupyter.call("POST", here, json={"type": "directory"}),
        "delete a file": lambda: jupyter.call("DELETE", f"{here}/c.txt"),
    }


@pytest.mark.skipif(STORE != "moto", reason="the table is of a store without conditional copies")
def test_the_table_of_the_reference_is_what_is_counted(proxy, work):
    counted = {}
    for what, ask in work.items():
        proxy.heal()
        answer = ask()
        assert answer.ok, (what, answer.text)
        counted[what] = " ".join(_short(line) for line in proxy.log)
    rows = "\n".join(f"| {what} | `{asked}` |" for what, asked in counted.items())
    assert counted == RECORDED, rows


def _short(line: str) -> str:
    method, target, _ = line.split(" ", 2)
    return "LIST" if method == "GET" and "list-type" in target else method
