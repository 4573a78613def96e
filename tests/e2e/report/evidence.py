"""What a run leaves to be looked at: screenshots, traces of the browser, the services' words."""

import io
import re
from pathlib import Path

from PIL import Image
from playwright.sync_api import Error, Page

from .model import Shot
from .redaction import Redaction

WIDTH = 1120
LOG_LINES = 40
_LOG_BYTES = 200_000


class Evidence:
    """Files of evidence in one folder, named after the check and readable by their owner alone."""

    def __init__(self, folder: Path, redact: Redaction) -> None:
        self.folder = folder
        self.redact = redact
        self.pages: list[Page] = []
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for old in folder.iterdir():
            old.unlink()

    def screenshot(self, page: Page, name: str, caption: str) -> Shot:
        """Keep what the page shows now, scaled down to what a report needs."""
        file = f"{_file_name(name)}.webp"
        with Image.open(io.BytesIO(page.screenshot())) as image:
            image.thumbnail((WIDTH, WIDTH))
            image.convert("RGB").save(self.folder / file, "WEBP", quality=82)
        (self.folder / file).chmod(0o600)
        return Shot(file, caption)

    def of_failure(self, check: str) -> tuple[list[Shot], list[str]]:
        """A screenshot and a trace of every page that the check has open."""
        shots, traces = [], []
        for number, page in enumerate(self.pages, 1):
            name = f"{check}-{number}"
            trace = self.folder / f"{_file_name(name)}.trace.zip"
            try:
                shots.append(self.screenshot(page, name, "when it failed"))
                page.context.tracing.stop_chunk(path=trace)
            except Error:
                continue  # a page that crashed shows nothing any more
            self.redact.trace(trace)
            traces.append(trace.name)
            page.close()  # what shows a failure would spoil the next check
        return shots, traces


class LogTails:
    """What the services wrote to their log files since the running check began."""

    def __init__(self, files: dict[str, Path], redact: Redaction) -> None:
        self._files = files
        self._redact = redact
        self._began: dict[str, int] = {}

    def begin(self) -> None:
        """A check begins: what was written so far isn't its doing."""
        self._began = {name: _size(path) for name, path in self._files.items()}

    def read(self) -> dict[str, str]:
        """The last lines of each service since then; silent services are left out."""
        tails = {name: self._tail(name, path) for name, path in self._files.items()}
        return {name: tail for name, tail in tails.items() if tail}

    def _tail(self, name: str, path: Path) -> str:
        size = _size(path)
        began = self._began.get(name, 0)
        start = max(began if began <= size else 0, size - _LOG_BYTES)
        try:
            with path.open("rb") as file:
                file.seek(start)
                text = file.read().decode("utf-8", "replace")
        except OSError:
            return ""
        return self._redact("\n".join(text.splitlines()[-LOG_LINES:]))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _file_name(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
