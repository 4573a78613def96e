"""Services killed while people work: status shows it, `up` fixes it, nobody's work is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator

import psutil
import pytest

from tests.e2e.endpoints import Endpoints, parse
from tests.e2e.hub_client import Hub, Person, sign_in
from tests.e2e.s3_client import Bucket, connect
from tests.e2e.server_client import Server, ServerError, bytes_of, notebook_of
from tests.faults.matrix import Recovery
from tests.faults.parts import server_of
from tests.leftovers import left_by
from tests.scratch import Scratch


@pytest.fixture(scope="module")
def platform(shared: Scratch) -> Iterator[Scratch]:
    """The platform, up."""
    shared.good("up")
    yield shared
    shared.good("down")


@pytest.fixture
def endpoints(platform: Scratch) -> Endpoints:
    platform.good("up")
    return parse(platform.good("endpoints"), "habari-local endpoints")


@pytest.fixture
def grace(endpoints: Endpoints) -> Iterator[Person]:
    """A user who is signed in and whose server runs."""
    person = sign_in(endpoints, "grace")
    yield person
    person.web.close()


@pytest.fixture
def server(grace: Person) -> Server:
    started = Server(grace, grace.start_server())
    started.enter()
    return started


def stored(endpoints: Endpoints, key: str) -> bytes:
    return Bucket(connect(endpoints), endpoints.s3.notebooks_bucket).get(key)


def pids_of(platform: Scratch, user: str) -> set[int]:
    return {found.process.pid for found in platform.found() if found.user == user}


def kill(process: psutil.Process) -> None:
    process.kill()
    psutil.wait_procs([process], timeout=10)


HUB = pytest.param("hub", marks=pytest.mark.row(8))
PROXY = pytest.param("proxy", marks=pytest.mark.row(9))


@pytest.mark.parametrize("service", [HUB, PROXY, "s3", "github"])
def test_a_killed_service_is_seen_and_mended_and_servers_go_on(
    platform: Scratch, endpoints: Endpoints, server: Server, service: str, recovery: Recovery
) -> None:
    name = f"before-{service}.txt"
    server.save_text(f"notebooks/{name}", f"saved before the {service} was killed")
    before = pids_of(platform, "grace")
    kill(platform.service(service))

    shown = platform.call("status", "--json")
    assert shown.returncode == 4
    states = {row["name"]: row["state"] for row in json.loads(shown.stdout)["services"]}
    assert states[service] == "stopped"
    if service == "s3":
        with pytest.raises(ServerError) as refused:
            server.save_text("notebooks/while-away.txt", "x")
        assert refused.value.status in (503, 504)
        server.save_text("home.txt", "the home needs no S3")

    with recovery():
        platform.good("up")
        server.save_text("notebooks/after.txt", "works again")
    assert pids_of(platform, "grace") == before, "the user's server was not touched"
    assert server.read(f"notebooks/{name}")["content"] == f"saved before the {service} was killed"
    assert stored(endpoints, "after.txt") == b"works again"
    assert Hub(endpoints).has_server("grace")


def test_down_and_up_keep_what_was_saved_byte_for_byte(
    platform: Scratch, endpoints: Endpoints, server: Server
) -> None:
    notebook = notebook_of("print('héllo')")
    server.save_notebook("notebooks/kept.ipynb", notebook)
    server.save_text("at-home.txt", "kept too")
    platform.good("down")
    platform.good("up")
    assert stored(endpoints, "kept.ipynb") == bytes_of(notebook)
    server = server_of(endpoints, "grace")
    assert server.read("at-home.txt")["content"] == "kept too"
    assert server.read("notebooks/kept.ipynb")["content"]["cells"][0]["source"] == "print('héllo')"


def test_kill_9_of_everything_keeps_what_was_saved_byte_for_byte(
    platform: Scratch, endpoints: Endpoints, server: Server
) -> None:
    notebook = notebook_of("1 + 1", "'two'")
    server.save_notebook("notebooks/survivor.ipynb", notebook)
    for found in platform.found():
        found.process.kill()
    psutil.wait_procs([found.process for found in platform.found()], timeout=10)
    platform.good("up")
    platform.good("status")
    assert stored(endpoints, "survivor.ipynb") == bytes_of(notebook)
    repaired = server_of(endpoints, "grace")
    assert repaired.read("notebooks/survivor.ipynb")["content"]["cells"][1]["source"] == "'two'"


@pytest.mark.row(18)
def test_a_denied_user_leaves_no_row(platform: Scratch, endpoints: Endpoints) -> None:
    from tests.e2e.sign_in import SignIn

    steps = SignIn(endpoints)
    page = steps.finish(steps.grant("mallory"))
    assert page.status_code == 403
    assert Hub(endpoints).user("mallory") is None


def test_wipe_after_a_crash_deletes_what_it_names_and_nothing_else(platform: Scratch) -> None:
    for found in platform.found():
        found.process.kill()
    (platform.root / "project").mkdir(exist_ok=True)
    (platform.root / "project" / "mine.txt").write_text("not the platform's")
    said = platform.good("down", "--wipe", "--yes")
    for name in ("homes", "s3-moto", "jupyterhub.sqlite"):
        assert f".habari/process/{name}" in said
        assert not (platform.state / "process" / name).exists()
    assert left_by(platform) == {}
    assert (platform.root / "project" / "mine.txt").exists()
    platform.good("up")
    platform.good("status")


def test_fresh_deletes_what_wipe_would_says_so_and_comes_up(platform: Scratch) -> None:
    kept = platform.state / "process" / "homes" / "kept.txt"
    kept.write_text("of a platform that was")
    done = platform.call("up", "--recreate", "--yes")
    assert done.returncode == 0, done.stderr
    assert "Deleted: .habari/process/homes" in done.stderr
    assert not kept.exists()
    platform.good("status")
    other = platform.call("up", "--mode", "hub", "--recreate", "--yes")
    assert other.returncode == 1
    assert "Mode process is up in this checkout" in other.stderr
    platform.good("status")
