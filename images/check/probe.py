"""Looks at a notebook image from inside a container of it; prints one line of JSON.

`habari-local image check` passes this text to the image's python3: standard library only, and
whatever is missing is a finding, not an error. S3 is played by a server in here that writes down
with which key it was asked for which bucket.
"""

from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

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
SECONDS = 60.0
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


def output(*command: str) -> str:
    """Return what a program prints, empty where it can't be run or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def home() -> str:
    """Return the home, or why it can't be written."""
    path = Path.home()
    try:
        with tempfile.NamedTemporaryFile(dir=path):
            return str(path)
    except OSError as error:
        return f"{path}: {error.strerror}"


def contents(singleuser: str) -> str:
    """Return why the contents manager does not load in the server's Python, empty if it does."""
    if not singleuser:
        return "no server to load it in"
    line = Path(singleuser).read_text(encoding="utf-8", errors="replace").splitlines()[0]
    python = line.removeprefix("#!").strip()
    command = [python, "-c", "from habari_contents import HabariContentsManager"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stderr.strip().splitlines()[-1] if done.returncode else ""


def get(url: str) -> bytes | None:
    """Return what a GET answers, None while nobody does."""
    request = urllib.request.Request(  # noqa: S310 (our own server)
        url, headers={"Authorization": f"token {TOKEN}"}
    )
    try:
        with DIRECT.open(request, timeout=20) as answer:
            body: bytes = answer.read()
            return body
    except (OSError, urllib.error.URLError):
        return None


def serve(s3_port: int) -> tuple[float | None, str, str]:
    """Start a server; return the seconds until it answers, what it did with S3, its last words."""
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": "check",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{s3_port}",
        "HABARI_CONTENTS_FOLDERS": json.dumps({"lake": {"bucket": BUCKET, "prefix": ""}}),
    }
    command = ["jupyter", "lab", "--no-browser", "--ip=127.0.0.1", "--port=18888"]
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
            return None, "no server", str(error)
        try:
            while get("http://127.0.0.1:18888/api/status") is None:
                if server.poll() is not None or time.monotonic() - began > SECONDS:
                    log.seek(0)
                    return None, "no server", (log.read().strip() or "no answer")[-300:]
                time.sleep(0.05)
            return time.monotonic() - began, honoured(), ""
        finally:
            server.terminate()


def honoured() -> str:
    """Return what the server does with the S3 that it was told of."""
    listing = get("http://127.0.0.1:18888/api/contents/lake") or b""
    signed = [path for who, path in S3.asked if f"Credential={KEY}/" in who]
    if not signed:
        return "S3 was not asked with the given key"
    if not any(BUCKET in path for path in signed):
        return "another bucket was asked for"
    return "honoured" if OBJECT.encode() in listing else "the bucket's object is not in lake/"


def main() -> None:
    """Look, and print what was seen; with the argument `home`, at the home alone."""
    if sys.argv[1:] == ["home"]:
        sys.stdout.write(f"\n{json.dumps({'home': home()})}\n")
        return
    singleuser = shutil.which("jupyterhub-singleuser") or ""
    s3 = http.server.ThreadingHTTPServer(("127.0.0.1", 0), S3)
    threading.Thread(target=s3.serve_forever, daemon=True).start()
    seconds, outcome, log = serve(s3.server_port)
    report = {
        "uid": os.getuid(),
        "singleuser": singleuser,
        "jupyterhub": output(singleuser, "--version") if singleuser else "",
        "home": home(),
        "contents": contents(singleuser),
        "start_seconds": seconds,
        "s3": outcome,
        "log": log,
    }
    sys.stdout.write(f"\n{json.dumps(report)}\n")


main()
