"""The same promise on LocalStack; one test, as LocalStack takes seconds to start."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import scenario
from .conftest import PACKAGE, Service

LOCK = PACKAGE / "requirements-localstack.txt"
NEEDED = (3, 13)  # LocalStack 4.14.0's code; its metadata says less


def newer_python() -> str | None:
    """Return a Python that LocalStack runs on, of PATH or of pyenv."""
    names = [f"python3.{minor}" for minor in (13, 14)]
    found = [shutil.which(name) for name in names]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found += [str(path) for path in pyenv.glob("3.1[34].*/bin/python")]
    check = f"import sys; sys.exit(sys.version_info < {NEEDED})"
    for path in filter(None, found):
        if subprocess.run([path, "-c", check], capture_output=True, check=False).returncode == 0:
            return path
    return None


@pytest.fixture(scope="session")
def localstack_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Python of LocalStack's environment: the checkout's own, or one made for this run."""
    made = PACKAGE.parents[1] / ".habari" / "envs" / "s3-localstack" / "bin" / "python"
    if made.exists():
        return str(made)
    base, uv = newer_python(), shutil.which("uv")
    if not base or not uv:
        pytest.skip(f"LocalStack needs Python >= {NEEDED[0]}.{NEEDED[1]} and uv; not both are here")
    folder = tmp_path_factory.mktemp("localstack") / "env"
    python = str(folder / "bin" / "python")
    make = [uv, "venv", "--quiet", "--no-project", "--python", base, str(folder)]
    fill = [uv, "pip", "sync", "--quiet", "--require-hashes", "--python", python, str(LOCK)]
    for argv in (make, fill):
        subprocess.run(argv, check=True, timeout=100)
    return python


@pytest.fixture
def localstack(tmp_path: Path, localstack_python: str) -> Iterator[Service]:
    service = Service(tmp_path / "data", "localstack", localstack_python).start()
    service.client().create_bucket(Bucket="lake")
    yield service
    if service.process and service.process.poll() is None:
        service.end(signal.SIGKILL)


def test_everything_survives_kill_9_on_localstack(localstack: Service) -> None:
    key = scenario.write(localstack)
    before = scenario.view(localstack)
    localstack.restart()
    assert scenario.view(localstack) == before
    scenario.go_on(localstack, key)
    assert localstack.end(signal.SIGTERM) == 0
