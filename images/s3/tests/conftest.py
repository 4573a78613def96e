"""The S3 service of the tests: a real process on a real folder, killed and restarted."""

from __future__ import annotations

import os
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
    made = Service(tmp_path / "data").start()
    made.client().create_bucket(Bucket="lake")
    yield made
    if made.process and made.process.poll() is None:
        made.end(signal.SIGKILL)
