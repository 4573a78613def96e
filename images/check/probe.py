"""Looks at a notebook image from inside a container of it; prints one line of JSON.

`habari-local image check` passes this text to the image's python3: standard library only, and
whatever is missing is a finding, not an error. The argument is the text of images/check/kernels.py,
for the server's own Python. S3 is played by a server in here that writes down with which key it was
asked for which bucket, DNS by one that writes down the names.
"""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

KEY, BUCKET, OBJECT = "AKIACHECK", "check-bucket", "seen-by-the-check.txt"
LISTING = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    f"<Name>{BUCKET}</Name><Prefix></Prefix><KeyCount>1</KeyCount><MaxKeys>1000</MaxKeys>"
    f"<IsTruncated>false</IsTruncated><Contents><Key>{OBJECT}</Key>"
    "<LastModified>2026-01-01T00:00:00.000Z</LastModified>"
    '<ETag>"d41d8cd98f00b204e9800998ecf8427e"</ETag><Size>0</Size>'
    "<StorageClass>STANDARD</StorageClass></Contents></ListBucketResult>"
).encode()
SECONDS, KERNEL_SECONDS = 60.0, 40.0
PORT = 18888
ADDRESS = f"http://127.0.0.1:{PORT}"
FACTS = """
import importlib.metadata, json, sys

def version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""

try:
    from habari_contents import HabariContentsManager
    contents = ""
except Exception as error:
    contents = f"{type(error).__name__}: {error}"
lacking = [name for name in sys.argv[1:] if not version(name)]
print(json.dumps({"jupyterhub": version("jupyterhub"), "contents": contents, "lacking": lacking}))
"""
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # past any proxy
TOKEN = "check"  # noqa: S105 (of a server that lives for seconds, on loopback)


class S3(http.server.BaseHTTPRequestHandler):
    """Answers every request with a bucket of one object; `asked` has who asked for what."""

    asked: list[tuple[str, str]] = []  # noqa: RUF012 (shared on purpose)

    def do_GET(self) -> None:
        """Answer with the listing."""
        S3.asked.append((self.headers.get("Authorization", ""), self.path))
        self._answer(LISTING)

    def do_HEAD(self) -> None:
        """Answer as if it were there."""
        self._answer(b"")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Resolver(threading.Thread):
    """The container's DNS server: knows nothing, and keeps the names that were asked for.

    `blind` says why it can't see them, where it can't be that server.
    """

    def __init__(self) -> None:
        """Begin to answer."""
        super().__init__(daemon=True)
        self.asked: set[str] = set()
        self.blind = ""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind(("127.0.0.1", 53))
        except OSError as error:
            self.blind = f"DNS on 127.0.0.1: {error.strerror}"
            return
        self.start()

    def run(self) -> None:
        """Answer each request (RFC 1035, 4.1): its own bytes, with the code "no such name"."""
        own = socket.gethostname()
        while True:
            request, sender = self._socket.recvfrom(512)
            labels, at = [], 12
            while request[at]:
                labels.append(request[at + 1 : at + 1 + request[at]].decode(errors="replace"))
                at += 1 + request[at]
            if labels[:1] != [own]:  # itself: whoever starts a server looks that up
                self.asked.add(".".join(labels))
            question = request[12 : at + 5]
            flags = bytes([0x80 | request[2], 0x83])
            counts = b"\0\1" + b"\0\0" * 3
            self._socket.sendto(request[:2] + flags + counts + question, sender)


def home() -> str:
    """Return the home, or why it can't be written."""
    path = Path.home()
    try:
        with tempfile.NamedTemporaryFile(dir=path):
            return str(path)
    except OSError as error:
        return f"{path}: {error.strerror}"


def facts(singleuser: str, packages: list[str]) -> dict[str, Any]:
    """Return what the server's Python has of what it needs, and of `packages`."""
    nothing = {"jupyterhub": "", "contents": "no server to load it in", "lacking": packages}
    if not singleuser:
        return nothing
    done = subprocess.run(
        [python(singleuser), "-c", FACTS, *packages],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode:
        return {**nothing, "contents": (done.stderr.strip() or "no word").splitlines()[-1]}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def python(program: str) -> str:
    """Return the Python that a script is run by."""
    first = Path(program).read_text(encoding="utf-8", errors="replace").splitlines()[0]
    return first.removeprefix("#!").strip()


def kernels(singleuser: str, script: str) -> dict[str, str]:
    """Return what each of the server's kernels says; `script` is images/check/kernels.py."""
    if not singleuser:
        return {}
    done = subprocess.run(
        [python(singleuser), "-c", script, ADDRESS, TOKEN, BUCKET, str(KERNEL_SECONDS)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    try:
        said: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        return {"python3": (done.stderr.strip() or "no word").splitlines()[-1]}
    return said


def get(path: str) -> bytes | None:
    """Return what the server answers to a GET, None while nobody does."""
    request = urllib.request.Request(  # noqa: S310 (our own server)
        f"{ADDRESS}/{path}", headers={"Authorization": f"token {TOKEN}"}
    )
    try:
        with DIRECT.open(request, timeout=20) as answer:
            body: bytes = answer.read()
            return body
    except (OSError, urllib.error.URLError):
        return None


def serve(s3_port: int, look: Callable[[], None]) -> tuple[float | None, str]:
    """Start a server, have `look` look at it; return the seconds that took, its last words."""
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": "check",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{s3_port}",
        "HABARI_CONTENTS_FOLDERS": json.dumps({"lake": {"bucket": BUCKET, "prefix": ""}}),
    }
    command = ["jupyter", "lab", "--no-browser", "--ip=127.0.0.1", f"--port={PORT}"]
    with tempfile.TemporaryFile("w+") as log:
        began = time.monotonic()
        try:
            server = subprocess.Popen(
                [*command, f"--IdentityProvider.token={TOKEN}"],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        except OSError as error:
            return None, str(error)
        try:
            while get("api/status") is None:
                if server.poll() is not None or time.monotonic() - began > SECONDS:
                    log.seek(0)
                    return None, (log.read().strip() or "no answer")[-300:]
                time.sleep(0.05)
            took = time.monotonic() - began
            look()
            return took, ""
        finally:
            server.terminate()


def honoured() -> str:
    """Return what the server does with the S3 that it was told of."""
    listing = get("api/contents/lake") or b""
    signed = [path for who, path in S3.asked if f"Credential={KEY}/" in who]
    if not signed:
        return "S3 was not asked with the given key"
    if not any(BUCKET in path for path in signed):
        return "another bucket was asked for"
    return "honoured" if OBJECT.encode() in listing else "the bucket's object is not in lake/"


def news() -> str:
    """Return what JupyterLab does about its news at a first login: `false`, it does not ask."""
    answer = get("lab/api/settings/@jupyterlab/apputils-extension:notification")
    if answer is None:
        return "no settings"
    default = json.loads(answer)["schema"]["properties"]["fetchNews"]["default"]
    return "not asked about" if default == "false" else "asked about at the first login"


def extensions() -> dict[str, list[str]]:
    """Return JupyterLab's extensions, each with the Python packages that are its server half."""
    page = (get("lab") or b"").decode(errors="replace")
    found = re.search(r'id="jupyter-config-data"[^>]*>(.*?)</script>', page, re.DOTALL)
    names = [e["name"] for e in json.loads(found[1])["federated_extensions"]] if found else []
    halves = {}
    for name in names:
        package = json.loads(get(f"lab/extensions/{name}/package.json") or b"{}")
        installed = json.loads(get(f"lab/extensions/{name}/install.json") or b"{}")
        server = package.get("jupyterlab", {}).get("discovery", {}).get("server", {})
        named = {server.get("base", {}).get("name"), installed.get("packageName")}
        halves[name] = sorted(filter(None, named))
    return halves


def main() -> None:
    """Look, and print what was seen; with the argument `home`, at the home alone."""
    if sys.argv[1:] == ["home"]:
        sys.stdout.write(f"\n{json.dumps({'home': home()})}\n")
        return
    singleuser = shutil.which("jupyterhub-singleuser") or ""
    s3 = http.server.ThreadingHTTPServer(("127.0.0.1", 0), S3)
    threading.Thread(target=s3.serve_forever, daemon=True).start()
    resolver = Resolver()
    seen: dict[str, Any] = {"s3": "no server", "news": "no server", "extensions": {}, "kernels": {}}

    def look() -> None:
        seen.update(s3=honoured(), news=news(), extensions=extensions())
        seen.update(kernels=kernels(singleuser, sys.argv[1]))

    seconds, log = serve(s3.server_port, look)
    halves = seen["extensions"]
    needed = sorted({package for packages in halves.values() for package in packages})
    seen.update(facts(singleuser, needed))
    seen["alone"] = [n for n, packages in halves.items() if {*packages} & {*seen["lacking"]}]
    seen.update(start_seconds=seconds, log=log, asked=sorted(resolver.asked), blind=resolver.blind)
    seen.update(uid=os.getuid(), singleuser=singleuser, home=home())
    sys.stdout.write(f"\n{json.dumps(seen)}\n")


main()
