"""What is really there, past servers and proxy, and what an operation changed of it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import nbformat
import requests

from .faults import FaultProxy
from .habits.etags import KmsETags
from .servers import SLOW, Jupyter, notebook

BUCKETS = {"lake": ("habari-lake", ""), "notebooks": ("habari-notebooks", "team/one/")}
USERS = ("ada", "grace")
OPTIONS = (
    f"--HabariContentsManager.look_seconds={0.4 * SLOW}",
    f"--HabariContentsManager.listing_seconds={0.8 * SLOW}",
    f"--HabariContentsManager.transfer_seconds={0.6 * SLOW}",
    "--HabariContentsManager.rest_seconds=0.1",
    "--HabariContentsManager.always_delete_dir=True",
    "--FileContentsManager.always_delete_dir=True",
    "--FileContentsManager.delete_to_trash=False",
)
LEAKS = ("127.0.0.1", "http", "AKIA", "secret", "Traceback", "habari-", "botocore")


@dataclass(frozen=True, order=True)
class At:
    """A file or folder: `area` is a bucket's folder, or the user whose home it is in."""

    area: str
    path: str

    def under(self, other: At) -> bool:
        return self.area == other.area and f"{self.path}/".startswith(f"{other.path}/")

    def moved(self, old: At, new: At) -> At:
        return At(new.area, new.path + self.path[len(old.path) :])

    def kept(self) -> At:
        """Where its checkpoint is."""
        parent, slash, name = self.path.rpartition("/")
        file = Path(name)
        return At(
            self.area, f"{parent}{slash}.ipynb_checkpoints/{file.stem}-checkpoint{file.suffix}"
        )


@dataclass(frozen=True)
class Fault:
    """From the `after`-th request of the method on S3 fails so, `times` times (0: always)."""

    kind: str
    method: str
    after: int = 0
    times: int = 0


Files = dict[At, bytes]


class World:
    """Two users' servers, the buckets behind them, and the proxy in between."""

    def __init__(self, root: Path, s3, proxy: FaultProxy) -> None:
        self.s3 = s3
        self.proxy = proxy
        self.roots = {user: root / user for user in USERS}
        self.users = {user: self._start(user) for user in USERS}
        self._bodies: dict[str, bytes] = {}
        # What was asked: operations, those that were acknowledged, faults that were met by kind.
        self.counted: Counter[str] = Counter()
        for server in self.users.values():
            server.ready()

    def _start(self, user: str) -> Jupyter:
        return Jupyter(self.roots[user], self.proxy.port, *OPTIONS)

    def stop(self) -> None:
        for server in self.users.values():
            server.stop()

    def files(self, root: str) -> Files:
        """Every file under the root of an example, checkpoints too."""
        found: Files = {}
        for area, (bucket, base) in BUCKETS.items():
            begin = f"{base}{root}/"
            listed = self.s3.list_objects_v2(Bucket=bucket, Prefix=begin).get("Contents", ())
            for entry in listed:
                if not entry["Key"].endswith("/"):
                    at = At(area, entry["Key"][len(begin) :])
                    found[at] = self._body(bucket, entry["Key"], entry["ETag"])
        for user, server in self.users.items():
            home = server.home / root
            for file in home.rglob("*"):
                if file.is_file() and not file.name.endswith(".habari-half"):
                    found[At(user, file.relative_to(home).as_posix())] = file.read_bytes()
        return found

    def _body(self, bucket: str, key: str, etag: str) -> bytes:
        if etag not in self._bodies:
            self._bodies[etag] = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return self._bodies[etag]

    def hash_of(self, content: bytes) -> str:
        """The ETag of what was written in one piece, as the store shows it with its habit."""
        habit, etag = self.proxy.habit, hash_of(content)
        return f'"{habit.shown(etag.strip(chr(34)))}"' if isinstance(habit, KmsETags) else etag

    def write_outside(self, root: str, at: At, content: bytes) -> None:
        """Write to a bucket as a kernel does, past the servers."""
        bucket, base = BUCKETS[at.area]
        self.s3.put_object(Bucket=bucket, Key=f"{base}{root}/{at.path}", Body=content)

    def attempt(self, user: str, fault: Fault | None, call) -> requests.Response | None:
        """What the user's server answers to the call while S3 fails so; None if it was killed."""
        self.counted["operations"] += 1
        if fault is None:
            return self._told(call(self.users[user]))
        self.counted["with a fault"] += 1
        if fault.kind == "kill":
            return self._killed(user, fault, call)
        if fault.kind == "refuse":
            self.proxy.fail("refuse")
        else:
            self.proxy.fail_after(fault.after, fault.kind, fault.method, fault.times)
        answer = self._told(call(self.users[user]))
        self.proxy.fail("pass")
        return answer

    def _told(self, answer: requests.Response) -> requests.Response:
        self.counted["acknowledged"] += answer.ok
        if not answer.ok:
            leaked = [leak for leak in LEAKS if leak in answer.text]
            assert not leaked, answer.text
        return answer

    def _killed(self, user: str, fault: Fault, call) -> requests.Response | None:
        """Kill the server when its request hangs, start another one, and let it settle."""
        self.proxy.fail_after(fault.after, "hang", fault.method)
        answers: list[requests.Response] = []

        def ask() -> None:
            with contextlib.suppress(requests.RequestException):
                answers.append(call(self.users[user]))

        asking = threading.Thread(target=ask)
        asking.start()
        while asking.is_alive() and not self.proxy.hit.wait(0.01):
            pass
        if self.proxy.hit.is_set():
            self.counted["kills"] += 1
            self.users[user].kill()
        asking.join(15)
        was_hit = self.proxy.hit.is_set()
        self.proxy.fail("pass")
        if was_hit:
            self.users[user] = self._start(user).ready()
            self._settle(user)
        return self._told(answers[0]) if answers else None

    def _settle(self, user: str) -> None:
        moves = self.roots[user] / "jupyter_data_dir" / "habari_contents" / "moves"
        limit = time.monotonic() + 15
        while list(moves.glob("*.json")):
            assert time.monotonic() < limit, "the move is not settled"
            self.users[user].get("lake", type="directory")
            time.sleep(0.02)


def changes(before: Files, after: Files) -> dict[At, tuple[bytes | None, bytes | None]]:
    both = {at: (before.get(at), after.get(at)) for at in before.keys() | after.keys()}
    return {at: pair for at, pair in both.items() if pair[0] != pair[1]}


def hash_of(content: bytes) -> str:
    """The ETag of what was written in one piece."""
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


def as_saved(path: str, token: str) -> tuple[dict, bytes]:
    """The model that JupyterLab sends for new content, and the bytes that must be kept."""
    if path.endswith(".ipynb"):
        content = notebook(token)
        text = nbformat.writes(nbformat.from_dict(content), version=4)
        return {"type": "notebook", "format": "json", "content": content}, f"{text}\n".encode()
    return {
        "type": "file",
        "format": "text",
        "content": f"{token} ü🦒\n",
    }, f"{token} ü🦒\n".encode()


def same_content(model: dict, kept: bytes) -> bool:
    """Does the model that was served hold exactly what is kept?"""
    if model["type"] == "notebook":
        cells = json.loads(kept)["cells"]
        return [c["source"] for c in model["content"]["cells"]] == [
            "".join(c["source"]) for c in cells
        ]
    if model["format"] == "base64":
        return base64.b64decode(model["content"]) == kept
    return model["content"].encode() == kept
