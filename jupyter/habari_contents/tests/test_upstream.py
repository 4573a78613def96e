"""jupyter_server's own contents tests against an S3 folder: what differs is data, with a reason."""

from __future__ import annotations

import pytest

from .stores import STORE
from .upstream_run import CONTENTS, DATA


@pytest.fixture(scope="module")
def outcomes(upstream) -> dict[str, str]:
    return upstream.outcomes()


@pytest.mark.timeout(900)
def test_what_differs_from_a_disk_has_a_reason(outcomes):
    failed = {test: told for test, told in outcomes.items() if told not in {"passed", "skipped"}}
    entries = [entry for entry in DATA["differs"] if entry.get("store", STORE) == STORE]
    known = [test for entry in entries for test in entry["tests"]]
    plain = {test.partition("[")[0] for test in failed}
    unexplained = {t: told for t, told in failed.items() if t.partition("[")[0] not in known}
    assert not unexplained
    always = {test for entry in entries if not entry.get("now_and_then") for test in entry["tests"]}
    assert always <= plain, "these entries are no longer true"
    assert len(known) == len(set(known))
    assert all(entry["reason"].endswith(".") for entry in DATA["differs"])


def test_most_of_them_pass(outcomes):
    """So that an empty run, or one that the mirror breaks, is noticed."""
    passed = [test for test, told in outcomes.items() if told == "passed"]
    assert len(passed) > 100


def test_what_is_left_out_is_there(upstream):
    for test in DATA["left_out"]:
        file, _, name = test.partition("::")
        text = (upstream.source / CONTENTS / file).read_text(encoding="utf-8")
        assert not name or f"def {name}(" in text, f"{test} is gone"
    listed = (upstream.source / "tests" / "conftest.py").read_text(encoding="utf-8")
    for folder, name in DATA["repeated"]["folders"]:
        assert f'("{folder}", "{name}")' in listed, f"{folder}/{name} is gone"
