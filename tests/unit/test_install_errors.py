"""Why an installation failed: the network is named where the network failed, and nowhere else."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from habari_local.cli import main
from habari_local.core.errors import CommandFailed, HabariError
from habari_local.drivers import uv
from habari_local.drivers.install_errors import cause
from habari_local.images import build

PINNED = f"six==1.17.0 \\\n    --hash=sha256:{'0' * 64}\n"


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    file = tmp_path / "requirements.txt"
    file.write_text(PINNED)
    return file


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if "PROXY" not in name.upper()}
    return {**kept, "UV_CACHE_DIR": str(tmp_path / "cache"), "UV_HTTP_RETRIES": "0"} | more


def failed(tmp_path: Path, lock: Path, **more: str) -> CommandFailed:
    with pytest.raises(CommandFailed) as error:
        uv.sync(tmp_path / "env", lock, environment(tmp_path, **more))
    return error.value


def test_a_network_that_failed_is_named(tmp_path: Path, lock: Path) -> None:
    error = failed(tmp_path, lock, UV_DEFAULT_INDEX="http://127.0.0.1:9/simple")
    assert error.message.startswith("uv: the network failed (exit code ")
    assert error.hint.startswith("check the network")
    proxy = {"HTTPS_PROXY": "http://somebody:secret@127.0.0.1:9"}
    error = failed(tmp_path, lock, UV_DEFAULT_INDEX="https://localhost/simple", **proxy)
    assert "the proxy in HTTPS_PROXY" in error.hint
    assert "secret" not in error.hint


def test_a_lock_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(HabariError) as error:
        uv.sync(tmp_path / "env", tmp_path / "requirements.txt", environment(tmp_path))
    assert error.value.message.startswith(f"{tmp_path}/requirements.txt: this lock is not there")
    assert "restore requirements.txt" in error.value.hint


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk without room."""
    folder = tmp_path / "env"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small tmpfs")
def test_a_full_disk_is_named(tmp_path: Path, small: Path, lock: Path) -> None:
    error = failed(tmp_path, lock)
    assert "the disk is full" in error.message
    assert error.hint == f"df -h {small}"


@pytest.mark.parametrize(
    ("said", "seen", "hint"),
    [
        ("npm error code ENOSPC", "the disk is full", "df -h /tmp"),
        ("npm error code EAI_AGAIN", "the network failed", "check the network"),
        ("npm error code EINTEGRITY", "a download is not what the lock has", "repeat"),
        ("npm error code EACCES", "/tmp can't be written", "ls -ld /tmp"),
        ("E: Temporary failure resolving 'deb.debian.org'", "the network failed", "check the"),
        ("helm: dial tcp: lookup charts.invalid: no such host", "the network failed", "check the"),
        ("invalid peer certificate: UnknownIssuer", "the server's certificate is not", "set SSL_"),
        ("os error 28: No space left on device; error sending request", "the disk is full", "df"),
    ],
)
def test_what_programs_say_is_understood(said: str, seen: str, hint: str) -> None:
    found = cause(said, Path("/tmp"), {})
    assert found is not None
    assert found.seen.startswith(seen)
    assert found.hint.startswith(hint)


def test_what_is_not_known_has_no_cause() -> None:
    assert cause("error: six has no wheel for this platform", Path("/tmp"), {}) is None


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("#8 1.2 Temporary failure resolving 'deb.debian.org'\n", "check the network"),
        ("#8 1.2 SyntaxError: invalid syntax\n", "habari-local image build hub"),
    ],
)
def test_a_build_names_the_network_where_it_failed(said: str, hint: str) -> None:
    output = f"{said}#8 ERROR: process did not complete successfully: exit code: 100\n"
    error = build.explain_failure("hub", "hub/Dockerfile", CommandFailed(["docker"], 1, output))
    assert error.hint.startswith(hint)


def test_what_cant_be_written_is_asked_about_rights_not_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: object) -> int:
        raise PermissionError(13, "Permission denied", str(tmp_path / "x" / "y"))

    monkeypatch.setattr("habari_local.cli._run", refused)
    with pytest.raises(SystemExit):
        main([])
    told = capsys.readouterr().err
    assert re.search(rf"Try: ls -ld {re.escape(str(tmp_path))}\n", told), told
