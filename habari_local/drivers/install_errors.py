"""Why a program that downloads and installs failed, read from what it printed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

FULL = re.compile(r"no space left on device|disk quota exceeded|\bENOSPC\b|\bEDQUOT\b", re.I)
UNTRUSTED = re.compile(
    r"unknown ?issuer|self[- ]signed certificate|certificate verify failed|unable to (get|verify)"
    r".{0,20} certificate|x509: certificate",
    re.IGNORECASE,
)
NETWORK = re.compile(
    r"error sending request|failed to fetch|dns error|(could not|couldn't|failed to) resolve"
    r"|failure (in name resolution|resolving)|name or service not known|no such host"
    r"|(network|host) is unreachable|no route to host|connection (refused|reset|timed out)"
    r"|could not connect|i/o timeout|operation timed out|TLS handshake timeout|dial tcp"
    r"|\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH)\b",
    re.IGNORECASE,
)
DENIED = re.compile(r"permission denied|read-only file system|\b(EACCES|EPERM|EROFS)\b", re.I)
GONE = re.compile(r"no such file or directory|file not found|\bENOENT\b", re.IGNORECASE)
CHANGED = re.compile(r"hash mismatch|\bEINTEGRITY\b", re.IGNORECASE)
PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


@dataclass(frozen=True)
class Cause:
    """What kept a program from its end, in words, and what to do about it."""

    seen: str
    hint: str


def network_hint(environ: Mapping[str, str], then: str = "repeat the command") -> str:
    """Return what to look at where the network failed: a proxy's name, where one is set."""
    proxy = next((name for name in PROXIES if environ.get(name)), None)
    what = (
        f"the network and the proxy in {proxy}" if proxy else "the network (a proxy: HTTPS_PROXY)"
    )
    return f"check {what}, then {then}"


def explainer(folder: Path, environ: Mapping[str, str]) -> Callable[[str], Cause | None]:
    """Return what finds the cause in a program's output; it installs into `folder`."""
    return lambda output: cause(output, folder, environ)


def cause(output: str, folder: Path, environ: Mapping[str, str]) -> Cause | None:
    """Return why it failed, None if the output does not say in words that are known.

    The most specific comes first: a full disk fails downloads too.
    """
    place = shlex.quote(str(folder if folder.exists() else folder.parent))
    certificates = environ.get("SSL_CERT_FILE")
    trust = (
        f"ls -l {shlex.quote(certificates)}"
        if certificates
        else "set SSL_CERT_FILE to your company's certificates, then repeat the command"
    )
    causes = (
        (FULL, Cause("the disk is full", f"df -h {place}")),
        (UNTRUSTED, Cause("the server's certificate is not trusted", trust)),
        (NETWORK, Cause("the network failed", network_hint(environ))),
        (CHANGED, Cause("a download is not what the lock has", "repeat the command")),
        (DENIED, Cause(f"{folder} can't be written", f"ls -ld {place}")),
        (GONE, Cause("a file is missing", "git status --short")),
    )
    return next((found for pattern, found in causes if pattern.search(output)), None)
