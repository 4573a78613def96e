"""The S3 that the tests run against: moto, or what TESTS_S3 names.

`localstack` is LocalStack as the platform runs it, in the Python that TESTS_LOCALSTACK names;
`versitygw` is the program that TESTS_VERSITYGW names.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import requests

from .servers import KEYS, SLOW, free_port, until

SERVICE = Path(__file__).parents[3] / "images" / "s3"
STORE = os.environ.get("TESTS_S3", "moto")


class Store:
    """One running S3 on a port of its own; `low` lets everything else go first."""

    def __init__(self, folder: Path, *, low: bool = False) -> None:
        self.port = free_port()
        argv, env, self._looked_at = _command(self.port, folder)
        self.process = subprocess.Popen(
            [*(["nice", "-n", "10"] if low else []), *argv],
            env={**os.environ, **env},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def ready(self) -> Store:
        with requests.Session() as session:
            session.trust_env = False
            url = f"http://127.0.0.1:{self.port}/{self._looked_at}"
            until(lambda: session.get(url).ok, self.process, 60 * SLOW)
        return self

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(15)


def _command(port: int, folder: Path) -> tuple[list[str], dict[str, str], str]:
    """How the store is started, with which variables, and where it says that it answers."""
    if STORE == "moto":
        argv = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        return argv, {}, "moto-api/"
    if STORE == "localstack":
        argv = [os.environ["TESTS_LOCALSTACK"], "-m", "habari_s3", "--backend", "localstack"]
        argv += ["--data", str(folder), "--port", str(port)]
        root = ("HABARI_S3_ROOT_ACCESS_KEY_ID", "HABARI_S3_ROOT_SECRET_ACCESS_KEY")
        env = dict(zip(root, KEYS.values(), strict=True))
        return argv, env | {"PYTHONPATH": str(SERVICE)}, "_habari/health"
    if STORE == "versitygw":
        argv = [os.environ["TESTS_VERSITYGW"], "--port", f"127.0.0.1:{port}"]
        argv += ["--health", "/health", "posix", str(folder)]
        root = ("ROOT_ACCESS_KEY", "ROOT_SECRET_KEY")
        return argv, dict(zip(root, KEYS.values(), strict=True)), "health"
    raise AssertionError(f"TESTS_S3={STORE}: moto, localstack or versitygw was expected")
