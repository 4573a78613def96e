"""The fixtures that other projects' tests take: a platform, and somebody who works on it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.scratch import Scratch

SAVE = """
MODEL = {"type": "file", "format": "text", "content": "hello"}


def test_a_save_is_there(habari, habari_user):
    file = habari_user.url + "api/contents/notebooks/of-another-project.txt"
    assert habari_user.web.put(file, json=MODEL).status_code in (200, 201)
    assert habari_user.web.get(file).json()["content"] == "hello"
    assert habari_user.name == "grace"


def test_the_platform_is_the_same_one(habari):
    assert habari.mode == "process"
"""


def run_pytest(
    scratch: Scratch, folder: Path, *arguments: str, **more: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env=scratch.environment(**more),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Another project with tests of its own."""
    (tmp_path / "test_save.py").write_text(SAVE)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


def test_another_projects_tests_get_a_platform_for_their_time(
    shared: Scratch, project: Path
) -> None:
    done = run_pytest(shared, project, "--habari-mode", "process")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "JupyterHub: started" in done.stderr, "what is waited for is shown"
    assert shared.running("process") == set()


def test_a_platform_that_was_up_stays(shared: Scratch, project: Path) -> None:
    shared.good("up", "--mode", "process")
    before = shared.running("process")
    done = run_pytest(shared, project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert shared.running("process") == before, "the user's server that it started is gone too"
    shared.good("down")


def test_what_keeps_it_from_coming_up_is_a_sentence(shared: Scratch, project: Path) -> None:
    done = run_pytest(shared, project, HABARI_HUB_PORT="none")
    assert done.returncode == 1
    assert "HABARI_HUB_PORT" in done.stdout
    assert "Try: " in done.stdout
    assert "Traceback" not in done.stdout


def test_workers_share_one_that_is_up(shared: Scratch, project: Path) -> None:
    done = run_pytest(shared, project, PYTEST_XDIST_WORKER="gw0")
    assert done.returncode == 1
    assert "Try: habari-local up --mode process" in done.stdout
