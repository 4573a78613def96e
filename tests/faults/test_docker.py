"""Docker as one meets it: none, a dead engine, a forbidden one, an old one, one of a context."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import os
import socket
import socketserver
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scratch import ROOT, Scratch

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root starts an engine")


def test_without_docker_it_says_what_to_install(scratch: Scratch) -> None:
    done = scratch.call("image", "build", PATH="/nonexistent")
    assert done.returncode == 3
    assert "docker: not found on this machine, needed by every mode with containers." in done.stderr
    assert "Try: curl -fsSL https://get.docker.com | sh" in done.stderr  # no package manager there


def test_an_engine_that_does_not_run_is_named(scratch: Scratch, tmp_path: Path) -> None:
    done = scratch.call("image", "list", DOCKER_HOST=f"unix://{tmp_path}/none.sock")
    assert done.returncode == 3
    assert f"Docker: no engine answers at unix://{tmp_path}/none.sock" in done.stderr
    assert "Try: docker context ls" in done.stderr


@needs_root
def test_an_engine_that_this_account_may_not_use_is_named() -> None:
    """Root may use every socket, so this asks as somebody else."""
    with tempfile_socket(0o600) as path:
        program = "from habari_local.diagnosis.requirements import RUNNING\n"
        program += "import os; print(RUNNING.check(dict(os.environ)))"
        done = subprocess.run(
            ["setpriv", "--reuid=65534", "--clear-groups", sys.executable, "-c", program],
            env={**os.environ, "DOCKER_HOST": f"unix://{path}", "PYTHONPATH": str(ROOT)},
            cwd="/",
            capture_output=True,
            text=True,
            check=True,
        )
    assert "socket may not be opened by this account" in done.stdout
    assert "usermod -aG docker" in done.stdout


@contextlib.contextmanager
def tempfile_socket(mode: int) -> Iterator[str]:
    path = f"/tmp/habari-{uuid.uuid4().hex[:8]}.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        Path(path).chmod(mode)
        try:
            yield path
        finally:
            Path(path).unlink()


class OldEngine(http.server.BaseHTTPRequestHandler):
    """The Docker of Debian 11, as far as it says what it is."""

    def do_GET(self) -> None:
        body = json.dumps({"Version": "20.10.5", "ApiVersion": "1.41"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.parametrize("by", ["DOCKER_HOST", "DOCKER_CONTEXT", "the context in use"])
def test_an_engine_that_is_too_old_is_named_with_the_version_that_is_needed(
    scratch: Scratch, tmp_path: Path, by: str
) -> None:
    path = f"/tmp/habari-{uuid.uuid4().hex[:8]}.sock"
    named = {"DOCKER_HOST": f"unix://{path}"} if by == "DOCKER_HOST" else context(tmp_path, path)
    if by == "the context in use":
        del named["DOCKER_CONTEXT"]
    with socketserver.ThreadingUnixStreamServer(path, OldEngine) as server:
        server.socket.listen(128)  # as long a queue as Docker's: doctor's checks all knock at once
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = scratch.call("doctor", "--mode", "hub", "--json", **named)
        server.shutdown()
    Path(path).unlink()
    assert done.stdout, done.stderr
    row = next(r for r in json.loads(done.stdout)["checks"] if r["name"] == "Docker engine")
    assert done.returncode == 3
    assert row["state"] == "too old"
    assert row["found"] == "20.10.5"
    assert row["needed"] == "25/Podman 5.4"


def context(folder: Path, socket: str) -> dict[str, str]:
    """Docker's configuration as Docker Desktop or a rootless engine leave it, in a folder."""
    about = folder / "contexts" / "meta" / hashlib.sha256(b"other").hexdigest()
    about.mkdir(parents=True)
    endpoints = {"docker": {"Host": f"unix://{socket}", "SkipTLSVerify": False}}
    meta = {"Name": "other", "Metadata": {}, "Endpoints": endpoints}
    (about / "meta.json").write_text(json.dumps(meta))
    (folder / "config.json").write_text(json.dumps({"currentContext": "other"}))
    return {"DOCKER_CONFIG": str(folder), "DOCKER_CONTEXT": "other"}


def test_a_context_that_is_not_there_is_named(scratch: Scratch) -> None:
    done = scratch.call("up", "--mode", "hub", DOCKER_CONTEXT="gone")
    assert done.returncode == 3
    assert "Docker engine: no context gone; " in done.stderr
