"""People's saves while S3 or their server fails under them: told at once, and never half there."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
import requests

from tests.e2e.kernels import Kernel
from tests.e2e.s3_client import Bucket, connect
from tests.e2e.server_client import Server, ServerError, notebook_of, sources_of
from tests.e2e.waiting import until
from tests.faults.matrix import Recovery
from tests.faults.parts import Platform, works

LARGE = 60 * 1024 * 1024


@pytest.fixture(scope="module")
def bucket(platform: Platform) -> Bucket:
    where = platform.endpoints
    return Bucket(connect(where), where.s3.notebooks_bucket)


@pytest.fixture(scope="module")
def grace(platform: Platform) -> Server:
    return platform.server_of("grace")


@pytest.fixture
def server(platform: Platform, grace: Server) -> Iterator[Server]:
    """Grace's server; whatever a test broke is repaired after it."""
    yield grace
    platform.thaw("s3")
    platform.recover()


@pytest.mark.row(10)
def test_a_save_that_s3_refuses_is_told_and_a_later_one_works(
    platform: Platform, server: Server, bucket: Bucket, recovery: Recovery
) -> None:
    server.save_text("notebooks/refused.txt", "before")
    platform.kill("s3")
    model = {"type": "file", "format": "text", "content": "during"}
    # In process mode at once; a container's name has to be looked up in vain first.
    answer = server.ask("PUT", "api/contents/notebooks/refused.txt", json=model, timeout=8)
    assert answer.status_code in (503, 504)
    assert "Try:" in answer.json()["message"]
    assert server.save_text("at-home.txt", "needs no S3")
    with recovery():
        platform.recover()
        until("saves work", lambda: works(server, "notebooks/refused.txt"))
    assert bucket.get("refused.txt") == b"works again"


@pytest.mark.row(11)
def test_while_s3_hangs_saves_are_bounded_and_kernels_answer(
    platform: Platform, server: Server, bucket: Bucket, recovery: Recovery
) -> None:
    server.save_text("notebooks/hangs.txt", "before")
    with Kernel(server, "hangs.ipynb") as kernel, ThreadPoolExecutor(1) as pool:
        kernel.text_of("1")
        platform.freeze("s3")
        saving = pool.submit(server.save_text, "notebooks/hangs.txt", "during")
        assert kernel.text_of("print(6 * 7)") == "42\n"
        assert not saving.done(), "the kernel did not wait for the save"
        error = saving.exception(timeout=30)
        assert isinstance(error, ServerError)
        assert error.status in (503, 504)
        platform.thaw("s3")
        with recovery():
            until("saves work", lambda: works(server, "notebooks/hangs.txt"))
    assert bucket.get("hangs.txt") == b"works again"


@pytest.mark.row(12)
def test_a_server_starts_without_s3_and_its_folders_say_why(
    platform: Platform, server: Server, recovery: Recovery
) -> None:
    server.person.stop_server()
    platform.kill("s3")
    hub = platform.since("hub")
    server.person.start_server()
    server.enter()
    assert "notebooks" in server.names("")
    answer = server.ask("GET", "api/contents/notebooks")
    assert answer.status_code in (503, 504)
    assert "S3" in answer.json()["message"]
    assert platform.since("hub") == hub, "the hub was not restarted over it"
    with recovery():
        platform.recover()
        until("the folder opens", lambda: server.ask("GET", "api/contents/notebooks").ok)


@pytest.mark.row(13)
@pytest.mark.parametrize(("size", "moments"), [(2_000, (0, 0.01)), (LARGE, (0.3, 1.0))])
def test_a_server_killed_while_it_saves_leaves_the_old_or_the_new_file(
    platform: Platform, server: Server, bucket: Bucket, size: int, moments: tuple[float, ...]
) -> None:
    name = f"killed-{size}.txt"
    kept = "0" * size
    server.save_text(f"notebooks/{name}", kept)
    if platform.mode != "process":
        moments = moments[1:]  # another server takes its time there
    for number, moment in enumerate(moments, start=1):
        new = str(number) * size
        with ThreadPoolExecutor(1) as pool:
            saving = pool.submit(server.save_text, f"notebooks/{name}", new)
            Event().wait(moment)  # the fault's moment: somewhere on the way, not after an event
            platform.kill("server")
            acknowledged = isinstance(outcome(saving.exception()), type(None))
        found = bucket.get(name).decode()
        assert found == new or (found == kept and not acknowledged), "whole, and kept if told so"
        kept = found
        server.person.start_server()
        server.enter()
    assert server.save_text(f"notebooks/{name}", "goes on")


def outcome(error: BaseException | None) -> BaseException | None:
    """What a save came to: nothing, if it was acknowledged; what nobody expects is raised."""
    if error is not None and not isinstance(error, ServerError | requests.RequestException):
        raise error
    return error


@pytest.mark.row(14)
def test_of_two_who_save_the_same_notebook_the_second_is_told(
    platform: Platform, server: Server, bucket: Bucket
) -> None:
    other = platform.server_of("linus")
    server.save_notebook("notebooks/both.ipynb", notebook_of("'first'"))
    for each in (server, other):
        each.read("notebooks/both.ipynb")
    server.save_notebook("notebooks/both.ipynb", notebook_of("'of grace'"))
    with pytest.raises(ServerError) as told:
        other.save_notebook("notebooks/both.ipynb", notebook_of("'of linus'"))
    assert told.value.status == 409
    assert sources_of(other.read("notebooks/both.ipynb")) == ["'of grace'"]
    assert b"of grace" in bucket.get("both.ipynb")
    other.person.stop_server()


@pytest.mark.row(15)
def test_a_move_that_s3_fails_loses_nothing_and_works_later(
    platform: Platform, server: Server, bucket: Bucket
) -> None:
    server.make_folder("box")
    names = [f"{number}.txt" for number in range(5)]
    for name in names:
        server.save_text(f"box/{name}", name)
    platform.kill("s3")
    move = {"path": "notebooks/box"}
    assert not server.ask("PATCH", "api/contents/box", json=move).ok
    assert server.names("box") == names
    platform.recover()
    until("it moves", lambda: server.ask("PATCH", "api/contents/box", json=move).ok)
    assert not server.exists("box")
    assert [bucket.get(f"box/{name}").decode() for name in names] == names


@pytest.mark.row(16)
def test_a_checkpoint_is_there_after_a_restart(
    platform: Platform, server: Server, bucket: Bucket
) -> None:
    server.save_text("notebooks/draft.txt", "good")
    at = "api/contents/notebooks/draft.txt/checkpoints"
    made = server.ask("POST", at)
    assert made.status_code == 201
    server.save_text("notebooks/draft.txt", "worse")
    server.person.stop_server()
    server.person.start_server()
    server.enter()
    assert server.ask("POST", f"{at}/{made.json()['id']}").ok
    assert bucket.get("draft.txt") == b"good"
