"""Which lines of a log are about the fault: of this life, of its last minutes, not of probes."""

from __future__ import annotations

import pytest

from habari_local.diagnosis.evidence import MARK, since_the_fault, telling

LOCKED = "sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) database is locked"


def hub(at: str, words: str) -> str:
    return f"hub | [E 2026-11-30 {at}.538 JupyterHub user:1012] {words}"


def test_what_was_written_long_before_the_last_line_is_another_story() -> None:
    old = [hub("02:00:00", "Exception in request"), f"hub |     {LOCKED}"]
    new = [hub("02:11:00", "200 GET /hub/home"), hub("02:11:08", "200 GET /hub/home")]
    assert since_the_fault([*old, *new]) == new
    assert since_the_fault(old) == old, "a traceback is of the line before it"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("10:23:47 POST / 200", "10:29:11 GET / 200"),
        ("23:50:00 POST / 200", "00:01:00 GET / 200"),
        ("127.0.0.1 - - [29/Nov/2026 10:23:17] GET / 200", "127.0.0.1 - - [30/Nov/2026 10:23:18] "),
        ("2026-11-29T10:26:28.729Z [ConfigProxy] info", "2026-11-30T10:26:29.115Z [ConfigProxy]"),
    ],
    ids=["clock", "midnight", "the day before, GitHub's", "the day before, the proxy's"],
)
def test_the_time_of_each_service_is_read(old: str, new: str) -> None:
    assert since_the_fault([old, new]) == [new]


def test_lines_that_threads_wrote_late_are_kept() -> None:
    lines = ["10:23:48 POST / 200", "10:23:47 POST / 200", "10:23:49 POST / 200"]
    assert since_the_fault(lines) == lines


def test_an_earlier_life_is_another_story() -> None:
    started = "hub | --- started hub 2026-11-30 02:11:01Z ---"
    new = hub("02:11:02", "Not starting proxy")
    assert since_the_fault([hub("02:11:00", LOCKED), started, new]) == [new]


@pytest.mark.parametrize(
    "trace",
    [
        f"404 GET /hub/api/users/grace?{MARK} (habari-local@127.0.0.1) 3 ms",
        "503 GET /hub/health connect ECONNREFUSED 127.0.0.1:8081",
        "403 GET /_chp_healthz",
        "500 GET /_habari/health",
    ],
)
def test_traces_of_probes_are_none(trace: str) -> None:
    assert since_the_fault([hub("02:11:02", trace)]) == []


def test_lines_without_any_time_are_all_kept() -> None:
    assert since_the_fault(["one", "two"]) == ["one", "two"]


def test_errors_are_shown_rather_than_what_went_well() -> None:
    good = "hub | [I 2026-11-30 02:11:08.538 JupyterHub log:192] 200 GET /hub/home"
    trace = [hub("02:11:09", "Exception in request"), "hub |     Traceback", "hub |   in start"]
    assert telling([good, *trace, good]) == trace
    assert telling([good] * 9) == [good] * 3, "none says what it was"
