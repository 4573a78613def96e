"""What a person sees while parts fail: in JupyterLab, why a save failed; on the dashboard, what."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import expect

from habari_local.config.settings import Settings
from habari_local.core.paths import Checkout
from habari_local.images.build import Images
from tests.e2e.browser import Lab, launched, new_profile, sign_in
from tests.e2e.s3_client import Bucket, connect
from tests.e2e.server_client import Server, notebook_of
from tests.e2e.waiting import until
from tests.faults.matrix import Recovery
from tests.faults.parts import Platform, works
from tests.scratch import ROOT, must_be_able_to_run

NAME = "on-screen.ipynb"


@pytest.fixture
def server(platform: Platform) -> Iterator[Server]:
    """Grace's server, with a notebook in S3; whatever the test broke is repaired after it."""
    server = platform.server_of("grace")
    server.save_notebook(f"notebooks/{NAME}", notebook_of("'before'", ""))
    yield server
    platform.recover()


@pytest.fixture
def lab(platform: Platform, server: Server) -> Iterator[Lab]:
    """The notebook, open in a browser."""
    with launched() as browser:
        page = new_profile(browser).new_page()
        sign_in(page, platform.endpoints, "grace")
        lab = Lab(page, server.url)
        lab.open()
        lab.open_file(f"notebooks/{NAME}")
        lab.kernel_idle(NAME)
        yield lab


@pytest.mark.row(10)
def test_s3_stops_under_an_open_notebook_and_comes_back(
    platform: Platform, server: Server, lab: Lab, recovery: Recovery
) -> None:
    lab.run_cell("'typed while S3 was away'")
    platform.kill("s3")
    lab.page.keyboard.press("Control+s")
    told = lab.page.locator(".jp-Dialog")
    expect(told).to_contain_text(f"File Save Error for {NAME}")
    expect(told).to_contain_text("Try:")
    expect(told).not_to_contain_text("127.0.0.1")
    told.get_by_role("button", name="Close").click()
    lab.run_cell("6 * 7")
    expect(lab.page.locator(".jp-Notebook:visible")).to_contain_text("42")
    with recovery():
        platform.recover()
        until("saves work", lambda: works(server, "notebooks/works.txt"))
    lab.save()
    where = platform.endpoints
    kept = Bucket(connect(where), where.s3.notebooks_bucket).get(NAME)
    assert b"typed while S3 was away" in kept


class Slow(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path != "/":
            time.sleep(3)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


FETCH = """
Promise.all([...Array(12).keys()].map(
    number => fetch(`/${number}`).then(answer => answer.status, error => String(error))))
"""


@pytest.mark.mode("hub")
def test_a_page_goes_on_loading_while_a_container_starts() -> None:
    """Chromium drops what waits for a connection when an address of the machine comes or goes."""
    must_be_able_to_run("hub")
    image = Images(Checkout(ROOT), Settings(images="packages"), dict(os.environ)).reference("base")
    network = f"habari-browser-{os.getpid()}"
    commands = (
        ["docker", "network", "create", network],
        ["docker", "run", "--rm", "--network", network, "--entrypoint", "true", image],
        ["docker", "network", "rm", network],
    )

    def start_a_container() -> list[int]:
        time.sleep(1)  # until the page has requests that wait
        return [
            subprocess.run(each, capture_output=True, check=False).returncode for each in commands
        ]

    with (
        ThreadingHTTPServer(("127.0.0.1", 0), Slow) as serving,
        launched() as browser,
        ThreadPoolExecutor() as pool,
    ):
        pool.submit(serving.serve_forever)
        try:
            page = browser.new_page()
            page.goto(f"http://localhost:{serving.server_port}/")
            started = pool.submit(start_a_container)
            answers = page.evaluate(FETCH)
        finally:
            serving.shutdown()
    assert started.result() == [0, 0, 0]
    assert answers == [200] * 12


@pytest.fixture
def told(platform: Platform) -> Iterator[None]:
    """The dashboard is told of this machine, as `open --dashboard` does."""
    telling = platform.scratch.start("open", "--dashboard")
    yield
    telling.send_signal(signal.SIGINT)
    said, _ = telling.communicate(timeout=60)
    assert telling.returncode == 0, said
    assert "/services/dashboard/" in said
    platform.recover()


@pytest.mark.row(8)
@pytest.mark.usefixtures("told")
def test_the_dashboard_knows_the_machine_and_outlives_the_hub(
    platform: Platform, recovery: Recovery
) -> None:
    where = platform.endpoints
    with launched() as browser:
        page = new_profile(browser).new_page()
        sign_in(page, where, "ada")
        page.get_by_role("link", name="Dashboard").click()
        connection = page.locator("#connection")
        expect(connection).to_have_text("live")
        hub = page.locator("#services tr[data-name=hub]")
        expect(hub).to_contain_text(re.compile(r"yes.*running.*MB"))
        expect(page.locator("#buckets")).to_contain_text("samples/rainfall.csv")
        expect(page.locator("#why-said")).to_have_text(re.compile(r"All \d+ checks passed\."))
        page.get_by_label("Log of hub").click()
        expect(page.locator("#window pre")).to_contain_text("JupyterHub")
        page.keyboard.press("Escape")
        page.get_by_label("Browse lake").press("Enter")
        page.locator("#window").get_by_role("button", name="samples/").press("Enter")
        expect(page.locator("#window")).to_contain_text("rainfall.csv")
        page.keyboard.press("Escape")
        shown = page.content()
        for secret in (where.hub_api_token, where.s3.secret_access_key):
            assert secret.get_secret_value() not in shown
        platform.kill("hub")
        expect(page.locator("#connection.bad, #problem:visible").first).to_be_visible()
        with recovery():
            platform.recover()
            expect(connection).to_have_text("live")
            expect(page.locator("#problem")).to_be_hidden()
