"""The database's image: its data outlives kills and restarts, its password is asked for."""

from __future__ import annotations

import time
import uuid

import pytest

from habari_local.images.build import Images
from tests.images.conftest import Run

DATA = "/var/lib/postgresql/data"


@pytest.fixture
def volume(run: Run) -> str:
    name = f"habari-test-{uuid.uuid4().hex[:8]}"
    run("volume", "create", name)
    return name


def start(images: Images, run: Run, volume: str) -> str:
    """Start a database on the volume, as the Compose files do; return the container."""
    settings = ("POSTGRES_USER=hub", 'POSTGRES_PASSWORD=it\'s "secret"', "POSTGRES_DB=hub")
    environment = [f"--env={each}" for each in settings]
    limits = ["--cap-drop=ALL", "--security-opt=no-new-privileges", "--user=999:999"]
    options = [*environment, *limits, f"--volume={volume}:{DATA}"]
    return run("run", "-d", *options, images.reference("postgres")).stdout.strip()


def sql(run: Run, container: str, text: str, password: str = 'it\'s "secret"') -> str:
    address = ["-h", "127.0.0.1", "-U", "hub", "-Atc", text]
    done = run("exec", f"--env=PGPASSWORD={password}", container, "psql", *address, check=False)
    return done.stdout.strip() if done.returncode == 0 else f"refused: {done.stderr}"


def wait_until_it_answers(run: Run, container: str) -> None:
    deadline = time.monotonic() + 60
    while run("exec", container, "pg_isready", "-q", "-h", "127.0.0.1", check=False).returncode:
        assert time.monotonic() < deadline, run("logs", container).stderr
        time.sleep(0.1)


def test_what_was_committed_survives_a_kill_and_a_new_container(
    images: Images, run: Run, volume: str
) -> None:
    first = start(images, run, volume)
    wait_until_it_answers(run, first)
    assert sql(run, first, "CREATE TABLE kept AS SELECT 42 AS answer") == "SELECT 1"
    run("kill", first)
    run("rm", first)
    second = start(images, run, volume)
    wait_until_it_answers(run, second)
    assert sql(run, second, "SELECT answer FROM kept") == "42"


def test_a_wrong_password_is_refused_and_none_stands_in_the_processs_environment(
    images: Images, run: Run, volume: str
) -> None:
    container = start(images, run, volume)
    wait_until_it_answers(run, container)
    assert "password authentication failed" in sql(run, container, "SELECT 1", "wrong")
    environment = run("exec", container, "sh", "-c", "tr '\\0' '\\n' </proc/1/environ").stdout
    assert "PGDATA" in environment
    assert "POSTGRES_PASSWORD" not in environment


@pytest.mark.parametrize("moment", [0.3, 0.8, 1.3])
def test_a_first_start_that_was_killed_begins_again(
    images: Images, run: Run, volume: str, moment: float
) -> None:
    cut_off = start(images, run, volume)
    time.sleep(moment)
    run("kill", cut_off, check=False)
    run("rm", cut_off)
    container = start(images, run, volume)
    wait_until_it_answers(run, container)
    assert sql(run, container, "SELECT current_database()") == "hub"


def test_without_a_password_it_says_so(images: Images, run: Run) -> None:
    done = run("run", "--rm", images.reference("postgres"), check=False)
    assert done.returncode == 1
    assert "POSTGRES_PASSWORD: empty, a password was expected." in done.stderr
