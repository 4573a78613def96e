"""`python -m bench.kind_edits`: from the save of a file to the answer with the edit, in mode kind.

`up --watch` follows the edits; each is looked for at the hub, by a request that knows it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import requests

from bench.ours import Figures
from habari_local.core import polling
from tests.e2e.endpoints import parse
from tests.e2e.hub_client import sign_in
from tests.runnable_modes import missing
from tests.scratch import Scratch, scratch_checkout

ROWS = (
    ("edit_page", "a page in hub/ saved → the hub answers with it (`--watch`)", 10.0),
    ("edit_values", "kind/values.yaml saved → the hub answers with it (`--watch`)", 10.0),
    ("edit_env", ".env saved → who is new in it is signed in (`--watch`)", 10.0),
)
SECONDS = 120.0  # within which an edit is in effect, or it never is
TITLE = "{% block title %}Habari"
SECRET = '  existingSecret: ""\n'


class Edits:
    """The watch of a checkout whose platform is up, and one edit after the other."""

    def __init__(self, scratch: Scratch, said: Iterator[str]) -> None:
        self._scratch, self._said = scratch, said
        where = scratch.good("endpoints")
        self._endpoints = parse(where, "habari-local endpoints")
        self._login = f"{self._endpoints.hub_url}hub/login"
        self._whole = {name: self._read(name) for name in ("page.html", "values.yaml")}

    def page(self, number: int) -> float:
        """Edit a page of the hub: another title."""
        file = self._file("page.html")
        edited = self._whole["page.html"].replace(TITLE, f"{TITLE} {number}")
        return self._answered(file, edited, f"<title>Habari {number}<")

    def values(self, number: int) -> float:
        """Edit kind/values.yaml: an announcement on the hub's pages."""
        told = f"announcement {number}"
        more = f'  config:\n    JupyterHub:\n      template_vars: {{announcement: "{told}"}}\n'
        edited = self._whole["values.yaml"].replace(SECRET, f"{SECRET}{more}")
        return self._answered(self._file("values.yaml"), edited, told)

    def settings(self, number: int) -> float:
        """Edit .env: one more user, who then can sign in."""
        began = time.perf_counter()
        file = self._scratch.root / ".env"
        file.write_text(f"HABARI_ALLOWED_USERS=grace,linus,u{number}\n")
        self._in_effect()
        sign_in(self._endpoints, f"u{number}")
        return time.perf_counter() - began

    def take_back(self) -> None:
        """Have the checkout be what it was before, for whoever brings it up next."""
        for name, whole in self._whole.items():
            self._file(name).write_text(whole)
        (self._scratch.root / ".env").unlink(missing_ok=True)

    def _answered(self, file: Path, edited: str, shown: str) -> float:
        began = time.perf_counter()
        file.write_text(edited)
        polling.wait_until(
            lambda: shown in self._asked(), f"{file.name} with the edit", seconds=SECONDS
        )
        seconds = time.perf_counter() - began
        self._in_effect()
        return seconds

    def _asked(self) -> str:
        try:
            return requests.get(self._login, timeout=5).text
        except requests.RequestException:
            return ""  # the hub is between two pods

    def _in_effect(self) -> None:
        for line in self._said:
            sys.stderr.write(line)
            if "in effect after" in line:
                return
            if "ot in effect" in line:
                break
        sys.exit("the edit is not in effect")

    def _file(self, name: str) -> Path:
        folder = "hub/templates" if name == "page.html" else "kind"
        return self._scratch.root / folder / name

    def _read(self, name: str) -> str:
        return self._file(name).read_text()


def measured(scratch: Scratch, runs: int) -> list[Figures]:
    """Follow a platform that is up, and edit each file `runs` times."""
    watch = scratch.start("up", "--watch")
    said = iter(watch.stdout or ())
    try:
        next(line for line in said if line.startswith("Watching"))
        edits = Edits(scratch, said)
        found = [
            {
                "edit_page": edits.page(number),
                "edit_values": edits.values(number),
                "edit_env": edits.settings(number),
            }
            for number in range(runs)
        ]
    finally:
        watch.kill()
        watch.communicate()
    edits.take_back()
    return found


def main() -> None:
    """Bring kind up in a checkout of its own, measure, print, and wipe it."""
    parser = argparse.ArgumentParser(prog="bench.kind_edits")
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    reason = missing("kind")
    if reason:
        sys.exit(reason)
    with (
        tempfile.TemporaryDirectory(prefix="habari-bench-") as folder,
        scratch_checkout(Path(folder)) as scratch,
    ):
        scratch.good("up", "--mode", "kind")
        found = measured(scratch, arguments.runs)
        scratch.good("down", "--wipe", "--yes")
    for key, title, goal in ROWS:
        seconds = [each[key] for each in found]
        middle, least, most = median(seconds), min(seconds), max(seconds)
        shown = f"{middle:.1f} ({least:.1f}-{most:.1f})"
        sys.stdout.write(f"| {title} | {shown} |  | ≤ {goal:g} |\n")


if __name__ == "__main__":
    main()
