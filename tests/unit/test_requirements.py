"""What doctor sees of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from habari_local.core.errors import HabariError
from habari_local.diagnosis.requirements import BROWSER, require_build_tools


@pytest.mark.parametrize("name", ["chromium", "google-chrome"])
def test_a_browser_of_the_system_counts(tmp_path: Path, name: str) -> None:
    program = tmp_path / name
    program.touch(0o755)
    found = BROWSER.check({"PATH": str(tmp_path), "HOME": str(tmp_path)})
    assert found.good
    assert (found.found, found.detail) == (name, str(program))


def test_playwrights_own_browser_counts_as_the_suite_takes_it_too(tmp_path: Path) -> None:
    environ = {"PATH": str(tmp_path), "PLAYWRIGHT_BROWSERS_PATH": str(tmp_path / "browsers")}
    assert not BROWSER.check(environ).good
    (tmp_path / "browsers" / "chromium_headless_shell-1200").mkdir(parents=True)
    assert not BROWSER.check(environ).good, "that one alone is not what the suite starts"
    (tmp_path / "browsers" / "chromium-1200").mkdir()
    assert BROWSER.check(environ).good


@pytest.mark.parametrize(
    ("answer", "seen"),
    [("echo github.com/docker/buildx v0.11.2", "0.11.2 is too old"), ("exit 1", "not found")],
    ids=["old", "not there"],
)
def test_what_builds_images_is_asked_for_before_a_build(
    tmp_path: Path, answer: str, seen: str
) -> None:
    program = tmp_path / "docker"
    program.write_text(f"#!/bin/sh\n{answer}\n", encoding="utf-8")
    program.chmod(0o755)
    with pytest.raises(HabariError) as refused:
        require_build_tools({"PATH": f"{tmp_path}:/bin"})
    assert seen in refused.value.message
    assert "docker" in refused.value.hint
    assert refused.value.code == 3
