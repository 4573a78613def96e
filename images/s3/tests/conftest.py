"""The S3 service of the tests: a real process on a real folder, killed and restarted."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

PACKAGE = Path(__file__).parents[1]
ROOT_KEY = ("AKIAROOTROOTROOTROOT", "a-root-secret-that-stays-out-of-logs")
LOCK = PACKAGE / "requirements-localstack.txt"
NEEDED = (3, 13)  # LocalStack 4.14.0's code; its metadata says less
START_SECONDS = 90  # LocalStack on a busy machine


class Service:
    """One data folder, and the process that serves it."""

    def __init__(self, data: Path, backend: str = "moto", python: str = sys.executable) -> None:
        self.data = data
        self.backend = backend
        self.python = python
        self.port = free_port()
        self.log: list[str] = []
        self.process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def spawn(self, **more: Any) -> subprocess.Popen[str]:
        """Start a process without waiting for it."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        argv = [self.python, "-m", "habari_s3", "--backend", self.backend]
        return subprocess.Popen(
            [*argv, "--data", str(self.data), "--port", str(self.port)],
            env={
                **kept,
                "PYTHONPATH": str(PACKAGE),
                "HABARI_S3_ROOT_ACCESS_KEY_ID": ROOT_KEY[0],
                "HABARI_S3_ROOT_SECRET_ACCESS_KEY": ROOT_KEY[1],
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **more,
        )

    def start(self, **more: Any) -> Service:
        """Start it and wait until it says that it answers."""
        self.process = self.spawn(**more)
        ready = threading.Event()
        threading.Thread(target=self._follow, args=(self.process, ready), daemon=True).start()
        assert ready.wait(START_SECONDS), "".join(self.log)
        assert self.process.poll() is None, "".join(self.log)
        return self

    def _follow(self, process: subprocess.Popen[str], ready: threading.Event) -> None:
        assert process.stdout
        with process.stdout as lines:
            for line in lines:
                self.log.append(line)
                if "answers after" in line:
                    ready.set()
        ready.set()

    def end(self, how: signal.Signals) -> int:
        """Send a signal; return the exit code."""
        assert self.process
        self.process.send_signal(how)
        return self.process.wait(10)

    def restart(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it, by `kill -9` if nothing else is said, and start it on the same folder."""
        self.end(how)
        self.start()

    def client(self, service: str = "s3", key: tuple[str, str] = ROOT_KEY) -> Any:
        """Return a boto3 client that neither retries nor hangs."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            aws_access_key_id=key[0],
            aws_secret_access_key=key[1],
            region_name="us-east-1",
            config=Config(
                signature_version="s3v4" if service == "s3" else None,
                s3={"addressing_style": "path"},
                retries={"total_max_attempts": 1},
                connect_timeout=2,
                read_timeout=30,
                proxies={},
            ),
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A fresh service on moto with the bucket `lake`."""
    yield from served(Service(tmp_path / "data"))


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
    """A fresh service on LocalStack with the bucket `lake`."""
    yield from served(Service(tmp_path / "data", "localstack", localstack_python))


@pytest.fixture(scope="session", params=["moto", "localstack"])
def each(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """One service on each backend, with the bucket `lake`: each module has buckets of its own."""
    data = tmp_path_factory.mktemp(request.param) / "data"
    python = sys.executable
    if request.param == "localstack":
        python = request.getfixturevalue("localstack_python")
    yield from served(Service(data, request.param, python))


def served(made: Service) -> Iterator[Service]:
    """Start a service, make the bucket `lake`, and end it in the end."""
    made.start()
    made.client().create_bucket(Bucket="lake")
    yield made
    if made.process and made.process.poll() is None:
        made.end(signal.SIGKILL)
