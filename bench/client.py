"""One user's way through a hub by its REST API, the same for our platform and for a plain one."""

from __future__ import annotations

import json
import time
from statistics import median
from typing import Any

import requests

from habari_local.s3.s3_client import S3Target, s3_client

NOTEBOOK = {
    "cells": [
        {
            "cell_type": "markdown",
            "id": f"cell{number}",
            "metadata": {},
            "source": "A line of text about nothing in particular. " * 20,
        }
        for number in range(32)
    ],
    "metadata": {},
    "nbformat": 4,
    "nbformat_minor": 5,
}  # about 30 kB


def save_in_s3(endpoint_url: str, key: tuple[str, str], bucket: str) -> float:
    """Return the seconds that S3 itself takes for a notebook: the median of fifty."""
    s3 = s3_client(S3Target(endpoint_url, "us-east-1", *key, "moto"))
    body, seconds = json.dumps(NOTEBOOK).encode(), []
    for number in range(50):
        began = time.perf_counter()
        s3.put_object(Bucket=bucket, Key=f"bench/{number % 5}.ipynb", Body=body)
        seconds.append(time.perf_counter() - began)
    s3.close()
    return median(seconds)


class Hub:
    """A hub at `url`, asked with a service's token."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self.web = requests.Session()
        self.web.trust_env = False
        self.web.headers["Authorization"] = f"token {token}"

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        """Ask and expect success."""
        answer = self.web.request(method, f"{self.url}{path}", timeout=60, **more)
        answer.raise_for_status()
        return answer

    def spawn(self, user: str) -> float:
        """Start a user's server; return the seconds until the hub calls it ready."""
        began = time.perf_counter()
        if self.web.get(f"{self.url}/hub/api/users/{user}", timeout=60).status_code == 404:
            self.ask("POST", f"/hub/api/users/{user}")
        self.ask("POST", f"/hub/api/users/{user}/server")
        path = f"/hub/api/users/{user}/server/progress"
        with self.ask("GET", path, stream=True) as events:
            for line in events.iter_lines():
                if line.startswith(b"data:"):
                    event = json.loads(line.removeprefix(b"data:"))
                    if event.get("ready"):
                        return time.perf_counter() - began
                    if event.get("failed"):
                        raise RuntimeError(event.get("message"))
        raise RuntimeError("the hub's progress ended without a server")

    def stop(self, user: str) -> None:
        """Stop a user's server and wait until the hub has forgotten it."""
        self.ask("DELETE", f"/hub/api/users/{user}/server")
        while self.ask("GET", f"/hub/api/users/{user}").json().get("servers"):
            time.sleep(0.05)

    def save(self, user: str, path: str) -> float:
        """Save the notebook of about 30 kB; return the seconds it took."""
        model = {"type": "notebook", "format": "json", "content": NOTEBOOK}
        began = time.perf_counter()
        self.ask("PUT", f"/user/{user}/api/contents/{path}", json=model)
        return time.perf_counter() - began

    def listing(self, user: str, path: str) -> float:
        """List a folder; return the seconds it took."""
        began = time.perf_counter()
        self.ask("GET", f"/user/{user}/api/contents/{path}")
        return time.perf_counter() - began
