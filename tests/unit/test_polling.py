"""A wait has no deadline while what is waited for works, and ends soon when it does not."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from habari_local.config.secrets import Secrets
from habari_local.config.settings import Settings
from habari_local.core import polling
from habari_local.core.errors import NotReady
from habari_local.core.paths import Checkout
from habari_local.drivers import processes
from habari_local.modes.process.services import Service
from habari_local.modes.process.steps import await_answer
from habari_local.platform.mode import Context
from tests.scratch import free_offset

QUIET = 1.5  # seconds without work that are too many here
# Works for 4 s, in pieces, and then answers: for longer than it may do nothing.
WORKS = """
import http.server, sys, time
end = time.monotonic() + 4
while time.monotonic() < end:
    {work}
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Page).serve_forever()
"""


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds for what takes a minute: less work counts, and is looked for more often."""
    monkeypatch.setattr(polling, "WORK", 0.05)
    monkeypatch.setattr(polling, "LOOK_EVERY", 0.1)


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    return Context(Checkout(tmp_path), Settings(), Secrets(), {})


@pytest.fixture
def port() -> int:
    return 8000 + free_offset()


def service(port: int, code: str) -> Service:
    url = f"http://127.0.0.1:{port}/"
    return Service("hub", "JupyterHub", (sys.executable, "-c", code, str(port)), {}, url)


@pytest.fixture
def started(ctx: Context) -> Iterator[list[psutil.Process]]:
    found: list[psutil.Process] = []
    yield found
    processes.stop(found)


def start(ctx: Context, wanted: Service, started: list[psutil.Process]) -> psutil.Process:
    log = ctx.checkout.of_mode("process") / "logs"
    log.mkdir()
    process = processes.start(
        wanted.argv,
        label=processes.label(ctx.checkout.id, "process"),
        service=wanted.name,
        digest="d",
        env={"PATH": os.environ["PATH"]},
        cwd=ctx.checkout.root,
        log=log / "hub.log",
    )
    started.append(process)
    return process


@pytest.mark.parametrize(
    "work", ["sum(range(100_000))", "print('at work', flush=True); time.sleep(0.5)"]
)
def test_who_works_may_take_its_time(
    ctx: Context, port: int, work: str, started: list[psutil.Process]
) -> None:
    wanted = service(port, WORKS.format(work=work))
    process = start(ctx, wanted, started)
    began = time.monotonic()
    await_answer(wanted, ctx, lambda _: None, QUIET, process)
    assert time.monotonic() - began > QUIET


def test_who_does_nothing_is_given_up(
    ctx: Context, port: int, started: list[psutil.Process]
) -> None:
    wanted = service(port, "import time; time.sleep(60)")
    process = start(ctx, wanted, started)
    with pytest.raises(NotReady, match=r"JupyterHub: no answer, nothing done for \d s"):
        await_answer(wanted, ctx, lambda _: None, QUIET, process)


def test_what_is_installed_beside_is_waited_for_and_told(
    ctx: Context, port: int, started: list[psutil.Process]
) -> None:
    wanted = service(port, "import time; time.sleep(60)")
    process, said = start(ctx, wanted, started), set[str]()
    began, install = time.monotonic(), ctx.installing("environment of the hub")

    def say(text: str) -> None:
        said.add(text)
        if time.monotonic() > began + 2 * QUIET and ctx.installs:
            install.__exit__(None, None, None)

    install.__enter__()
    with pytest.raises(NotReady) as told:
        await_answer(wanted, ctx, say, QUIET, process)
    assert time.monotonic() - began > 2.5 * QUIET, told.value
    assert f"waiting for {wanted.health}; meanwhile: environment of the hub" in said


WRONG = """
import http.server, sys
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(503)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Page).serve_forever()
"""


def test_what_answers_wrongly_has_started_and_gets_no_more_time(
    ctx: Context, port: int, started: list[psutil.Process]
) -> None:
    """Its work and the lines of its log are those of our own questions."""
    wanted = service(port, WRONG)
    process = start(ctx, wanted, started)
    began = time.monotonic()
    with pytest.raises(NotReady, match="nothing done"):
        await_answer(wanted, ctx, lambda _: None, QUIET, process)
    assert time.monotonic() - began < 10


def test_a_change_of_what_is_seen_is_one_step_on() -> None:
    seen = iter(["pulling", "pulling", "starting", "starting"])
    changed = polling.changes(lambda: next(seen))
    assert [changed(), changed(), changed()] == [False, True, False]
