"""What a server knows of the version that somebody has open outlives what else they do."""

from __future__ import annotations

import pytest

from .test_saving import NOTEBOOKS


@pytest.mark.parametrize("how", ["deleted", "moved away"])
def test_what_another_made_where_a_file_was_is_not_overwritten(jupyter, other, name, body, how):
    """A window that still has it open saves it again."""
    path = f"notebooks/{name}/{name}.ipynb"
    other.put(f"notebooks/{name}", {"type": "directory"})
    other.notebook(path, "before")
    answer = other.call("DELETE", path) if how == "deleted" else other.move(path, f"{path}-2.ipynb")
    assert answer.ok
    assert jupyter.notebook(path, "by another").status_code == 201
    assert other.notebook(path, "by the open window").status_code == 409
    assert b"by another" in body(NOTEBOOKS, f"team/one/{name}/{name}.ipynb")


@pytest.mark.parametrize("content", [0, 1])
def test_look_at_a_folder_forgets_nothing_of_its_files(jupyter, other, name, body, content):
    """The kind is not said, as when an address is opened."""
    path = f"notebooks/{name}/{name}.ipynb"
    jupyter.put(f"notebooks/{name}", {"type": "directory"})
    jupyter.notebook(path, "before")
    assert other.get(path).ok
    assert jupyter.notebook(path, "by another").ok
    assert other.get(f"notebooks/{name}", content=content).json()["type"] == "directory"
    assert other.notebook(path, "by the open window").status_code == 409
    assert b"by another" in body(NOTEBOOKS, f"team/one/{name}/{name}.ipynb")
