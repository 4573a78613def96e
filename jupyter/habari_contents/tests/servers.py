"""The real Jupyter server that the tests drive as JupyterLab does."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path
from urllib.parse import quote

import requests

PACKAGE = Path(__file__).parents[1]
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAHABARITEST", "AWS_SECRET_ACCESS_KEY": "very-secret-test-value"}
FOLDERS = (
    '{"lake": {"bucket": "habari-lake", "prefix": ""},'
    ' "notebooks": {"bucket": "habari-notebooks", "prefix": "team/one"},'
    ' "shelf": {"bucket": "habari-lake", "prefix": "shelf", "readonly": true},'
    ' "cold": {"bucket": "habari-lake", "prefix": "cold", "encryption": "AES256",'
    ' "storage_class": "STANDARD_IA"},'
    ' "gone": {"bucket": "no-such-bucket"}}'
)

# LocalStack takes its time, and so does a machine that does other things.
SLOW = float(
    os.environ.get("TESTS_SLOW") or (2 if os.environ.get("TESTS_S3") == "localstack" else 1)
)
DEADLINES = (
    f"--HabariContentsManager.look_seconds={1.5 * SLOW}",
    f"--HabariContentsManager.listing_seconds={3 * SLOW}",
    f"--HabariContentsManager.transfer_seconds={2.5 * SLOW}",
    "--HabariContentsManager.rest_seconds=0.2",
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(answers, process, seconds=30.0):
    """Wait until `answers()` is true, for at most `seconds`, and while the process lives."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        assert process.poll() is None, f"ended with {process.returncode}"
        try:
            if answers():
                return
        except requests.ConnectionError:
            time.sleep(0.05)
    raise AssertionError("did not answer in time")


class Jupyter:
    """One running Jupyter server, driven as JupyterLab drives it."""

    def __init__(self, root: Path, s3_port: int, *options: str, **env: str) -> None:
        self.options = options
        self.home = root / "home"
        self.home.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.token = uuid.uuid4().hex
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.headers["Authorization"] = f"token {self.token}"
        self.log_file = root / "server.log"
        self._start(root, s3_port, env)

    def _start(self, root: Path, s3_port: int, more: dict[str, str]) -> None:
        places = {
            name: str(root / name.lower())
            for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
        }
        # Jupyter Server 2.14 alone does not make it, and then signs no notebook, the home's either.
        Path(places["JUPYTER_DATA_DIR"]).mkdir(parents=True, exist_ok=True)
        env = {
            **{
                k: v
                for k, v in os.environ.items()
                if not k.startswith(("AWS_", "HABARI_", "PYTHON"))
            },
            **KEYS,
            **places,
            "HOME": str(self.home),
            "PYTHONPATH": str(PACKAGE),
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{s3_port}",
            "HABARI_CONTENTS_FOLDERS": FOLDERS,
            "JUPYTER_TOKEN": self.token,
            **more,
        }
        argv = self.command()
        if os.geteuid() == 0:
            argv.append("--allow-root")
        with self.log_file.open("wb") as log:
            # As a hub starts it: in the home.
            self.process = subprocess.Popen(argv, env=env, cwd=self.home, stdout=log, stderr=log)

    def command(self) -> list[str]:
        """How the server is started."""
        return [
            *(sys.executable, "-m", "jupyter_server", "--no-browser", f"--port={self.port}"),
            "--ServerApp.port_retries=0",
            f"--ServerApp.root_dir={self.home}",
            "--ServerApp.contents_manager_class=habari_contents.HabariContentsManager",
            *(self.options or DEADLINES),
        ]

    def ready(self) -> Jupyter:
        until(lambda: self.http.get(f"{self.url}/api/status").ok, self.process, 60)
        return self

    def kill(self) -> None:
        """End it as a kernel out of memory ends a process."""
        self.http.close()
        self.process.kill()
        self.process.wait(15)

    def stop(self) -> None:
        self.http.close()
        self.process.terminate()
        self.process.wait(15)

    def call(self, method: str, path: str, api: str = "contents", **kwargs):
        url = f"{self.url}/api/{api}/{quote(path)}".rstrip("/")
        return self.http.request(method, url, **{"timeout": 30, **kwargs})

    def get(self, path: str, **query):
        return self.call("GET", path, params=query)

    def put(self, path: str, model: dict):
        return self.call("PUT", path, json=model)

    def text(self, path: str, content: str):
        return self.put(path, {"type": "file", "format": "text", "content": content})

    def notebook(self, path: str, source: str = "1 + 1"):
        return self.put(path, {"type": "notebook", "format": "json", "content": notebook(source)})

    def move(self, old: str, new: str):
        return self.call("PATCH", old, json={"path": new})

    def names(self, path: str) -> list[str]:
        answer = self.get(path, content=1, type="directory")
        assert answer.ok, answer.text
        return sorted(entry["name"] for entry in answer.json()["content"])

    def upload(self, path: str, content: bytes, size: int):
        """As Lab's upload button does it."""
        pieces = [content[i : i + size] for i in range(0, len(content), size)]
        for number, piece in enumerate(pieces, 1):
            chunk = -1 if number == len(pieces) else number
            answer = self.put(
                path,
                {
                    "type": "file",
                    "format": "base64",
                    "name": path.rsplit("/", 1)[-1],
                    "chunk": chunk,
                    "content": base64.b64encode(piece).decode(),
                },
            )
            if not answer.ok:
                break
        return answer


def notebook(source: str) -> dict:
    cell = {"cell_type": "code", "id": "c1", "metadata": {}, "outputs": [], "source": source}
    return {
        "cells": [cell | {"execution_count": None}],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
