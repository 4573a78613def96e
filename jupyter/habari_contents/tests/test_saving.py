"""What a save promises: never over a version unseen by its user, and never in doubt untold."""

from __future__ import annotations

import time

import pytest
import requests

from .servers import SLOW, notebook

NOTEBOOKS = "habari-notebooks"


def lab_save(server, path: str, source: str, known: str | None = None):
    """Save as JupyterLab does: look at the hash, PUT, look again. Returns the answer and its hash.

    `known` is the hash that this window holds; a window that finds another one asks its user.
    """
    look = server.get(path, content=0, hash=1)
    if known and look.ok and look.json()["hash"] != known:
        return None, look.json()["hash"]
    answer = server.notebook(path, source)
    if not answer.ok:
        return answer, None
    return answer, server.get(path, content=0, hash=1).json()["hash"]


def test_second_of_two_users_is_told(jupyter, other, name, body):
    """Stale writes in the same second went unnoticed in every library."""
    path = f"notebooks/{name}.ipynb"
    jupyter.notebook(path, "first")
    assert jupyter.get(path).ok
    assert other.get(path).ok
    assert jupyter.notebook(path, "by ada").ok
    conflict = other.notebook(path, "by grace")
    assert conflict.status_code == 409
    assert "changed by someone else" in conflict.json()["message"]
    assert b"by ada" in body(NOTEBOOKS, f"team/one/{name}.ipynb")


def test_lab_is_shown_the_conflict_and_can_overwrite_on_purpose(jupyter, other, name, body):
    path = f"notebooks/{name}.ipynb"
    _, ada = lab_save(jupyter, path, "first")
    grace = other.get(path, content=1, hash=1).json()["hash"]
    assert ada == grace
    _, ada = lab_save(jupyter, path, "by ada", ada)
    answer, seen = lab_save(other, path, "by grace", grace)
    assert (answer, seen) == (None, ada), "Lab shows 'File Changed'"
    # Its button Overwrite is a plain PUT, after the look that showed the dialog.
    assert other.notebook(path, "by grace").ok
    assert b"by grace" in body(NOTEBOOKS, f"team/one/{name}.ipynb")


def test_one_user_saves_again_and_again(jupyter, name):
    path, known = f"notebooks/{name}.ipynb", None
    for turn in range(4):
        answer, known = lab_save(jupyter, path, f"turn {turn}", known)
        assert answer is not None
        assert answer.ok


def test_look_after_a_save_is_not_fooled_by_a_save_in_between(jupyter, other, name, s3):
    """Lab takes the hash of its look after the save for its own; it must be that of its save."""
    path, key = f"notebooks/{name}.ipynb", f"team/one/{name}.ipynb"
    saved = jupyter.notebook(path, "by ada").json()["hash"]
    s3.put_object(Bucket=NOTEBOOKS, Key=key, Body=b"by someone in between")
    assert jupyter.get(path, content=0, hash=1).json()["hash"] == saved
    assert jupyter.get(path, content=0, hash=1).json()["hash"] != saved


def test_save_carries_the_hash_that_a_client_sends(jupyter, name, s3):
    path = f"lake/{name}.txt"
    model = jupyter.text(path, "one").json()
    s3.put_object(Bucket="habari-lake", Key=f"{name}.txt", Body=b"two")
    jupyter.get(path)
    stale = model | {"format": "text", "content": "three"}
    assert jupyter.put(path, stale).status_code == 409
    fresh = jupyter.get(path).json() | {"content": "three"}
    assert jupyter.put(path, fresh).ok


def test_change_from_a_kernel_is_noticed(jupyter, name, s3):
    path = f"lake/{name}.txt"
    jupyter.text(path, "one")
    s3.put_object(Bucket="habari-lake", Key=f"{name}.txt", Body=b"from pandas")
    assert jupyter.text(path, "two").status_code == 409


def test_new_file_does_not_replace_one_that_appeared(jupyter, other, name, body):
    """Both users' Labs see that the name is free, and both save."""
    assert jupyter.get(f"lake/{name}.txt", content=0).status_code == 404
    assert other.get(f"lake/{name}.txt", content=0).status_code == 404
    assert jupyter.text(f"lake/{name}.txt", "ada's").status_code == 201
    assert other.text(f"lake/{name}.txt", "grace's").status_code == 409
    assert body("habari-lake", f"{name}.txt") == b"ada's"


def test_who_was_told_and_saves_again_overwrites(jupyter, other, name, body):
    """An upload over a file that changed never looks at it: it must not be refused for ever."""
    jupyter.text(f"lake/{name}.txt", "one")
    other.text(f"lake/{name}.txt", "two")
    assert [jupyter.text(f"lake/{name}.txt", "x").status_code for _ in range(2)] == [409, 200]
    assert body("habari-lake", f"{name}.txt") == b"x"


def test_file_deleted_by_another_is_made_again(jupyter, name, s3, body):
    jupyter.text(f"lake/{name}.txt", "one")
    s3.delete_object(Bucket="habari-lake", Key=f"{name}.txt")
    assert jupyter.text(f"lake/{name}.txt", "two").ok
    assert body("habari-lake", f"{name}.txt") == b"two"


def test_save_whose_answer_was_lost_is_found_to_have_landed(jupyter, proxy, name, body):
    """A write that timed out may have landed: the object is looked at before anything is said."""
    jupyter.text(f"lake/{name}.txt", "one")
    proxy.fail("lose-answer", only="PUT", times=1)
    assert jupyter.text(f"lake/{name}.txt", "two").status_code == 200
    assert body("habari-lake", f"{name}.txt") == b"two"
    assert jupyter.text(f"lake/{name}.txt", "three").status_code == 200


def test_refused_save_is_told_at_once_and_works_later(jupyter, proxy, name, body):
    jupyter.text(f"lake/{name}.txt", "one")
    proxy.fail("refuse")
    started = time.monotonic()
    failed = jupyter.text(f"lake/{name}.txt", "two")
    assert time.monotonic() - started < 1.5
    assert failed.status_code == 503
    assert_neutral(failed)
    proxy.heal()
    limit = time.monotonic() + 5
    while not jupyter.text(f"lake/{name}.txt", "two").ok:
        assert time.monotonic() < limit
        time.sleep(0.05)
    assert body("habari-lake", f"{name}.txt") == b"two"


def test_hanging_save_is_bounded_and_nothing_else_waits(jupyter, proxy, name):
    import threading

    jupyter.text(f"lake/{name}.txt", "one")
    proxy.fail("hang")
    answers: list[requests.Response] = []
    saver = threading.Thread(target=lambda: answers.append(jupyter.text(f"lake/{name}.txt", "2")))
    started = time.monotonic()
    saver.start()
    slowest = 0.0
    with requests.Session() as session:
        session.trust_env = False
        session.headers.update(jupyter.http.headers)
        while saver.is_alive():
            asked = time.monotonic()
            assert session.get(f"{jupyter.url}/api/status", timeout=5).ok
            assert session.get(f"{jupyter.url}/api/contents", timeout=5).ok
            slowest = max(slowest, time.monotonic() - asked)
            time.sleep(0.02)
    assert time.monotonic() - started < 6 * SLOW
    assert slowest < 0.5
    assert answers[0].status_code == 504
    assert_neutral(answers[0])


def test_after_hangs_the_breaker_answers_at_once_and_heals_by_itself(jupyter, proxy):
    proxy.fail("hang")
    for _ in range(3):
        assert jupyter.get("lake/any.txt", content=0).status_code == 504
    asked = proxy.requests.total()
    resting = jupyter.get("lake/any.txt", content=0)
    assert proxy.requests.total() == asked, "S3 is not waited for"
    assert resting.status_code == 503
    proxy.heal()
    limit = time.monotonic() + 5
    while not jupyter.get("lake", type="directory").ok:
        assert time.monotonic() < limit
        time.sleep(0.1)


def test_busy_s3_is_asked_again_and_then_told(jupyter, proxy, name, body):
    proxy.fail("slow-down", times=2)
    assert jupyter.get("lake", type="directory").ok
    proxy.fail("slow-down")
    started = time.monotonic()
    busy = jupyter.get("lake", type="directory")
    assert time.monotonic() - started < 2
    assert busy.status_code == 503
    assert_neutral(busy)


def test_broken_answer_is_an_error_and_no_half_file(jupyter, proxy, name):
    jupyter.text(f"lake/{name}.txt", "x" * 100_000)
    proxy.fail("cut-body", only="GET")
    broken = jupyter.get(f"lake/{name}.txt", type="file")
    assert broken.status_code == 503
    assert_neutral(broken)


def test_missing_bucket_says_so_and_home_works(jupyter):
    gone = jupyter.get("gone", type="directory")
    assert gone.status_code == 503
    assert "bucket of this folder is missing" in gone.json()["message"]
    assert "no-such-bucket" not in gone.text
    assert jupyter.text("home.txt", "x").ok


def test_saved_percent_signs_are_not_doubled_in_messages(jupyter, name):
    jupyter.text(f"lake/{name} 100%/f.txt", "x")
    refused = jupyter.text(f"lake/{name} 100%", "x")
    assert refused.json()["message"].startswith(f"lake/{name} 100%: ")


def test_large_notebook_is_saved_whole(jupyter, name, body):
    big = notebook("x = '" + "y" * 8_000_000 + "'")
    path = f"notebooks/{name}.ipynb"
    assert jupyter.put(path, {"type": "notebook", "content": big}).ok
    assert len(body(NOTEBOOKS, f"team/one/{name}.ipynb")) > 8_000_000
    assert jupyter.get(path).json()["content"]["cells"][0]["source"] == big["cells"][0]["source"]


@pytest.mark.parametrize("what", ["delete", "move", "restore"])
def test_what_comes_late_takes_nothing_that_was_saved_since(
    jupyter, other, proxy, name, body, what
):
    """It was told as not done, and another user saved: then S3 does it after all."""
    path = f"lake/{name}.txt"
    jupyter.text(path, "one")
    assert jupyter.call("POST", f"{path}/checkpoints").ok
    jupyter.text(path, "two")
    asked = {
        "delete": lambda: jupyter.call("DELETE", path),
        "move": lambda: jupyter.move(path, f"notebooks/{name}.txt"),
        "restore": lambda: jupyter.call("POST", f"{path}/checkpoints/checkpoint"),
    }
    proxy.fail("late", only="PUT" if what == "restore" else "DELETE", times=1)
    assert asked[what]().status_code == 504
    assert other.get(path).ok
    assert other.text(path, "three").ok
    proxy.release()
    assert body("habari-lake", f"{name}.txt") == b"three"


def assert_neutral(answer: requests.Response) -> None:
    """One sentence, without endpoint, key, bucket or trace."""
    said = answer.text
    for leak in ("127.0.0.1", "http", "AKIA", "secret", "Traceback", "habari-lake", "botocore"):
        assert leak not in said, said
    assert answer.json()["message"].endswith(".")
