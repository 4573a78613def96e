"""Known vulnerabilities of what the locks name, as registries' own advisories and OSV tell them.

All of it asks services on the internet, so it is no part of a test run: a workflow calls it daily.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from uv import find_uv_bin

from scan.locks import ROOT, SHIPPED, requirements

PIP_AUDIT = "pip-audit==2.10.1"
OSV_SCANNER = "go install github.com/google/osv-scanner/v2/cmd/osv-scanner@v2.6.0"


def found() -> list[str]:
    """Ask about every lock; return those that are not clean, or can't be asked about."""
    return [name for name, good in _asked() if not good]


def _asked() -> Iterator[tuple[str, bool]]:
    locks = sorted({lock for locks in SHIPPED.values() for lock in locks})
    for lock in locks:
        good = _npm(lock) if lock.endswith(".json") else _python(lock)
        yield lock, good
    if shutil.which("osv-scanner") is None:
        sys.stderr.write(f"osv-scanner: not on this machine. Try: {OSV_SCANNER}\n")
        yield "osv-scanner", False
        return
    places = [f"--lockfile={ROOT / lock}" for lock in locks]
    yield "osv-scanner", _good(["osv-scanner", "scan", "source", *places])


def _python(lock: str) -> bool:
    """Ask PyPI. `--strict`: a package that it knows nothing about is a failure, not a comfort."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "requirements.txt"
        file.write_text(requirements(lock), encoding="utf-8")
        asking = ("pip-audit", "--strict", "--disable-pip", "--require-hashes", "--requirement")
        return _good([find_uv_bin(), "tool", "run", "--from", PIP_AUDIT, *asking, str(file)])


def _npm(lock: str) -> bool:
    return _good(["npm", "audit", "--package-lock-only"], (ROOT / lock).parent)


def _good(command: Sequence[str], folder: Path = ROOT) -> bool:
    sys.stdout.write(f"\n$ {' '.join(command)}\n")
    sys.stdout.flush()
    return subprocess.run(command, cwd=folder, check=False).returncode == 0
