"""What each habit of a real store must not change: saves, conflicts, moves, checkpoints."""

from __future__ import annotations

import json

import pytest

from .habits import HABITS, TRANSPARENT
from .servers import Jupyter

LAKE, NOTEBOOKS = "habari-lake", "habari-notebooks"


@pytest.mark.parametrize("each", [*TRANSPARENT, "WeakETags"])
def test_a_day_of_work(jupyter, other, habit, name, body, keys, each):
    habit(each)
    work(jupyter, other, name, body, keys)


def work(jupyter, other, name, body, keys) -> None:
    path, key = f"lake/{name}.ipynb", f"{name}.ipynb"
    assert jupyter.notebook(path, "one").ok
    assert other.get(path).ok
    assert jupyter.notebook(path, "two").ok
    assert other.notebook(path, "by another").status_code == 409, "a conflict is still one"
    assert b"two" in body(LAKE, key)
    assert jupyter.call("POST", f"{path}/checkpoints").status_code == 201
    assert jupyter.notebook(path, "three").ok
    assert jupyter.call("POST", f"{path}/checkpoints/checkpoint").status_code == 204
    assert b"two" in body(LAKE, key)
    for old, new in (
        (path, f"notebooks/{name}.ipynb"),
        (f"notebooks/{name}.ipynb", f"{name}.ipynb"),
        (f"{name}.ipynb", f"lake/{name}-2.ipynb"),
    ):
        moved = jupyter.move(old, new)
        assert moved.ok, moved.text
    assert b"two" in body(LAKE, f"{name}-2.ipynb")
    assert not [k for k in keys(LAKE, name) if k != f"{name}-2.ipynb"]
    assert jupyter.call("DELETE", f"lake/{name}-2.ipynb").status_code == 204


@pytest.mark.parametrize("each", ["KmsETags", "UnquotedETags", "BatchesWantMd5", "Throttled"])
def test_folders_move_whole(jupyter, s3, habit, name, keys, each):
    habit(each)
    for number in range(18):
        s3.put_object(Bucket=LAKE, Key=f"{name}/f{number}.txt", Body=b"%d" % number)
    for old, new in (("lake", "notebooks"), ("notebooks", ""), ("", "lake")):
        moved = jupyter.move(f"{old}/{name}".strip("/"), f"{new}/{name}".strip("/"))
        assert moved.ok, moved.text
        assert not (keys(NOTEBOOKS, f"team/one/{name}") if old == "notebooks" else ())
    assert len([key for key in keys(LAKE, f"{name}/") if key.endswith(".txt")]) == 18
    assert jupyter.call("DELETE", f"lake/{name}").status_code in {204, 400}


def test_a_bucket_that_denies_what_is_not_encrypted_takes_saves_moves_and_checkpoints(
    jupyter, habit, name, keys
):
    """The probe of conditions was not encrypted, and blocked every rename."""
    habit("DenyUnencrypted")
    path = f"cold/{name}.txt"
    assert jupyter.text(path, "x").ok
    assert jupyter.call("POST", f"{path}/checkpoints").status_code == 201
    moved = jupyter.move(path, f"cold/{name}-2.txt")
    assert moved.ok, moved.text
    assert keys(LAKE, f"cold/{name}") == [f"cold/{name}-2.txt"]


def test_an_archived_object_says_so_and_stays(jupyter, habit, s3, name, keys):
    s3.put_object(Bucket=LAKE, Key=f"{name}.txt", Body=b"cold")
    habit("Archived")
    for answer in (
        jupyter.get(f"lake/{name}.txt"),
        jupyter.move(f"lake/{name}.txt", f"{name}.txt"),
    ):
        assert answer.status_code == 403
        assert "is archived" in answer.json()["message"]
    assert keys(LAKE, name) == [f"{name}.txt"]


@pytest.fixture
def fresh(tmp_path, session_proxy, s3):
    """A server that has asked its store nothing yet, and a habit that the store has for it."""
    servers = []

    def start(each: str) -> Jupyter:
        session_proxy.habit = HABITS[each]()
        paid = {"bucket": LAKE, "requester_pays": True}
        folders = {"lake": paid, "notebooks": {"bucket": NOTEBOOKS, "prefix": "team/one"}}
        env = {"HABARI_CONTENTS_FOLDERS": json.dumps(folders)}
        servers.append(Jupyter(tmp_path / str(len(servers)), session_proxy.port, **env))
        return servers[-1].ready()

    yield start
    session_proxy.habit = None
    for server in servers:
        server.stop()


@pytest.mark.parametrize("each", ["CreatesOver", "NoConditions"])
def test_a_store_that_ignores_conditions_is_looked_at_before_each_save(
    fresh, s3, name, body, keys, each
):
    server = fresh(each)
    work(server, fresh(each), name, body, keys)
    assert server.get(f"lake/{name}.txt").status_code == 404
    s3.put_object(Bucket=LAKE, Key=f"{name}.txt", Body=b"by another")
    assert server.text(f"lake/{name}.txt", "x").status_code == 409
    assert body(LAKE, f"{name}.txt") == b"by another"
    for number in range(18):
        assert server.text(f"lake/{name}/{number}", "x").ok
    assert server.move(f"lake/{name}", f"notebooks/{name}").ok
    assert not keys(LAKE, f"{name}/")
    assert not [key for key in keys(LAKE) if "habari-asks" in key]
    assert "ignores conditional writes" in server.log_file.read_text()


def test_who_is_set_to_pay_says_so_with_each_request(fresh, name, body, keys):
    server = fresh("RequesterPays")
    path = f"lake/{name}.txt"
    assert server.text(path, "x").ok
    assert server.get(path).ok
    assert server.call("POST", f"{path}/checkpoints").status_code == 201
    assert server.move(path, f"lake/{name}-2.txt").ok
    assert server.names("lake")
    assert server.call("DELETE", f"lake/{name}-2.txt").status_code == 204
    assert not keys(LAKE, name)
    assert server.get("notebooks", type="directory").status_code == 403, "is not set to"
