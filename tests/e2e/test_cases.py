"""Whole notebooks run in a real kernel and give the outputs that are stored in them.

Each `notebooks/*.ipynb` is a case: it is saved into the bucket of notebooks, opened from there, run
cell by cell by its kernel, and every cell must give the outputs that the file holds. What is
compared: the text of streams, the text of results and displays, and for other data (pictures, HTML)
that its type is there. Errors are compared by name and message.

Cell tags: `parameters` marks the cell whose `prefix = …` the run replaces by its own, so that a
case can write into the buckets; `ignore-stderr` leaves warnings out.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from .kernels import Kernel, Output
from .server_client import Server

CASES = sorted(Path(__file__).with_name("notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_notebook(case: Path, server: Server, run_id: str) -> None:
    """A notebook gives its outputs"""
    folder = f"notebooks/{run_id}/cases"
    server.make_folder(f"notebooks/{run_id}")
    server.make_folder(folder)
    server.save_notebook(f"{folder}/{case.name}", json.loads(case.read_text(encoding="utf-8")))
    notebook = server.read(f"{folder}/{case.name}")["content"]
    with Kernel(server, f"{folder}/{case.name}") as kernel:
        for number, cell in enumerate(notebook["cells"], 1):
            if cell["cell_type"] == "code":
                _run(kernel, cell, number, f"{run_id}/{case.stem}/")


def _run(kernel: Kernel, cell: dict[str, Any], number: int, prefix: str) -> None:
    tags = cell["metadata"].get("tags", [])
    given = [_compared(output) for output in kernel.run(cell["source"]) if _counts(output, tags)]
    stored = [_compared(output) for output in cell["outputs"] if _counts(output, tags)]
    assert given == stored, f"cell {number} gave other outputs than the notebook holds"
    if "parameters" in tags:
        kernel.run(f"prefix = {prefix!r}")


def _counts(output: Output, tags: list[str]) -> bool:
    return not ("ignore-stderr" in tags and output.get("name") == "stderr")


def _compared(output: Output) -> Output:
    kind = output["output_type"]
    if kind == "stream":
        return {"kind": kind, "name": output["name"], "text": output["text"]}
    if kind == "error":
        return {"kind": kind, "name": output["ename"], "text": output["evalue"]}
    data = output["data"]
    drawn = any(name.startswith("image/") for name in data)
    text = None if drawn else data.get("text/plain")
    return {"kind": kind, "types": sorted(data), "text": text}
