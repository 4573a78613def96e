"""Images under adversity: no Docker, a dead one, a forbidden one, an old one, builds that fail."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from habari_local.drivers.docker import client as docker_client
from tests.scratch import Scratch

PACKAGES = {"HABARI_IMAGES": "packages"}
needs_docker = pytest.mark.skipif(
    not docker_client.reachable(), reason="no Docker engine answers here"
)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root starts an engine")


@pytest.fixture
def github(scratch: Scratch) -> Iterator[Path]:
    """The smallest Dockerfile, to break: nobody has built it as it is now."""
    path = scratch.root / "images" / "github" / "Dockerfile"
    with path.open("a", encoding="utf-8") as file:
        file.write(f"# {uuid.uuid4()}\nUSER root\n")
    yield path
    scratch.good("image", "prune", "--all", "--yes")


def append(path: Path, text: str) -> int:
    """Add a line and return its number."""
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{text}\n")
    return len(path.read_text(encoding="utf-8").splitlines())


@needs_docker
def test_a_failing_build_names_the_line_and_shows_its_last_words(
    scratch: Scratch, github: Path
) -> None:
    line = append(github, "RUN for i in $(seq 40); do echo word $i; done; exit 7")
    done = scratch.call("image", "build", "github", **PACKAGES)
    assert done.returncode == 1
    assert f"images/github/Dockerfile:{line} (image github): exit code 7 in `RUN for" in done.stderr
    assert "Try: habari-local image build github" in done.stderr
    shown = [each.strip() for each in done.stderr.splitlines() if each.startswith("  word ")]
    assert shown == [f"word {number}" for number in range(21, 41)]


@needs_docker
def test_ctrl_c_ends_a_build_and_the_next_one_goes_on(scratch: Scratch, github: Path) -> None:
    append(github, f"RUN : {uuid.uuid4()}; sleep 4")
    process = scratch.start("image", "build", "github", **PACKAGES)
    wait_for_a_build(scratch)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    assert scratch.found() == []
    assert "built" in scratch.good("image", "build", "github", **PACKAGES)


@needs_docker
def test_kill_9_in_a_build_leaves_nothing_that_the_next_one_does_not_clear_away(
    scratch: Scratch, github: Path
) -> None:
    append(github, f"RUN : {uuid.uuid4()}; sleep 5")
    process = scratch.start("image", "build", "github", **PACKAGES)
    wait_for_a_build(scratch)
    process.kill()
    process.communicate(timeout=20)
    assert "built" in scratch.good("image", "build", "github", **PACKAGES)
    assert scratch.found() == []
    assert list((scratch.state / "images").iterdir()) == []
    assert "already there" in scratch.good("image", "build", "github", **PACKAGES)


@needs_docker
def test_two_at_once_one_builds_and_the_other_says_who(scratch: Scratch, github: Path) -> None:
    append(github, f"RUN : {uuid.uuid4()}; sleep 15")
    first = scratch.start("image", "build", "github", **PACKAGES)
    wait_for_a_build(scratch)
    second = scratch.call("image", "build", "github", **PACKAGES)
    assert second.returncode == 1
    assert f"habari-local image build (pid {first.pid})" in second.stderr
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=20)
    assert first.returncode == 130


def wait_for_a_build(scratch: Scratch) -> None:
    deadline = time.monotonic() + 40
    while not any("buildx" in found.process.cmdline() for found in scratch.found()):
        assert time.monotonic() < deadline, "no build began"
        time.sleep(0.05)
    time.sleep(0.5)  # into the build: there is no event to wait for from outside


@pytest.fixture
def small_engine(tmp_path: Path) -> Iterator[str]:
    """An engine of its own on 400 MB of memory that is its disk; its address.

    It has a network of its own too: with --bridge=none an engine removes docker0, whosever it is.
    """
    interfaces = {path.name for path in Path("/sys/class/net").glob("docker*")}
    folder = Path(f"/tmp/habari-{uuid.uuid4().hex[:8]}")
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m", "none", str(folder)], check=True)
    host = f"unix://{folder}/docker.sock"
    command = ["unshare", "--net", "dockerd", "--host", host, "--data-root", f"{folder}/data"]
    command += ["--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid"]
    command += ["--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"]
    with (tmp_path / "dockerd.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 40
        ask = ["docker", "-H", host, "info"]
        while subprocess.run(ask, capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline, (tmp_path / "dockerd.log").read_text()
            time.sleep(0.2)
        yield host
    finally:
        process.terminate()
        process.wait(30)
        subprocess.run(["umount", "--recursive", str(folder)], check=False)
        shutil.rmtree(folder, ignore_errors=True)
    assert interfaces == {path.name for path in Path("/sys/class/net").glob("docker*")}


@needs_root
@needs_docker
def test_a_full_disk_in_a_build_is_named_and_what_helps(
    scratch: Scratch, github: Path, small_engine: str
) -> None:
    listed = json.loads(scratch.good("image", "list", "--json", **PACKAGES))["images"]
    base = next(each["reference"] for each in listed if each["name"] == "base")
    load = ["docker", "-H", small_engine, "load", "-q"]
    with subprocess.Popen(["docker", "save", base], stdout=subprocess.PIPE) as save:
        subprocess.run(load, stdin=save.stdout, check=True, capture_output=True)
    github.write_text(
        "ARG BASE\nFROM ${BASE}\nRUN --network=none dd if=/dev/zero of=/big bs=1M count=500\n"
    )
    done = scratch.call("image", "build", "github", DOCKER_HOST=small_engine, **PACKAGES)
    assert done.returncode == 1
    assert "Docker's disk: full while building the image github" in done.stderr
    assert "Try: habari-local image prune" in done.stderr
