"""A real browser: Chromium by Playwright, headless, and what it saw when a check fails."""

import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import (
    Browser,
    BrowserContext,
    Error,
    Locator,
    Page,
    Response,
    ViewportSize,
    expect,
    sync_playwright,
)
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from . import no_netlink
from .endpoints import Endpoints
from .not_applicable import not_applicable
from .waiting import PATIENCE

SIZE = ViewportSize(width=1280, height=800)
ACTION_SECONDS = 30 * PATIENCE
_QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-gpu",
    "--disable-sync",
    "--no-first-run",
    "--disable-dev-shm-usage",
)


def executable() -> str | None:
    """The path of a Chromium: the system's, else Playwright's own, else None.

    Playwright's driver needs libraries that a bare system lacks: then it has no browser either.
    """
    names = ("chromium", "chromium-browser", "google-chrome")
    system = next(filter(None, map(shutil.which, names)), None)
    if system:
        return system
    with suppress(Exception), sync_playwright() as playwright:
        own = playwright.chromium.executable_path
        return own if Path(own).exists() else None
    return None


@contextmanager
def launched() -> Iterator[Browser]:
    """A headless Chromium; skips the check for the listed reason where there is none."""
    path = executable()
    if path is None:
        not_applicable("no-browser")
    with _without_netlink(path) as program, sync_playwright() as playwright:
        # Chromium refuses its sandbox to root, as in a container.
        arguments = [*_QUIET, "--no-sandbox"] if os.geteuid() == 0 else list(_QUIET)
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        expect.set_options(timeout=ACTION_SECONDS * 1000)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def _without_netlink(path: str) -> Iterator[str]:
    """Give a program that starts the browser so that it goes on when networks come and go."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "chromium")
        command = shlex.join([sys.executable, "-I", no_netlink.__file__, path])
        program.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
        program.chmod(0o700)
        yield str(program)


def new_profile(browser: Browser) -> BrowserContext:
    """A browser profile of its own, recorded so that a failure can be replayed."""
    profile = browser.new_context(viewport=SIZE)
    profile.set_default_timeout(ACTION_SECONDS * 1000)
    profile.tracing.start(screenshots=True, snapshots=True)
    return profile


@dataclass
class Tab:
    """A user's tab, which stays open from check to check: loading JupyterLab takes seconds."""

    profile: BrowserContext
    page: Page

    @contextmanager
    def recorded(self) -> Iterator[Page]:
        """The page, its doings recorded; the evidence of a failure takes the recording."""
        self.profile.tracing.start_chunk()
        try:
            yield self.page
        finally:
            with suppress(Error):  # the evidence of a failure has ended the recording
                self.profile.tracing.stop_chunk()


def sign_in(
    page: Page,
    endpoints: Endpoints,
    login: str,
    next_page: str = "/hub/home",
    address: str | None = None,
) -> None:
    """Sign in by clicking: the hub's button, GitHub's form, and back; without a hub by the link.

    *address* is another one of the deployment than its endpoints name.
    """
    address = address or endpoints.hub
    if not endpoints.has_hub:
        page.goto(f"{address}/lab?token={endpoints.hub_api_token.get_secret_value()}")
        return
    page.goto(f"{address}/hub/login?next={next_page}")
    button = page.locator("a[href*='oauth_login']")
    if button.count():
        button.first.click()
    field = page.locator("input[name=login]:not([type=hidden])")
    field.fill(login)
    field.press("Enter")
    page.wait_for_url(lambda url: url.startswith(f"{address}/") and "/login/oauth/" not in url)


class Lab:
    """JupyterLab in a page: what a user does there."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url.rstrip("/")

    def open(self) -> None:
        """Open Lab, unless the page shows it already."""
        if not self.page.url.startswith(f"{self.url}/lab"):
            self.page.goto(f"{self.url}/lab?reset")
        self.ready()

    def ready(self) -> None:
        """Wait until the file browser shows the folder that it comes back to."""
        browser = self.page.locator("#filebrowser:not(.jp-mod-restoring)")
        expect(browser.locator(".jp-DirListing-content")).to_be_visible()
        expect(self.page.locator("#jupyterlab-splash")).to_have_count(0)

    def go_home(self) -> None:
        """Let the file browser show the home."""
        self.page.locator("#filebrowser .jp-BreadCrumbs-home").click()
        expect(self._crumbs()).to_have_count(0)

    def go_to(self, folder: str) -> None:
        """Double-click through the file browser from the home to a folder.

        Each folder's listing is waited for: another one may have an entry of the next name too.
        Lab may go elsewhere by itself meanwhile, as to the folder it showed before: then once more.
        """
        try:
            self._walk(folder)
        except (AssertionError, PlaywrightTimeout):
            self.ready()
            self._walk(folder)

    def _walk(self, folder: str) -> None:
        self.go_home()
        for depth, part in enumerate(folder.split("/"), 1):
            self.entry(part).dblclick()
            expect(self._crumbs().last).to_have_text(part)
            expect(self._crumbs()).to_have_count(depth)

    def open_file(self, path: str) -> None:
        """Double-click through the file browser to a file, and on it."""
        folder, _, name = path.rpartition("/")
        self.go_to(folder)
        self.entry(name).dblclick()

    def _crumbs(self) -> Locator:
        return self.page.locator("#filebrowser .jp-BreadCrumbs-item:not(.jp-BreadCrumbs-home)")

    def entry(self, name: str) -> Locator:
        """An entry of the file browser by its exact name."""
        listing = self.page.locator("#filebrowser .jp-DirListing-item")
        return listing.filter(has=self.page.get_by_text(name, exact=True))

    def drag(self, name: str, onto: str) -> None:
        """Drag an entry of the file browser onto a folder beside it."""
        source, target = self.entry(name).bounding_box(), self.entry(onto).bounding_box()
        assert source is not None
        assert target is not None
        self.page.mouse.move(source["x"] + 40, source["y"] + source["height"] / 2)
        self.page.mouse.down()
        self.page.mouse.move(target["x"] + 40, target["y"] + target["height"] / 2, steps=12)
        self.page.mouse.up()

    def new_notebook(self) -> None:
        """Make a notebook by a new launcher and wait for its kernel."""
        self.page.keyboard.press("Control+Shift+L")
        self.page.locator(".jp-LauncherCard[data-category=Notebook]:visible").first.click()
        self.kernel_idle("Untitled")

    def kernel_idle(self, notebook: str) -> None:
        """Wait until *notebook* is in front, its kernel connected and with nothing to do.

        By the status bar: the notebook's own indicator says idle before there is a kernel.
        """
        status = self.page.locator("#jp-main-statusbar")
        expect(status).to_contain_text(notebook)
        expect(status).to_contain_text("| Idle")

    def run_cell(self, source: str) -> None:
        """Type into the selected cell and run it, staying on it."""
        cell = self.page.locator(".jp-Notebook:visible .jp-Cell.jp-mod-selected .cm-content")
        cell.click()
        self.page.keyboard.insert_text(source)
        self.page.keyboard.press("Shift+Enter")

    def save(self, name: str | None = None) -> None:
        """Save with Ctrl+S (and rename when Lab asks); wait for the server's answer."""

        def saved(response: Response) -> bool:
            return response.request.method == "PUT" and "/api/contents/" in response.url

        with self.page.expect_response(saved) as answer:
            self.page.keyboard.press("Control+s")
            if name is not None:
                dialog = self.page.locator(".jp-Dialog input[type=text]")
                dialog.fill(name)
                dialog.press("Enter")
        assert answer.value.ok, f"saving answered {answer.value.status}"
