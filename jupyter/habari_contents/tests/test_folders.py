"""Listing, opening, saving, making and deleting in S3 folders, through a real server."""

from __future__ import annotations

import asyncio
import base64

import pytest
from habari_contents import transfer
from habari_contents.types import Item

from .servers import notebook

NOTEBOOKS = "habari-notebooks"
ODD = ["two words", "a+b", "100%", "what?", "#1", "a&b=c", "emoji 🦒", "ünïcode", "%20", "team"]


def test_root_shows_home_and_folders_without_asking_s3(jupyter, proxy):
    (jupyter.home / "mine.txt").write_text("mine")
    proxy.fail("refuse")
    assert {"mine.txt", "lake", "notebooks"} <= set(jupyter.names(""))


def test_saved_notebook_has_the_bytes_that_jupyter_writes_to_a_disk(jupyter, name, body):
    assert jupyter.notebook(f"{name}.ipynb", "'ä 🦒'").status_code == 201
    assert jupyter.notebook(f"notebooks/{name}.ipynb", "'ä 🦒'").status_code == 201
    stored = body(NOTEBOOKS, f"team/one/{name}.ipynb")
    assert stored == (jupyter.home / f"{name}.ipynb").read_bytes()
    assert stored.endswith(b"}\n")
    assert "'ä 🦒'".encode() in stored


def test_notebook_opens_as_it_was_saved(jupyter, name):
    jupyter.notebook(f"notebooks/{name}.ipynb", "40 + 2")
    model = jupyter.get(f"notebooks/{name}.ipynb", type="notebook", content=1, hash=1).json()
    assert model["content"]["cells"][0]["source"] == "40 + 2"
    assert model["hash"]
    assert model["hash_algorithm"] == "etag"


def test_object_written_from_outside_appears_and_opens(jupyter, s3, name):
    s3.put_object(Bucket="habari-lake", Key=f"{name}/deep/data.csv", Body=b"a,b\n1,2\n")
    assert name in jupyter.names("lake")
    assert jupyter.names(f"lake/{name}") == ["deep"]
    model = jupyter.get(f"lake/{name}/deep/data.csv").json()
    assert (model["content"], model["format"]) == ("a,b\n1,2\n", "text")


def test_binary_file_is_exact(jupyter, name, body):
    content = bytes(range(256)) * 10
    model = {"type": "file", "format": "base64", "content": base64.b64encode(content).decode()}
    assert jupyter.put(f"lake/{name}.bin", model).status_code == 201
    assert body("habari-lake", f"{name}.bin") == content
    read = jupyter.get(f"lake/{name}.bin", type="file", format="base64").json()
    assert base64.b64decode(read["content"]) == content
    assert jupyter.get(f"lake/{name}.bin", type="file", format="text").status_code == 400


@pytest.mark.parametrize("odd", ODD)
def test_names_are_exact(jupyter, name, keys, odd):
    """With spaces, jupyter-fs deleted the wrong file; others escape, strip or double characters."""
    path = f"notebooks/{name}/{odd}/{odd}.txt"
    assert jupyter.text(path, odd).status_code == 201, odd
    assert keys(NOTEBOOKS, f"team/one/{name}/") == [f"team/one/{name}/{odd}/{odd}.txt"]
    assert jupyter.names(f"notebooks/{name}/{odd}") == [f"{odd}.txt"]
    assert jupyter.get(path).json()["content"] == odd
    assert jupyter.move(path, f"notebooks/{name}/{odd}/x{odd}.txt").ok
    assert jupyter.call("DELETE", f"notebooks/{name}/{odd}/x{odd}.txt").status_code == 204
    missing = jupyter.get(f"notebooks/{name}/{odd}/x{odd}.txt")
    assert missing.status_code == 404


def test_prefix_is_stripped_by_whole_components(jupyter, name, keys):
    """Keys that begin with the bucket's or prefix's name led s3contents and jupyter-fs astray."""
    jupyter.text("notebooks/team/one/inner.txt", "x")
    jupyter.text(f"lake/habari-lake/{name}.txt", "y")
    assert "team/one/team/one/inner.txt" in keys(NOTEBOOKS)
    assert keys("habari-lake", "habari-lake/") == [f"habari-lake/{name}.txt"]
    assert "team" in jupyter.names("notebooks")


def test_prefix_neighbour_is_not_seen(jupyter, s3, name):
    s3.put_object(Bucket=NOTEBOOKS, Key=f"team/oneself/{name}.txt", Body=b"not ours")
    assert not any("self" in n for n in jupyter.names("notebooks"))


def test_folders_with_and_without_marker_are_folders(jupyter, s3, name):
    s3.put_object(Bucket="habari-lake", Key=f"{name}/marked/", Body=b"")
    s3.put_object(Bucket="habari-lake", Key=f"{name}/unmarked/file.txt", Body=b"")
    s3.put_object(Bucket="habari-lake", Key=f"{name}/", Body=b"")
    listing = jupyter.get(f"lake/{name}").json()["content"]
    assert [(e["name"], e["type"]) for e in listing] == [
        ("marked", "directory"),
        ("unmarked", "directory"),
    ]
    assert jupyter.names(f"lake/{name}/marked") == []


def test_listing_200_takes_few_calls(jupyter, s3, proxy, name):
    for number in range(20):
        s3.put_object(Bucket="habari-lake", Key=f"{name}/f{number}.txt", Body=b"")
        s3.put_object(Bucket="habari-lake", Key=f"{name}/d{number}/x", Body=b"")
    proxy.requests.clear()
    assert len(jupyter.names(f"lake/{name}")) == 40
    assert proxy.requests.total() <= 2


def test_new_untitled_notebook_file_and_folder(jupyter, name):
    assert jupyter.put(f"notebooks/{name}", {"type": "directory"}).status_code == 201
    kinds = [
        {"type": "notebook"},
        {"type": "notebook"},
        {"type": "file", "ext": ".md"},
        {"type": "directory"},
    ]
    made = [jupyter.call("POST", f"notebooks/{name}", json=kind).json()["name"] for kind in kinds]
    assert made == ["Untitled.ipynb", "Untitled1.ipynb", "untitled.md", "Untitled Folder"]
    assert jupyter.names(f"notebooks/{name}") == sorted(made)


def test_missing_is_404_and_other_kinds_are_refused(jupyter, name):
    jupyter.text(f"lake/{name}/f.txt", "x")
    assert jupyter.get(f"lake/{name}/none.txt").status_code == 404
    assert jupyter.get(f"lake/{name}/none.txt", content=0).status_code == 404
    assert jupyter.get(f"lake/{name}/none", type="directory").status_code == 404
    assert jupyter.get(f"lake/{name}", type="file").status_code == 400
    assert jupyter.text(f"lake/{name}", "over a folder").status_code == 409
    assert jupyter.put(f"lake/{name}/f.txt", {"type": "directory"}).status_code == 409


def test_hidden_names_are_hidden(jupyter, s3, name):
    s3.put_object(Bucket="habari-lake", Key=f"{name}/.secret", Body=b"")
    s3.put_object(Bucket="habari-lake", Key=f"{name}/shown", Body=b"")
    assert jupyter.names(f"lake/{name}") == ["shown"]
    assert jupyter.get(f"lake/{name}/.secret").status_code == 404
    assert jupyter.text(f"lake/{name}/.new", "x").status_code == 400


def test_deleting_the_last_file_keeps_its_folder(jupyter, name):
    """Its objects are all that held it: the browser would be thrown out of the folder it is in."""
    jupyter.text(f"lake/{name}/only.txt", "x")
    assert jupyter.call("DELETE", f"lake/{name}/only.txt").status_code == 204
    assert jupyter.names(f"lake/{name}") == []


def test_full_folder_is_not_deleted_unless_configured(jupyter, keys, name):
    jupyter.text(f"lake/{name}/a/f.txt", "x")
    refused = jupyter.call("DELETE", f"lake/{name}")
    assert refused.status_code == 400
    assert keys("habari-lake", f"{name}/") == [f"{name}/a/f.txt"]
    jupyter.call("DELETE", f"lake/{name}/a/f.txt")
    assert jupyter.call("DELETE", f"lake/{name}/a").status_code == 204


def test_the_folders_themselves_stay(jupyter):
    assert jupyter.call("DELETE", "lake").status_code == 403
    assert jupyter.move("lake", "pond").status_code == 403
    jupyter.text("plain.txt", "x")
    assert jupyter.move("plain.txt", "lake").status_code == 409


def test_home_folder_of_the_same_name_is_hidden_by_the_bucket(jupyter, s3, name):
    (jupyter.home / "lake").mkdir(exist_ok=True)
    (jupyter.home / "lake" / f"{name}.txt").write_text("on the disk")
    assert jupyter.names("").count("lake") == 1
    assert f"{name}.txt" not in jupyter.names("lake")


def test_invalid_notebook_is_told_and_broken_one_refused(jupyter, s3, name):
    bad = notebook("1")
    bad["cells"][0]["cell_type"] = "nonsense"
    saved = jupyter.put(f"notebooks/{name}.ipynb", {"type": "notebook", "content": bad})
    assert "validation failed" in saved.json()["message"]
    s3.put_object(Bucket="habari-lake", Key=f"{name}.ipynb", Body=b"{not json")
    assert jupyter.get(f"lake/{name}.ipynb", type="notebook").status_code == 400
    assert jupyter.get(f"lake/{name}.ipynb", type="file").json()["content"] == "{not json"


def test_trust_works_in_s3(jupyter, name):
    nb = notebook("1")
    html = {"output_type": "display_data", "metadata": {}, "data": {"text/html": "<b>x</b>"}}
    nb["cells"][0]["outputs"] = [html]
    path = f"notebooks/{name}.ipynb"
    jupyter.put(path, {"type": "notebook", "content": nb})

    def trusted() -> bool:
        cell = jupyter.get(path, type="notebook").json()["content"]["cells"][0]
        return cell["metadata"].get("trusted", False)

    assert not trusted()
    assert jupyter.call("POST", f"{path}/trust").status_code == 201
    assert trusted()


def test_kernel_of_an_s3_notebook_starts_in_the_home(jupyter, name):
    import psutil

    jupyter.notebook(f"notebooks/{name}.ipynb")
    session = jupyter.call(
        "POST",
        "",
        api="sessions",
        json={
            "path": f"notebooks/{name}.ipynb",
            "type": "notebook",
            "name": name,
            "kernel": {"name": "python3"},
        },
    ).json()
    children = psutil.Process(jupyter.process.pid).children()
    assert [child.cwd() for child in children] == [str(jupyter.home)]
    assert jupyter.call("DELETE", session["id"], api="sessions").status_code == 204


def test_nothing_is_put_beneath_a_file(jupyter, name, keys):
    """S3 takes both `a` and `a/b`; the browser then shows the file, and never the folder."""
    jupyter.text(f"lake/{name}", "file")
    jupyter.text(f"lake/{name}-2", "other")
    refused = [
        jupyter.text(f"lake/{name}/f.txt", "x"),
        jupyter.text(f"lake/{name}/d/f.txt", "x"),
        jupyter.put(f"lake/{name}/d", {"type": "directory"}),
        jupyter.move(f"lake/{name}-2", f"lake/{name}/f.txt"),
    ]
    assert {answer.status_code for answer in refused} == {409}
    assert keys("habari-lake", name) == [name, f"{name}-2"]


def test_deleted_file_is_not_made_again_where_a_folder_is_by_now(jupyter, s3, name, keys):
    jupyter.text(f"lake/{name}", "file")
    s3.delete_object(Bucket="habari-lake", Key=name)
    s3.put_object(Bucket="habari-lake", Key=f"{name}/f.txt", Body=b"x")
    assert jupyter.text(f"lake/{name}", "again").status_code == 409
    assert keys("habari-lake", name) == [f"{name}/f.txt"]


def test_folder_copied_to_where_none_is_is_put_into_it(jupyter, name):
    """As on a disk; a file asked for as a folder is told as one."""
    jupyter.text(f"lake/{name}/a.txt", "x")
    copied = jupyter.call("POST", f"lake/{name}-to", json={"copy_from": f"lake/{name}"})
    assert copied.json()["path"] == f"lake/{name}-to/{name}"
    assert jupyter.names(f"lake/{name}-to/{name}") == ["a.txt"]
    assert jupyter.get(f"lake/{name}/a.txt", type="directory").status_code == 400
    [entry] = jupyter.get(f"lake/{name}").json()["content"]
    assert entry["mimetype"] == "text/plain"


def test_what_a_request_found_is_not_believed_after_a_change(manager, name):
    """A program asks in one context: a folder that it made just now is there."""
    path = f"lake/{name}"

    async def asked() -> list[bool]:
        seen = [await manager.file_exists(path)]
        await manager.save({"type": "directory"}, path)
        seen.append(await manager.dir_exists(path))
        seen.append(await manager.file_exists(path))
        await manager.delete(path)
        seen.append(await manager.dir_exists(path))
        await manager.close()
        return seen

    assert asyncio.run(asked()) == [False, True, False, False]


@pytest.mark.parametrize(("sizes", "expected"), [((0, 1 << 20), 16), ((1, (1 << 20) + 1), 8)])
def test_more_small_files_than_large_ones_are_copied_side_by_side(sizes, expected):
    files = [Item(f"/{number}", size, "") for number, size in enumerate(sizes)]
    counts = []

    class Place:
        path = "there"

        async def receive(self, item, source):
            counts.append(1)
            await asyncio.sleep(0.05)
            most.append(len(counts))
            counts.pop()
            return ""

    most = []
    asyncio.run(transfer._copy(files * 20, Place(), Place()))
    assert max(most) == expected
