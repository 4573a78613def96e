"""What `why` takes from the hub's log for a start that failed."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from habari_local.diagnosis import checks
from habari_local.diagnosis.diagnosis import BROKEN, CheckResult, Target

STAMP = "[E 2026-11-30 02:11:08.538 JupyterHub user:1012] "
REFUSED = '403 Client Error for http://socket:2375/v1.45/containers/create: Forbidden ("socket")'


def target(*log: str) -> Target:
    return Target(
        url="http://127.0.0.1:8000/", token="", has_hub=True, user="grace", running={},
        allowed_users=frozenset(), by_organization=False, github="", allow=str, check=lambda: None,
        settings=dict, missing=str, check_buckets=lambda: None, log=lambda *_: log,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"Unhandled error starting grace's server: {REFUSED}", REFUSED),
        ("Error starting grace's server: HTTP 429: too many", "HTTP 429: too many"),
        (
            "Error starting grace's server: HTTP 500: Internal Server Error (grace's server: ended "
            "while it started, and never listened.)",
            "ended while it started",
        ),
        (
            "grace's server failed to start in 60 seconds, giving up.",
            "failed to start in 60 seconds, giving up.",
        ),
        (
            "grace's server never showed up at http://10.0.0.1:8888 after 30 seconds. Giving up.",
            "never showed up at http://10.0.0.1:8888 after 30 seconds. Giving up.",
        ),
        (
            "Unhandled error waiting for grace's server to show up at http://10.0.0.1:8888: gone",
            "gone",
        ),
    ],
)
def test_a_failed_start_is_found_in_whose_words_it_may_be(line: str, message: str) -> None:
    found = checks._spawner(target("an earlier line", STAMP + line, "a later line"))
    assert (found.state, found.message) == (BROKEN, f"grace's server: {message}")


def test_that_of_somebody_else_or_before_a_good_one_is_none() -> None:
    failed = "Unhandled error starting {}'s server: 403"
    assert checks._spawner(target(failed.format("linus"))).state != BROKEN
    good = "User grace took 1.2 seconds to start"
    assert checks._spawner(target(failed.format("grace"), good)).state != BROKEN


@pytest.mark.parametrize(("remote", "hint"), [(True, checks.WAYS), (False, "")])
def test_up_is_not_proposed_for_what_leads_to_a_hub_in_a_cluster_that_runs(
    remote: bool, hint: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
    found = checks._route(replace(target(), url=url, remote=remote))
    assert (found.state, found.hint) == (BROKEN, hint)


class Answer:
    """What a server says of its home's root."""

    status_code = 200

    def __init__(self, *, writable: bool) -> None:
        self.writable = writable

    def json(self) -> dict[str, bool]:
        return {"writable": self.writable}


@pytest.mark.parametrize("writable", [True, False])
def test_a_home_that_cannot_be_written_is_told(
    monkeypatch: pytest.MonkeyPatch, writable: bool
) -> None:
    monkeypatch.setattr(checks, "_server", lambda _: CheckResult("it answers"))
    monkeypatch.setattr(checks, "_ask", lambda *_, **__: Answer(writable=writable))
    found = checks._contents(target())
    assert (found.state != BROKEN) == writable
    assert ("can't be written to" in found.message) != writable


@pytest.mark.parametrize(
    ("said", "restarts"),
    [
        ("S3 does not accept this server's credentials. Try: again; they are reloaded.", True),
        ("S3 is too busy to answer. Try: again in a moment.", False),
    ],
)
def test_only_a_refused_key_is_answered_with_a_restart(
    monkeypatch: pytest.MonkeyPatch, said: str, restarts: bool
) -> None:
    monkeypatch.setattr(checks, "_server", lambda _: CheckResult("it answers"))
    monkeypatch.setattr(checks, "_answer", lambda *_: CheckResult(said, BROKEN))
    assert (checks._s3_of_server(target()).hint == "habari-local restart grace") == restarts
