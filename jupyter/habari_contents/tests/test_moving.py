"""Moving and copying between the home and buckets: nothing is lost, whatever happens in between."""

from __future__ import annotations

import itertools
import time

import pytest
from habari_contents import disk

LAKE, NOTEBOOKS = "habari-lake", "habari-notebooks"
PLACES = ("home", "lake", "notebooks")
PAIRS = list(itertools.product(PLACES, PLACES))
FILES = {
    "a.txt": b"a",
    "two words/b+c %.txt": "ü🦒".encode(),
    "deep/er/c.bin": bytes(range(256)),
    "deep/er/empty": b"",
}


@pytest.fixture
def tree(jupyter, s3, keys, body):
    """Puts files at an API folder and reads them back, past the server under test."""

    class Tree:
        @staticmethod
        def _at(path: str):
            first, _, rest = path.partition("/")
            return first, {"lake": (LAKE, rest), "notebooks": (NOTEBOOKS, f"team/one/{rest}")}.get(
                first, (None, path)
            )

        def put(self, path: str, files: dict[str, bytes]) -> None:
            _, (bucket, key) = self._at(path)
            for name, content in files.items():
                if bucket:
                    s3.put_object(Bucket=bucket, Key=f"{key}/{name}", Body=content)
                else:
                    file = jupyter.home / path / name
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_bytes(content)

        def read(self, path: str) -> dict[str, bytes]:
            _, (bucket, key) = self._at(path)
            if bucket:
                found = [k for k in keys(bucket, f"{key}/") if not k.endswith("/")]
                return {k[len(key) + 1 :]: body(bucket, k) for k in found}
            root = jupyter.home / path
            return {
                f.relative_to(root).as_posix(): f.read_bytes()
                for f in root.rglob("*")
                if f.is_file()
            }

    return Tree()


@pytest.fixture(autouse=True)
def home_folder(jupyter):
    (jupyter.home / "home").mkdir(exist_ok=True)


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_folder_moves_whole(jupyter, tree, name, old, new):
    """lake → notebooks and lake → home answered 200 OK, and every file was gone on both sides."""
    tree.put(f"{old}/{name}", FILES)
    answer = jupyter.move(f"{old}/{name}", f"{new}/{name} moved")
    assert answer.ok, answer.text
    assert answer.json()["type"] == "directory"
    assert tree.read(f"{new}/{name} moved") == FILES
    assert tree.read(f"{old}/{name}") == {}
    assert name not in jupyter.names(old)


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_existing_target_is_refused_and_both_stay(jupyter, tree, name, old, new):
    tree.put(f"{old}/{name}", {"f.txt": b"mine", "d/x": b"1"})
    tree.put(f"{new}/{name}-there", {"f.txt": b"theirs", "d/y": b"2"})
    for path in ("f.txt", "d"):
        refused = jupyter.move(f"{old}/{name}/{path}", f"{new}/{name}-there/{path}")
        assert refused.status_code == 409
    assert tree.read(f"{old}/{name}") == {"f.txt": b"mine", "d/x": b"1"}
    assert tree.read(f"{new}/{name}-there") == {"f.txt": b"theirs", "d/y": b"2"}


@pytest.mark.parametrize(("old", "new"), [p for p in PAIRS if "home" in p])
def test_file_and_its_checkpoint_move_together(jupyter, name, old, new):
    jupyter.notebook(f"{old}/{name}.ipynb", "kept")
    assert jupyter.call("POST", f"{old}/{name}.ipynb/checkpoints").status_code == 201
    jupyter.get(f"{old}/{name}.ipynb")
    jupyter.notebook(f"{old}/{name}.ipynb", "later")
    assert jupyter.move(f"{old}/{name}.ipynb", f"{new}/{name}-2.ipynb").ok
    assert jupyter.call("GET", f"{old}/{name}.ipynb/checkpoints").json() == []
    restored = jupyter.call("POST", f"{new}/{name}-2.ipynb/checkpoints/checkpoint")
    assert restored.status_code == 204
    model = jupyter.get(f"{new}/{name}-2.ipynb").json()
    assert model["content"]["cells"][0]["source"] == "kept"


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_copy_of_file_and_folder(jupyter, tree, name, old, new):
    tree.put(f"{old}/{name}", FILES)
    tree.put(f"{new}/{name}-to", {"keep": b""})
    copied = jupyter.call("POST", f"{new}/{name}-to", json={"copy_from": f"{old}/{name}/a.txt"})
    again = jupyter.call("POST", f"{new}/{name}-to", json={"copy_from": f"{old}/{name}/a.txt"})
    assert [c.json()["name"] for c in (copied, again)] == ["a.txt", "a-Copy1.txt"]
    folder = jupyter.call("POST", f"{new}/{name}-to", json={"copy_from": f"{old}/{name}"})
    assert folder.status_code == 201, folder.text
    expected = {f"{name}/{n}": c for n, c in FILES.items()}
    assert tree.read(f"{new}/{name}-to") == {
        "keep": b"",
        "a.txt": b"a",
        "a-Copy1.txt": b"a",
        **expected,
    }
    assert tree.read(f"{old}/{name}") == FILES


@pytest.mark.parametrize("new", ["home", "notebooks"])
@pytest.mark.parametrize("fault", ["slow-down", "lose-answer", "cut-body", "hang"])
@pytest.mark.parametrize("after", [2, 6])  # the first two GETs take stock
def test_failure_in_between_loses_no_file(jupyter, proxy, tree, name, new, fault, after):
    files = {f"f{n}.txt": b"x" * 2000 + b"%d" % n for n in range(12)}
    tree.put(f"lake/{name}", files)
    method = "GET" if new == "home" else "PUT"
    proxy.fail_after(after, fault, only=method)
    failed = jupyter.move(f"lake/{name}", f"{new}/{name}")
    proxy.heal()
    if failed.ok:
        # What was not answered is looked at, and may be seen to be there.
        assert tree.read(f"{new}/{name}") == files
    else:
        assert tree.read(f"lake/{name}") == files
        assert "Nothing was moved or deleted" in failed.json()["message"]
        if new == "home":
            assert not (jupyter.home / "home" / name).exists(), "it can be moved when S3 is back"


def test_half_a_copy_of_a_killed_server_is_in_nobodys_way(jupyter, name):
    """A copy to the home has no record; its half kept the name taken, invisibly and for ever."""
    assert jupyter.text(f"lake/{name}.txt", "whole").ok
    half = disk.partial_path(jupyter.home / "home" / f"{name}.txt")
    half.write_bytes(b"half of something longer")
    assert jupyter.call("POST", "home", json={"copy_from": f"lake/{name}.txt"}).status_code == 201
    assert (jupyter.home / "home" / f"{name}.txt").read_bytes() == b"whole"
    assert not half.exists()


def test_failure_to_delete_says_that_both_are_there(jupyter, proxy, tree, name):
    tree.put(f"lake/{name}", FILES)
    proxy.fail("slow-down", only="DELETE")
    failed = jupyter.move(f"lake/{name}", f"notebooks/{name}")
    assert failed.status_code == 503
    assert "is whole in notebooks/" in failed.json()["message"]
    assert tree.read(f"lake/{name}") == FILES
    assert tree.read(f"notebooks/{name}") == FILES


def test_links_are_refused_before_anything_moves(jupyter, tree, name):
    """PROJECT_PATH is a link in the home: moving it must not empty somebody's project."""
    tree.put(f"home/{name}", {"f.txt": b"x"})
    (jupyter.home / "home" / name / "link").symlink_to("/etc")
    refused = jupyter.move(f"home/{name}", f"lake/{name}")
    assert refused.status_code == 400
    assert "link" in refused.json()["message"]
    assert (jupyter.home / "home" / name / "f.txt").exists()
    assert tree.read(f"lake/{name}") == {}


def test_folder_into_itself_is_refused(jupyter, tree, name):
    tree.put(f"lake/{name}", FILES)
    assert jupyter.move(f"lake/{name}", f"lake/{name}/inner").status_code == 409
    assert jupyter.call("POST", f"lake/{name}", json={"copy_from": f"lake/{name}"}).ok is False
    assert tree.read(f"lake/{name}") == FILES


def test_missing_source_is_404(jupyter, name):
    assert jupyter.move(f"lake/{name}", f"notebooks/{name}").status_code == 404


def test_neighbours_with_the_same_beginning_stay(jupyter, tree, name):
    tree.put(f"lake/{name}", {"f": b"1"})
    tree.put(f"lake/{name}-neighbour", {"f": b"2"})
    assert jupyter.move(f"lake/{name}", f"lake/{name}-new").ok
    assert tree.read(f"lake/{name}-neighbour") == {"f": b"2"}


def test_large_file_moves_in_parts(jupyter, tree, name):
    content = b"0123456789abcdef" * (18 * 1024 * 1024 // 16)
    tree.put(f"home/{name}", {"big.bin": content})
    assert jupyter.move(f"home/{name}/big.bin", f"lake/{name}.bin").ok
    assert jupyter.move(f"lake/{name}.bin", f"home/{name}/back.bin").ok
    assert (jupyter.home / "home" / name / "back.bin").read_bytes() == content


def test_checkpoints_are_not_shared_between_folders(jupyter, name):
    """One file per path for home, lake and notebooks: restoring gave another notebook."""
    for place in PLACES:
        jupyter.notebook(f"{place}/{name}.ipynb", f"kept in {place}")
        assert jupyter.call("POST", f"{place}/{name}.ipynb/checkpoints").status_code == 201
    for place in PLACES:
        path = f"{place}/{name}.ipynb"
        jupyter.get(path)
        jupyter.notebook(path, "changed")
        assert jupyter.call("POST", f"{path}/checkpoints/checkpoint").status_code == 204
        source = jupyter.get(path).json()["content"]["cells"][0]["source"]
        assert source == f"kept in {place}"
        assert jupyter.notebook(path, "after").ok
        assert jupyter.call("DELETE", f"{path}/checkpoints/checkpoint").status_code == 204
        assert jupyter.call("POST", f"{path}/checkpoints/checkpoint").status_code == 404


def test_checkpoint_outlives_the_server_that_made_it(jupyter, other, name):
    path = f"notebooks/{name}.ipynb"
    jupyter.notebook(path, "kept")
    jupyter.call("POST", f"{path}/checkpoints")
    assert [c["id"] for c in other.call("GET", f"{path}/checkpoints").json()] == ["checkpoint"]


def test_checkpoint_goes_with_its_file(jupyter, name, keys):
    path = f"notebooks/{name}/n.ipynb"
    jupyter.notebook(path, "kept")
    jupyter.call("POST", f"{path}/checkpoints")
    assert jupyter.names(f"notebooks/{name}") == ["n.ipynb"]
    assert jupyter.call("DELETE", path).status_code == 204
    assert not [
        k for k in keys(NOTEBOOKS, f"team/one/{name}/") if "checkpoint" in k.rsplit("/")[-1]
    ]


def test_a_version_keeps_its_time_and_a_rename_is_over_what_was_seen(jupyter, name, s3, body):
    """jupyter-collaboration took the copy's time for somebody's change: what was typed was lost."""
    old, new = f"lake/{name}/a.txt", f"lake/{name}/b.txt"
    saved = jupyter.text(old, "one").json()["last_modified"]
    assert jupyter.get(old, content=0).json()["last_modified"] == saved
    time.sleep(1.1)  # S3 has whole seconds
    assert jupyter.move(old, new).json()["last_modified"] == saved
    assert jupyter.get(new).json()["last_modified"] == saved
    [entry] = jupyter.get(f"lake/{name}").json()["content"]
    assert entry["last_modified"] == saved
    s3.put_object(Bucket="habari-lake", Key=f"{name}/b.txt", Body=b"by another")
    assert jupyter.text(new, "two").status_code == 409
    assert jupyter.get(new).json()["last_modified"] > saved
    assert body("habari-lake", f"{name}/b.txt") == b"by another"


def test_checkpoint_stays_with_a_source_that_could_not_be_deleted(jupyter, proxy, name, keys):
    """It is copied beside the deletion, and dropped only after it."""
    assert jupyter.text(f"lake/{name}/a.txt", "x").ok
    assert jupyter.call("POST", f"lake/{name}/a.txt/checkpoints").ok
    proxy.fail("forbid", only="DELETE")
    assert jupyter.move(f"lake/{name}/a.txt", f"lake/{name}/b.txt").status_code == 403
    beside = f"{name}/.ipynb_checkpoints"
    assert keys("habari-lake", f"{name}/") == [
        *(f"{beside}/{each}-checkpoint.txt" for each in "ab"),
        *(f"{name}/{each}.txt" for each in "ab"),
    ]
