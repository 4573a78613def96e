"""jupyter_server's own contents tests, from its source archive, run on an S3 folder.

They take a minute and a half of one core: they run beside our tests, and let those go first.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import xml.etree.ElementTree as ET
from importlib.metadata import version
from pathlib import Path

import boto3

from .servers import KEYS, PACKAGE
from .stores import Store

LOCK = PACKAGE.parent / "requirements-test.txt"
UPSTREAM = PACKAGE / "tests" / "upstream"
DATA = tomllib.loads((UPSTREAM / "differences.toml").read_text(encoding="utf-8"))
CONTENTS = Path("tests", "services", "contents")
BUCKET = "habari-upstream"


class Run:
    """One run in a folder of its own, against a store of its own."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.source = _source(folder)
        self._report = folder / "report.xml"
        self._log = folder / "log.txt"
        self._store = store.ready()
        endpoint = f"http://127.0.0.1:{store.port}"
        aws = {"endpoint_url": endpoint, "region_name": "us-east-1"}
        keys = {name.lower(): value for name, value in KEYS.items()}
        boto3.client("s3", **aws, **keys).create_bucket(Bucket=BUCKET)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["nice", "-n", "10", *self._argv()],
                cwd=self.source,
                env=_environment(endpoint),
                stdout=log,
                stderr=log,
            )

    def _argv(self) -> list[str]:
        left_out = DATA["left_out"]
        whole = [file.name for file in sorted((self.source / CONTENTS).glob("test_*.py"))]
        files = [str(CONTENTS / file) for file in whole if file not in left_out]
        single = [f"--deselect={CONTENTS / test}" for test in left_out if "::" in test]
        quiet = (
            *("-p", "mirrored", "-p", "no:cacheprovider", "--no-showlocals", "--show-capture=no"),
            *("--tb=line", "--log-level=WARNING", "-o", "log_cli_level=WARNING"),
            # Of an upload that a test breaks off: its file has no name, and goes with the process.
            *("-W", "ignore:unclosed file:ResourceWarning"),
            *("-W", "ignore::pytest.PytestUnraisableExceptionWarning"),
        )
        report = f"--junit-xml={self._report}"
        return [sys.executable, "-m", "pytest", *quiet, report, *single, *files]

    def outcomes(self) -> dict[str, str]:
        """What came of each test, `FILE::NAME[PARAMETERS]`: passed, skipped, or how it failed."""
        code = self._process.wait(900)
        assert code in {0, 1}, self._log.read_text()[-3000:]
        return dict(_outcome(case) for case in ET.parse(self._report).iter("testcase"))

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(15)
        self._store.stop()


def _environment(endpoint: str) -> dict[str, str]:
    ours = ("AWS_", "HABARI_", "PYTEST_", "TESTS_")
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith(ours)},
        **KEYS,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
        "TESTS_BUCKET": BUCKET,
        "PYTHONPATH": f"{PACKAGE}:{UPSTREAM}",
    }


def _source(folder: Path) -> Path:
    """The source of the jupyter_server that is installed here, verified by the lock's hashes."""
    name = f"jupyter_server-{version('jupyter_server')}"
    kept = Path(sys.prefix, "share", "sources", f"{name}.tar.gz")
    if not kept.exists():
        pinned = re.search(r"^jupyter-server==(.*\\\n)*.*", LOCK.read_text(), re.MULTILINE)
        assert pinned is not None
        lock = folder / "lock.txt"
        lock.write_text(pinned[0])
        got = ("pip", "download", "--quiet", "--no-deps", "--no-binary=:all:", "--require-hashes")
        built = ("--no-build-isolation", f"--dest={folder}", f"--requirement={lock}")
        subprocess.run([sys.executable, "-m", *got, *built], check=True)
        kept.parent.mkdir(parents=True, exist_ok=True)
        (folder / kept.name).replace(kept)
    with tarfile.open(kept) as archive:
        archive.extractall(folder, filter="data")
    return folder / name


def _outcome(case: ET.Element) -> tuple[str, str]:
    file = case.get("classname", "").rpartition(".")[2]
    bad = [found for found in case if found.tag in {"failure", "error"}]
    told = bad[0].get("message", "") if bad else "skipped" if len(case) else "passed"
    return f"{file}.py::{case.get('name')}", told
