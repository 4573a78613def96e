"""Where the hub's one core goes: stacks that py-spy samples, added up by what they are work for."""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from habari_local.drivers import uv

PY_SPY = "py-spy==0.4.1"
# What the innermost of these frames in a stack stands for; the first that matches counts.
KINDS = (
    ("PostgreSQL: waiting and reading", r"psycopg2|do_execute|do_commit|do_rollback|_cursor"),
    ("SQLAlchemy", r"sqlalchemy/"),
    ("tokens: hashes", r"hash_token|compare_token|hashlib|hmac"),
    ("pages (Jinja)", r"jinja2/"),
    ("libcurl: requests to proxy, servers, GitHub", r"curl_httpclient|pycurl"),
    ("metrics", r"prometheus_client/|jupyterhub/metrics"),
    ("log", r"logging/__init__|jupyterhub/log\.py"),
    ("scopes", r"jupyterhub/scopes\.py|jupyterhub/roles\.py"),
    ("OAuth provider", r"oauthlib/|jupyterhub/oauth/"),
    ("traitlets", r"traitlets/"),
    ("Habari's own code", r"HabariAuthenticator|hub_config\.py|<string>"),
    ("tornado", r"tornado/"),
    ("asyncio", r"asyncio/"),
    ("JupyterHub", r"jupyterhub/"),
)
# Not of the start, nor the wrapper of what is done from time to time.
FUNCTION = re.compile(r"(?!launch_instance|catching)(\S+) \(jupyterhub/(?!__main__)(.+):\d+\)")
IDLE = re.compile(r"selectors\.py|select \(|epoll")


@contextmanager
def sampled(pid: int, file: Path) -> Iterator[None]:
    """Sample a process for the length of the block; folded stacks are in `file` afterwards."""
    command = [uv.program(os.environ), "tool", "run", "--quiet", "--from", PY_SPY, "py-spy"]
    # It samples without stopping the hub, which would make it slower.
    options = ["record", "--pid", str(pid), "--format", "raw", "--nonblocking", "--rate", "50"]
    process = subprocess.Popen(
        [*command, *options, "--output", str(file), "--duration", "36000"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 2)  # it writes what it has on SIGINT
        process.wait(60)


def stacks(file: Path) -> Iterator[tuple[list[str], int]]:
    """Yield each stack of a file, outermost frame first, and how often it was seen.

    A process that is not stopped while it is sampled may change a name as it is read: such a line
    is no text, or cut in two, and left out.
    """
    for line in file.read_bytes().splitlines():
        stack, _, count = line.decode(errors="replace").rpartition(" ")
        if stack and count.isdecimal() and "\ufffd" not in stack:
            yield stack.split(";"), int(count)


def by_kind(file: Path) -> Counter[str]:
    """Return samples by kind of work: that of the innermost frame that has one."""
    found: Counter[str] = Counter()
    for stack, count in stacks(file):
        if IDLE.search(stack[-1]):
            continue
        kinds = (_kind(frame) for frame in reversed(stack))
        found[next(filter(None, kinds), "the rest")] += count
    return found


def _kind(frame: str) -> str:
    return next((name for name, pattern in KINDS if re.search(pattern, frame)), "")


def by_function(file: Path) -> Counter[str]:
    """Return samples by what the work was for: JupyterHub's outermost function in the stack."""
    found: Counter[str] = Counter()
    for stack, count in stacks(file):
        if not IDLE.search(stack[-1]):
            ours = filter(None, map(FUNCTION.fullmatch, stack))
            found[next((f"{each[1]} ({each[2]})" for each in ours), "the rest")] += count
    return found
