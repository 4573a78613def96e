"""Runs a command on a machine made slow: a cgroup gives it a share of one processor.

`python -m tests.slow_machine --percent 10 -- COMMAND`; for `nox -s slow`. Needs root.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")
PERIOD = 100_000  # microseconds, of which the share is given


def limited(percent: int) -> Path:
    """Make a cgroup with that share of one processor, of whichever version is here."""
    name = f"habari-slow-{os.getpid()}"
    quota = PERIOD * percent // 100
    if (MOUNT / "cgroup.controllers").exists():
        (MOUNT / "cgroup.subtree_control").write_text("+cpu")
        folder = MOUNT / name
        folder.mkdir()
        (folder / "cpu.max").write_text(f"{quota} {PERIOD}")
        return folder
    folder = MOUNT / "cpu" / name
    folder.mkdir()
    (folder / "cpu.cfs_period_us").write_text(str(PERIOD))
    (folder / "cpu.cfs_quota_us").write_text(str(quota))
    return folder


def main() -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(prog="slow_machine", description=__doc__)
    parser.add_argument("--percent", type=int, default=10, help="of one processor")
    parser.add_argument("command", nargs="+")
    given = parser.parse_args()
    if os.getuid() != 0:
        sys.exit("Only root can limit a processor: sudo .venv/bin/nox -s slow")
    folder = limited(given.percent)
    try:
        began = time.monotonic()
        code = subprocess.run(
            ["sh", "-c", f'echo $$ > {folder / "cgroup.procs"} && exec "$@"', "sh", *given.command],
            env={**os.environ, "TESTS_PATIENCE": str(100 / given.percent)},
            check=False,
        ).returncode
        sys.stdout.write(f"{given.percent} % of a processor: {time.monotonic() - began:.0f} s\n")
        return code
    finally:
        folder.rmdir()


if __name__ == "__main__":
    sys.exit(main())
