"""jupyter_server's own contents tests against an S3 folder: what differs is data, with a reason.

They are in its source archive alone, which pip gets as the lock of this environment has it.
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

import pytest

from .servers import KEYS, PACKAGE

LOCK = PACKAGE.parent / "requirements-test.txt"
UPSTREAM = PACKAGE / "tests" / "upstream"
DATA = tomllib.loads((UPSTREAM / "differences.toml").read_text(encoding="utf-8"))
CONTENTS = Path("tests", "services", "contents")
BUCKET = "habari-upstream"


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """The source of the jupyter_server that is installed here, verified by the lock's hashes."""
    name = f"jupyter_server-{version('jupyter_server')}"
    kept = Path(sys.prefix, "share", "sources", f"{name}.tar.gz")
    if not kept.exists():
        folder = tmp_path_factory.mktemp("got")
        pinned = re.search(r"^jupyter-server==(.*\\\n)*.*", LOCK.read_text(), re.MULTILINE)
        assert pinned is not None
        lock = folder / "lock.txt"
        lock.write_text(pinned[0])
        got = ("pip", "download", "--quiet", "--no-deps", "--no-binary=:all:", "--require-hashes")
        built = ("--no-build-isolation", f"--dest={folder}", f"--requirement={lock}")
        subprocess.run([sys.executable, "-m", *got, *built], check=True)
        kept.parent.mkdir(parents=True, exist_ok=True)
        (folder / kept.name).replace(kept)
    unpacked = tmp_path_factory.mktemp("source")
    with tarfile.open(kept) as archive:
        archive.extractall(unpacked, filter="data")
    return unpacked / name


@pytest.fixture(scope="module")
def outcomes(source, s3, moto_port, tmp_path_factory) -> dict[str, str]:
    """What came of each test, `FILE::NAME[PARAMETERS]`: passed, skipped, or how it failed."""
    s3.create_bucket(Bucket=BUCKET)
    report = tmp_path_factory.mktemp("report") / "report.xml"
    left_out = DATA["left_out"]
    whole = [file.name for file in sorted((source / CONTENTS).glob("test_*.py"))]
    files = [str(CONTENTS / file) for file in whole if file not in left_out]
    single = [f"--deselect={CONTENTS / test}" for test in left_out if "::" in test]
    env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "HABARI_", "PYTEST_"))}
    env |= {
        **KEYS,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{moto_port}",
        "HABARI_TEST_BUCKET": BUCKET,
        "PYTHONPATH": f"{PACKAGE}:{UPSTREAM}",
    }
    quiet = (
        *("-p", "mirrored", "-p", "no:cacheprovider", "--no-showlocals", "--show-capture=no"),
        *("--tb=line", "--log-level=WARNING", "-o", "log_cli_level=WARNING"),
        # Of an upload that a test breaks off: its file has no name, and goes with the process.
        *("-W", "ignore:unclosed file:ResourceWarning"),
        *("-W", "ignore::pytest.PytestUnraisableExceptionWarning"),
    )
    argv = [sys.executable, "-m", "pytest", *quiet, f"--junit-xml={report}", *single, *files]
    ran = subprocess.run(argv, cwd=source, env=env, capture_output=True, text=True, check=False)
    assert ran.returncode in {0, 1}, ran.stdout[-3000:] + ran.stderr
    return dict(_outcome(case) for case in ET.parse(report).iter("testcase"))


def _outcome(case: ET.Element) -> tuple[str, str]:
    file = case.get("classname", "").rpartition(".")[2]
    bad = [found for found in case if found.tag in {"failure", "error"}]
    told = bad[0].get("message", "") if bad else "skipped" if len(case) else "passed"
    return f"{file}.py::{case.get('name')}", told


@pytest.mark.timeout(900)
def test_what_differs_from_a_disk_has_a_reason(outcomes):
    failed = {test: told for test, told in outcomes.items() if told not in {"passed", "skipped"}}
    known = [test for entry in DATA["differs"] for test in entry["tests"]]
    plain = {test.partition("[")[0] for test in failed}
    unexplained = {t: told for t, told in failed.items() if t.partition("[")[0] not in known}
    assert not unexplained
    assert set(known) <= plain, "these entries are no longer true"
    assert len(known) == len(set(known))
    assert all(entry["reason"].endswith(".") for entry in DATA["differs"])


def test_most_of_them_pass(outcomes):
    """So that an empty run, or one that the mirror breaks, is noticed."""
    passed = [test for test, told in outcomes.items() if told == "passed"]
    assert len(passed) > 130


def test_what_is_left_out_is_there(source):
    for test in DATA["left_out"]:
        file, _, name = test.partition("::")
        text = (source / CONTENTS / file).read_text(encoding="utf-8")
        assert not name or f"def {name}(" in text, f"{test} is gone"
