"""What doctor sees of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from habari_local.diagnostics.checks import BROWSER


@pytest.mark.parametrize("name", ["chromium", "google-chrome"])
def test_a_browser_of_the_system_counts(tmp_path: Path, name: str) -> None:
    program = tmp_path / name
    program.touch(0o755)
    found = BROWSER.check({"PATH": str(tmp_path), "HOME": str(tmp_path)})
    assert found.good
    assert found.found == str(program)


def test_playwrights_own_browser_counts_as_the_suite_takes_it_too(tmp_path: Path) -> None:
    environ = {"PATH": str(tmp_path), "PLAYWRIGHT_BROWSERS_PATH": str(tmp_path / "browsers")}
    assert not BROWSER.check(environ).good
    (tmp_path / "browsers" / "chromium_headless_shell-1200").mkdir(parents=True)
    assert not BROWSER.check(environ).good, "that one alone is not what the suite starts"
    (tmp_path / "browsers" / "chromium-1200").mkdir()
    assert BROWSER.check(environ).good
