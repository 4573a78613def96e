"""Docker's engine restarted while people work: servers come back, and what was saved is there."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.e2e.endpoints import parse
from tests.e2e.s3_client import Bucket, connect
from tests.e2e.server_client import bytes_of, notebook_of
from tests.faults.parts import server_of
from tests.faults.test_compose_work import back_at_work
from tests.leftovers import left_by
from tests.scratch import Scratch, must_be_able_to_run
from tests.waiting import wait_for

# What stops and starts the engine, where it is the tests' own: .ci/docker in .ci/run.
ENGINE = os.environ.get("TESTS_ENGINE", "")
pytestmark = [
    pytest.mark.mode("hub"),
    pytest.mark.skipif(not ENGINE, reason="others may use this engine: TESTS_ENGINE=PROGRAM"),
]


def test_the_engine_restarted_while_people_work(scratch: Scratch) -> None:
    must_be_able_to_run("hub")
    scratch.settings |= {"HABARI_MODE": "hub", "HABARI_S3_BACKEND": "moto"}
    scratch.good("up")
    endpoints = parse(scratch.good("endpoints"), "habari-local endpoints")
    server, notebook = server_of(endpoints, "grace"), notebook_of("print('héllo')")
    server.save_notebook("notebooks/kept.ipynb", notebook)
    server.save_text("at-home.txt", "kept too")
    away = server_of(endpoints, "linus")  # whose home exists, while the server does not
    away.save_text("at-home.txt", "kept as well")
    away.person.stop_server()
    for verb in ("stop", "start"):
        subprocess.run([ENGINE, verb], check=True, timeout=100)
    wait_for(lambda: scratch.call("status").returncode == 0, 60)
    stored = Bucket(connect(endpoints), endpoints.s3.notebooks_bucket).get("kept.ipynb")
    assert stored == bytes_of(notebook)
    again = back_at_work(endpoints, "grace")
    assert again.read("at-home.txt")["content"] == "kept too"
    again.save_text("at-home.txt", "and on")
    assert server_of(endpoints, "linus").read("at-home.txt")["content"] == "kept as well"
    scratch.good("down")
    assert left_by(scratch) == {}
