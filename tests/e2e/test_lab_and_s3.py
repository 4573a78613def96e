"""What JupyterLab shows of S3: conflicts, uploads, moves and checkpoints, by mouse and keyboard."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from .browser import Lab
from .collector import Collector
from .s3_client import Bucket
from .server_client import Server, notebook_of
from .waiting import until


@pytest.fixture
def lab(server: Server, page_of: Callable[[str], Page]) -> Lab:
    """JupyterLab of a user, open."""
    lab = Lab(page_of(server.person.name), server.url)
    lab.open()
    return lab


@pytest.fixture(scope="module")
def folder(servers: list[Server], run_id: str) -> str:
    """A folder of these checks in the shared bucket of notebooks."""
    servers[0].make_folder(f"notebooks/{run_id}")
    servers[0].make_folder(f"notebooks/{run_id}/shown")
    return f"notebooks/{run_id}/shown"


def test_the_shared_folders_look_shared(server: Server, lab: Lab, run_id: str) -> None:
    """lake/ and notebooks/ have a label, and other folders, of these names too, do not."""
    for folder in (run_id, f"{run_id}/lake"):
        server.make_folder(folder)

    def label(name: str) -> str:
        expect(lab.entry(name)).to_be_visible()
        shown = "item => getComputedStyle(item, '::after').content"
        return str(lab.entry(name).locator(".jp-DirListing-itemName").evaluate(shown))

    lab.go_home()
    labels = [label(name) for name in ("lake", "notebooks", run_id)]
    assert labels == ['"shared"', '"shared"', "none"]
    lab.go_to(run_id)
    assert label("lake") == "none"


def test_a_conflict_is_shown_and_can_be_overwritten(
    server: Server, lab: Lab, folder: str, notebooks: Bucket, run_id: str, collector: Collector
) -> None:
    """A notebook that another window saved meanwhile is asked about, and overwritten on purpose."""
    path = f"{folder}/both.ipynb"
    server.save_notebook(path, notebook_of("'before'", ""))
    lab.open_file(path)
    lab.kernel_idle("both.ipynb")
    server.save_notebook(path, notebook_of("'by the other window'"))
    lab.run_cell("'by this window'")
    lab.page.keyboard.press("Control+s")
    dialog = lab.page.locator(".jp-Dialog", has_text="File Changed")
    expect(dialog).to_be_visible()
    collector.show(lab.page, "Another window saved the notebook meanwhile")
    assert b"by the other window" in notebooks.get(f"{run_id}/shown/both.ipynb")
    dialog.get_by_role("button", name="Overwrite").click()
    kept = f"{run_id}/shown/both.ipynb"
    until("overwritten in S3", lambda: b"by this window" in notebooks.get(kept) or None)


def test_an_upload_by_the_button_is_exact(
    lab: Lab, folder: str, notebooks: Bucket, run_id: str, tmp_path: Path
) -> None:
    """A file of 3 MB uploaded by JupyterLab's button is in S3, byte by byte."""
    content = bytes(range(256)) * 12_000
    (tmp_path / "large.bin").write_bytes(content)
    lab.go_to(folder)
    with lab.page.expect_file_chooser() as chooser:
        lab.page.locator('#filebrowser [data-jp-item-name="uploader"] jp-button').click()
    chooser.value.set_files(tmp_path / "large.bin")
    expect(lab.entry("large.bin")).to_be_visible()
    until("the uploaded file in S3", lambda: notebooks.keys(f"{run_id}/shown/large.bin"))
    assert notebooks.get(f"{run_id}/shown/large.bin") == content


def test_a_folder_dragged_into_the_bucket_is_there_whole(
    server: Server, lab: Lab, notebooks: Bucket, run_id: str
) -> None:
    """A folder dragged from the home onto notebooks/ is whole there, and gone here."""
    name = f"{run_id}-dragged"
    server.make_folder(name)
    files = {f"n{number}.ipynb": notebook_of(f"{number}") for number in range(3)}
    for file, saved in files.items():
        server.save_notebook(f"{name}/{file}", saved)
    lab.go_home()
    try:
        lab.drag(name, "notebooks")
        expect(lab.entry(name)).to_have_count(0)
        expected = sorted(f"{name}/{file}" for file in files)
        # Its checkpoints go along, where no listing shows them.
        kept = [
            key
            for key in notebooks.keys(f"{name}/")
            if not key.endswith("/") and ".ipynb_checkpoints/" not in key
        ]
        assert sorted(kept) == expected
        assert not server.exists(name)
    finally:
        notebooks.delete_all(f"{name}/")


def test_a_checkpoint_is_restored_from_the_menu(
    server: Server, lab: Lab, folder: str, notebooks: Bucket, run_id: str
) -> None:
    """ "Revert Notebook to Checkpoint" shows the notebook of the last save again."""
    path = f"{folder}/back.ipynb"
    server.save_notebook(path, notebook_of("'before'", ""))
    lab.open_file(path)
    lab.kernel_idle("back.ipynb")
    lab.run_cell("# kept by a checkpoint")
    lab.save()
    lab.run_cell("# a mistake")
    lab.page.locator(".lm-MenuBar-item", has_text="File").click()
    lab.page.locator(".lm-Menu-item", has_text="Revert Notebook to Checkpoint").click()
    lab.page.locator(".jp-Dialog button.jp-mod-accept").click()
    shown = lab.page.locator(".jp-Notebook:visible")
    expect(shown).not_to_contain_text("a mistake")
    expect(shown).to_contain_text("kept by a checkpoint")
    assert b"kept by a checkpoint" in notebooks.get(f"{run_id}/shown/back.ipynb")
