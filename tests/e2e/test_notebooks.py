"""A notebook made in JupyterLab is in S3, byte by byte, and is found again."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from .browser import Lab
from .collector import Collector
from .s3_client import Bucket
from .server_client import Server, bytes_of, notebook_of, sources_of

PLOT = """\
import pandas as pd

days = pd.date_range("2026-11-01", periods=6, freq="D")
pd.DataFrame({"day": days.strftime("%a %d"), "hares": [3, 5, 4, 8, 13, 11]}).set_index("day").T"""


@pytest.fixture(scope="module")
def folder(servers: list[Server], run_id: str) -> str:
    """A folder of this run in the shared bucket of notebooks."""
    servers[0].make_folder(f"notebooks/{run_id}")
    return f"notebooks/{run_id}"


def test_lab_shows_the_buckets(
    server: Server, page_of: Callable[[str], Page], collector: Collector
) -> None:
    """JupyterLab shows lake/ and notebooks/ beside the user's home."""
    lab = Lab(page_of(server.person.name), server.url)
    with collector.timed("JupyterLab opens"):
        lab.open()
    lab.go_home()
    for name in ("lake", "notebooks"):
        expect(lab.entry(name)).to_be_visible()
    browser = lab.page.context.browser
    assert browser is not None
    collector.run.versions["Chromium"] = browser.version


def test_notebook_made_in_lab_is_in_s3(
    server: Server,
    folder: str,
    notebooks: Bucket,
    page_of: Callable[[str], Page],
    collector: Collector,
    run_id: str,
    pytestconfig: pytest.Config,
) -> None:
    """A notebook made, run and saved in JupyterLab is in S3, byte by byte as Jupyter has it."""
    lab = Lab(page_of(server.person.name), server.url)
    lab.open()
    lab.go_to(folder)
    with collector.timed("First notebook with a kernel"):
        lab.new_notebook()
    with collector.timed("First cell"):
        lab.run_cell("print('habari', 6 * 7)")
        expect(lab.page.get_by_text("habari 42", exact=True)).to_be_visible()
    lab.run_cell(PLOT)
    expect(lab.page.get_by_text("hares", exact=True)).to_be_visible()
    with collector.timed("Save into S3"):
        lab.save("first.ipynb")
    expect(lab.entry("first.ipynb")).to_be_visible()
    collector.show(lab.page, "A notebook in JupyterLab, saved into S3")

    kept = notebooks.get(f"{run_id}/first.ipynb")
    assert kept == bytes_of(server.read(f"{folder}/first.ipynb")["content"])
    assert kept == server.download(f"{folder}/first.ipynb")
    outputs = json.loads(kept)["cells"][0]["outputs"]
    assert outputs == [{"name": "stdout", "output_type": "stream", "text": ["habari 42\n"]}]

    pictures = pytestconfig.getoption("--docs-screenshots")
    if pictures:
        _photograph(lab, Path(pictures))


def _photograph(lab: Lab, pictures: Path) -> None:
    pictures.mkdir(parents=True, exist_ok=True)
    lab.go_home()
    for name in ("lake", "notebooks"):
        expect(lab.entry(name)).to_be_visible()
    lab.page.screenshot(path=pictures / "jupyterlab.png")


def test_notebook_is_found_after_a_reload(
    server: Server,
    folder: str,
    notebooks: Bucket,
    page_of: Callable[[str], Page],
    run_id: str,
) -> None:
    """What was changed and saved in JupyterLab is there after a reload of the page."""
    path = f"{folder}/second.ipynb"
    server.save_notebook(path, notebook_of("word = 'asante'", ""))
    lab = Lab(page_of(server.person.name), server.url)
    lab.open()
    lab.open_file(path)
    lab.kernel_idle("second.ipynb")
    lab.run_cell("# seen again after a reload")
    lab.save()
    lab.page.reload()
    lab.ready()
    expect(lab.page.get_by_text("# seen again after a reload")).to_be_visible()
    assert b"# seen again after a reload" in notebooks.get(f"{run_id}/second.ipynb")


@pytest.mark.parametrize(
    "name", ["plain.ipynb", "two words.ipynb", "ü + 100%.ipynb", "#1 what?&.ipynb", "😀.ipynb"]
)
def test_any_name(server: Server, folder: str, notebooks: Bucket, run_id: str, name: str) -> None:
    """A notebook keeps its name and its bytes, whatever the name"""
    saved = notebook_of("print('habari — 日本 😀')")
    model = server.save_notebook(f"{folder}/{name}", saved)
    assert model["name"] == name
    assert notebooks.get(f"{run_id}/{name}") == bytes_of(saved)
    assert sources_of(server.read(f"{folder}/{name}")) == ["print('habari — 日本 😀')"]
    assert name in server.names(folder)


def test_rename_delete_and_folders(
    server: Server, folder: str, notebooks: Bucket, run_id: str
) -> None:
    """Renaming, copying and deleting in JupyterLab do the same in S3."""
    saved = notebook_of("1 + 1")
    server.make_folder(f"{folder}/deep")
    server.save_notebook(f"{folder}/deep/old.ipynb", saved)
    moved = server.ask(
        "PATCH", f"api/contents/{folder}/deep/old.ipynb", json={"path": f"{folder}/deep/new.ipynb"}
    )
    assert moved.ok
    copied = server.ask(
        "POST", f"api/contents/{folder}/deep", json={"copy_from": f"{folder}/deep/new.ipynb"}
    )
    assert copied.ok
    copy = copied.json()["name"]
    assert server.names(f"{folder}/deep") == sorted([copy, "new.ipynb"])
    assert notebooks.get(f"{run_id}/deep/new.ipynb") == bytes_of(saved)
    assert notebooks.get(f"{run_id}/deep/{copy}") == bytes_of(saved)
    server.delete(f"{folder}/deep/new.ipynb")
    assert f"{run_id}/deep/new.ipynb" not in notebooks.keys(f"{run_id}/deep/")
    assert server.names(f"{folder}/deep") == [copy]


def test_checkpoint_and_back(server: Server, folder: str, notebooks: Bucket, run_id: str) -> None:
    """JupyterLab's "Revert to checkpoint" brings the notebook of the checkpoint back."""
    path = f"{folder}/checkpointed.ipynb"
    server.save_notebook(path, notebook_of("'before'"))
    made = server.ask("POST", f"api/contents/{path}/checkpoints")
    assert made.status_code == 201
    server.save_notebook(path, notebook_of("'after'"))
    restored = server.ask("POST", f"api/contents/{path}/checkpoints/{made.json()['id']}")
    assert restored.status_code == 204
    assert sources_of(server.read(path)) == ["'before'"]
    assert notebooks.get(f"{run_id}/checkpointed.ipynb") == bytes_of(notebook_of("'before'"))


def test_from_home_into_the_bucket(server: Server, notebooks: Bucket, run_id: str) -> None:
    """A notebook moved from the home into notebooks/ is whole there, and gone here."""
    saved = notebook_of("print('moved')")
    server.make_folder(run_id)
    server.make_folder(f"notebooks/{run_id}")
    server.save_notebook(f"{run_id}/move.ipynb", saved)
    target = {"path": f"notebooks/{run_id}/moved.ipynb"}
    assert server.ask("PATCH", f"api/contents/{run_id}/move.ipynb", json=target).ok
    assert notebooks.get(f"{run_id}/moved.ipynb") == bytes_of(saved)
    assert not server.exists(f"{run_id}/move.ipynb")
