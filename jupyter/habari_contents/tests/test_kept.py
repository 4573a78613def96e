"""Nothing dropped on the way: contents under odd names, what S3 keeps beside them, checkpoints."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from habari_contents import HabariContentsManager

from .servers import Jupyter
from .stores import STORE
from .test_files import download

LAKE, NOTEBOOKS = "habari-lake", "habari-notebooks"
on_keys = pytest.mark.skipif(
    STORE == "versitygw", reason="versitygw keeps objects as files, and can't have such a key"
)
PROPERTIES = {
    "ContentType": "text/x-own",
    "ContentEncoding": "identity",
    "CacheControl": "max-age=5",
    "ContentDisposition": "inline",
    "Metadata": {"owner": "ada"},
    "StorageClass": "STANDARD_IA",
}


@on_keys
def test_object_with_a_content_under_a_folders_name_does_not_go_to_the_home(
    jupyter, s3, keys, name
):
    """Its folder moved, and it was deleted with 200."""
    s3.put_object(Bucket=LAKE, Key=f"{name}/d/", Body=b"somebody's work")
    s3.put_object(Bucket=LAKE, Key=f"{name}/f.txt", Body=b"x")
    refused = jupyter.move(f"lake/{name}", name)
    assert refused.status_code == 400
    assert "a content under a folder's name" in refused.json()["message"]
    assert keys(LAKE, f"{name}/") == [f"{name}/d/", f"{name}/f.txt"]
    assert not (jupyter.home / name).exists()
    assert jupyter.move(f"lake/{name}", f"notebooks/{name}").ok
    assert s3.get_object(Bucket=NOTEBOOKS, Key=f"team/one/{name}/d/")["Body"].read() != b""


@on_keys
def test_names_that_no_disk_takes_are_refused_before_anything_moves(jupyter, s3, keys, name):
    s3.put_object(Bucket=LAKE, Key=f"{name}/a.txt", Body=b"x")
    s3.put_object(Bucket=LAKE, Key=f"{name}/{'z' * 300}", Body=b"x")
    assert jupyter.move(f"lake/{name}", name).status_code == 400
    assert len(keys(LAKE, f"{name}/")) == 2
    assert not (jupyter.home / name).exists()


@pytest.mark.parametrize("size", [4, 17 * 1024 * 1024])
def test_what_s3_keeps_beside_the_content_goes_along(jupyter, s3, name, size):
    """Through the server and in parts: moto holds no conditions of copies."""
    s3.put_object(
        Bucket=LAKE, Key=f"{name}.txt", Body=b"x" * size, Tagging="team=blue&a=b%20c", **PROPERTIES
    )
    assert jupyter.move(f"lake/{name}.txt", f"notebooks/{name}.txt").ok
    moved = {"Bucket": NOTEBOOKS, "Key": f"team/one/{name}.txt"}
    facts = s3.head_object(**moved)
    kept = PROPERTIES if STORE != "versitygw" else PROPERTIES | {"StorageClass": "STANDARD"}
    assert {each: facts.get(each) for each in PROPERTIES} == kept, "versitygw has no classes"
    tags = s3.get_object_tagging(**moved)["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"team": "blue", "a": "b c"}


@on_keys
def test_a_file_beside_a_folder_of_its_name_is_not_taken_for_it(jupyter, s3, keys, name):
    s3.put_object(Bucket=LAKE, Key=name, Body=b"file")
    s3.put_object(Bucket=LAKE, Key=f"{name}-between", Body=b"")
    s3.put_object(Bucket=LAKE, Key=f"{name}/f.txt", Body=b"in the folder")
    refused = [
        jupyter.call("DELETE", f"lake/{name}"),
        jupyter.move(f"lake/{name}", f"notebooks/{name}"),
        jupyter.call("POST", "notebooks", json={"copy_from": f"lake/{name}"}),
    ]
    assert {answer.status_code for answer in refused} == {409}
    assert "a file and a folder" in refused[0].json()["message"]
    assert keys(LAKE, name) == [name, f"{name}-between", f"{name}/f.txt"]
    assert jupyter.get(f"lake/{name}", type="file").json()["content"] == "file"
    assert jupyter.names(f"lake/{name}") == ["f.txt"]


def test_download_that_is_resumed_is_of_one_version(jupyter, name):
    path = f"lake/{name}.txt"
    jupyter.text(path, "0123456789")
    etag = download(jupyter, path).headers["ETag"]
    part = download(jupyter, path, **{"Range": "bytes=4-", "If-Range": etag})
    assert (part.status_code, part.content) == (206, b"456789")
    jupyter.text(path, "abcdefghij")
    whole = download(jupyter, path, **{"Range": "bytes=4-", "If-Range": etag})
    assert (whole.status_code, whole.content) == (200, b"abcdefghij")
    outside = download(jupyter, path, Range="bytes=99-")
    assert (outside.status_code, outside.headers["Content-Range"]) == (416, "bytes */10")


def test_looking_at_a_file_writes_nothing(jupyter, other, s3, keys, name):
    """JupyterLab asks for a checkpoint of whatever is opened, and is silent about a 403."""
    s3.put_object(Bucket=LAKE, Key=f"{name}/data.csv", Body=b"a,b\n")
    path = f"lake/{name}/data.csv"
    assert jupyter.get(path).ok
    assert jupyter.call("POST", f"{path}/checkpoints").status_code == 403
    assert keys(LAKE, f"{name}/") == [f"{name}/data.csv"]
    assert jupyter.text(path, "c,d\n").ok
    assert jupyter.call("POST", f"{path}/checkpoints").status_code == 201
    assert other.call("POST", f"{path}/checkpoints").status_code == 403
    renamed = f"{path}.renamed"  # as JupyterLab does with Untitled.ipynb
    assert jupyter.call("PATCH", path, json={"path": renamed}).status_code == 200
    assert jupyter.call("POST", f"{renamed}/checkpoints").status_code == 201


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory, s3, session_proxy):
    folders = (
        '{"homely": {"bucket": "habari-lake", "prefix": "homely", "checkpoints": "home"},'
        ' "none": {"bucket": "habari-lake", "prefix": "none", "checkpoints": "off"}}'
    )
    root = tmp_path_factory.mktemp("elsewhere")
    server = Jupyter(root, session_proxy.port, HABARI_CONTENTS_FOLDERS=folders).ready()
    yield server
    server.stop()


def test_checkpoints_can_be_at_home_or_not_at_all(elsewhere, keys, name):
    assert elsewhere.text(f"none/{name}.txt", "x").ok
    assert elsewhere.call("POST", f"none/{name}.txt/checkpoints").status_code == 403
    assert elsewhere.call("GET", f"none/{name}.txt/checkpoints").json() == []
    path = f"homely/{name}.txt"
    for content in ("one", "two"):
        assert elsewhere.text(path, content).ok
        assert elsewhere.call("POST", f"{path}/checkpoints").status_code == 201
    assert elsewhere.text(path, "three").ok
    assert elsewhere.move(path, f"homely/{name}-2.txt").ok
    path = f"homely/{name}-2.txt"
    assert [each["id"] for each in elsewhere.call("GET", f"{path}/checkpoints").json()] == [
        "checkpoint"
    ]
    assert elsewhere.call("POST", f"{path}/checkpoints/checkpoint").status_code == 204
    assert elsewhere.get(path).json()["content"] == "two"
    assert elsewhere.call("DELETE", path).status_code == 204
    assert elsewhere.call("GET", f"{path}/checkpoints").json() == []
    assert not [key for key in keys(LAKE) if key.startswith(("homely/.", "none/."))]


def test_pasted_names_that_are_free_are_kept(jupyter, name):
    jupyter.put(f"lake/{name}", {"type": "directory"})
    for file in ("x.txt", "x-Copy1.txt"):
        jupyter.text(f"lake/{name}-from/{file}", "x")
        copy = {"copy_from": f"lake/{name}-from/{file}"}
        assert jupyter.call("POST", f"lake/{name}", json=copy).json()["name"] == file
    again = jupyter.call("POST", f"lake/{name}", json={"copy_from": f"lake/{name}/x.txt"})
    assert again.json()["name"] == "x-Copy2.txt"


NESTED = '{"cells": [], "nbformat": 4, "metadata": {"x": %s}}' % ("[" * 3000 + "]" * 3000)


HALF = '{"cells": [], "metadata": {"x": "\\ud800"}, "nbformat": 4, "nbformat_minor": 5}'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}", "without a notebook"),
        ("null", "without a notebook"),
        ('{"nbformat": 5}', "is no notebook"),
        ('{"cells": 3}', "is no notebook"),
        (HALF, "half a character"),
    ],
)
def test_what_is_no_notebook_is_told_with_its_reason(jupyter, keys, name, content, said):
    body = f'{{"type": "notebook", "content": {content}}}'
    told = jupyter.call("PUT", f"lake/{name}.ipynb", data=body)
    assert told.status_code == 400, told.text
    assert keys(LAKE, name) == []
    assert told.json()["message"].startswith(f"lake/{name}.ipynb: ")
    assert said in told.json()["message"]
    at_home = jupyter.call("PUT", f"{name}.ipynb", data=body)
    assert not at_home.ok


def test_half_a_character_and_what_is_no_notebook_in_s3_are_told(jupyter, s3, name):
    body = '{"type": "file", "format": "text", "content": "\\ud800"}'
    told = jupyter.call("PUT", f"lake/{name}.txt", data=body)
    assert (told.status_code, "half a character" in told.text) == (400, True)
    s3.put_object(Bucket=LAKE, Key=f"{name}.ipynb", Body=b"")
    s3.put_object(Bucket=LAKE, Key=f"{name}-2.ipynb", Body=NESTED.encode())
    for file, said in ((name, "is empty"), (f"{name}-2", "nested too deeply")):
        told = jupyter.get(f"lake/{file}.ipynb", type="notebook")
        assert (told.status_code, said in told.text) == (400, True)


def test_reads_that_hang_keep_no_save_out(jupyter, proxy, name, body):
    path = f"lake/{name}.txt"
    assert jupyter.text(path, "one").ok
    proxy.fail("hang", only="GET")
    for _ in range(3):
        assert jupyter.get("lake", type="directory").status_code == 504
    assert jupyter.get("lake", type="directory").status_code == 503
    assert jupyter.text(path, "two").status_code == 200
    assert body(LAKE, f"{name}.txt") == b"two"


class _Endless:
    """A bucket whose listing never ends, at the seam to aiobotocore."""

    def __init__(self) -> None:
        self.pages = 0

    async def get(self):
        return self

    async def close(self) -> None:
        pass

    async def list_objects_v2(self, **_):
        self.pages += 1
        now = datetime.now(UTC)
        entry = {"Key": f"k{self.pages:05}", "ETag": '"e"', "Size": 1, "LastModified": now}
        return {"Contents": [entry], "IsTruncated": True, "NextContinuationToken": "t"}


@pytest.mark.parametrize("bound", [{"partial_seconds": 0.0}, {"max_listed": 1}])
def test_a_folder_without_end_is_listed_in_part_and_says_so(tmp_path, monkeypatch, bound):
    """100,000 keys were a 504 after 15 s, each time."""
    endless = _Endless()
    monkeypatch.setattr("habari_contents.manager.S3Client", lambda **_: endless)
    folders = {"lake": {"bucket": "b"}}
    manager = HabariContentsManager(root_dir=str(tmp_path), folders=folders, **bound)
    model = asyncio.run(manager.get("lake", type="directory"))
    *entries, last = model["content"]
    assert [entry["name"] for entry in entries] == ["k00001"]
    assert "only the first 1 are listed" in last["name"]
    assert "only the first 1 are listed" in model["message"]
    assert last["writable"] is False
    assert endless.pages == 1


def test_the_rest_of_a_partial_listing_is_reached_by_how_its_names_begin(jupyter, s3, name):
    for key in ("2024-a.txt", "2024-b/x.txt", "2025.txt"):
        s3.put_object(Bucket=LAKE, Key=f"{name}/{key}", Body=b"x")
    begun = jupyter.get(f"lake/{name}/2024*").json()
    assert {each["path"] for each in begun["content"]} == {
        f"lake/{name}/2024-a.txt",
        f"lake/{name}/2024-b",
    }
    assert jupyter.get(f"lake/{name}/2024*", content=0).json()["type"] == "directory"
    assert jupyter.get(f"lake/{name}/2026*").status_code == 404
    assert jupyter.text(f"lake/{name}/2024*/new.txt", "x").status_code == 404
    s3.put_object(Bucket=LAKE, Key=f"{name}/2024*/own.txt", Body=b"x")
    assert jupyter.names(f"lake/{name}/2024*") == ["own.txt"], "a folder of that very name first"


def test_names_that_jupyters_addresses_have_are_told(jupyter, s3, keys, name):
    """A browser that asks for a folder `checkpoints` is answered with checkpoints."""
    for key in ("checkpoints/a.txt", "trust", "plain.txt"):
        s3.put_object(Bucket=LAKE, Key=f"{name}/{key}", Body=b"x")
    listing = jupyter.get(f"lake/{name}", type="directory").json()
    assert {"checkpoints", "trust", "plain.txt"} < {each["name"] for each in listing["content"]}
    for each in ("checkpoints", "trust"):
        assert f"{each} can't be opened under this name" in listing["message"]
        refused = jupyter.move(f"lake/{name}/plain.txt", f"lake/{name}/d/{each}")
        assert refused.status_code == 400
        assert "Jupyter's own addresses" in refused.json()["message"]
    opened = jupyter.get(f"lake/{name}/checkpoints")
    assert (opened.status_code, "Jupyter's own" in opened.json()["message"]) == (400, True)
    trusted = jupyter.call("POST", f"lake/{name}/trust")
    assert trusted.status_code == 400
    assert jupyter.get(f"lake/{name}/checkpoints/a.txt").json()["content"] == "x"
    assert len(keys(LAKE, f"{name}/")) == 3
