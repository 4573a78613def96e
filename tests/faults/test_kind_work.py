"""People at work in kind: S3 is killed, the machine is switched off, servers idle."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest
import requests

from habari_local.drivers import node
from tests.e2e.s3_client import Bucket, connect
from tests.e2e.server_client import ServerError
from tests.e2e.waiting import until
from tests.faults.clusters import KindPlatform
from tests.faults.matrix import Recovery
from tests.footprint import left_by

pytestmark = [pytest.mark.mode("kind"), pytest.mark.timeout(300)]
SAVES = 15  # before S3 is killed, and after it came back


@pytest.mark.row(10)
def test_what_was_acknowledged_is_there_after_s3_was_killed_during_saves(
    in_kind: KindPlatform, recovery: Recovery
) -> None:
    where = in_kind.endpoints
    server = in_kind.server_of("grace")
    acknowledged: list[str] = []
    enough = threading.Event()

    def save() -> None:
        number = 0
        while not enough.is_set():
            number += 1
            with suppress(ServerError, requests.RequestException):
                server.save_text(f"notebooks/{number}.txt", str(number))
                acknowledged.append(str(number))

    saving = threading.Thread(target=save)
    saving.start()
    try:
        until("Saves", lambda: len(acknowledged) >= SAVES)
        before = len(acknowledged)
        in_kind.kill_pod("s3")
        with recovery():
            until("Saves again", lambda: len(acknowledged) >= before + SAVES, 90)
    finally:
        enough.set()
        saving.join(60)
    bucket = Bucket(connect(where), where.s3.notebooks_bucket)
    assert [n for n in acknowledged if bucket.get(f"{n}.txt").decode() != n] == []


def test_a_machine_that_was_off_comes_back_with_homes_and_buckets(
    in_kind: KindPlatform, recovery: Recovery
) -> None:
    server = in_kind.server_of("grace")
    for path in ("kept.txt", "notebooks/kept.txt"):
        server.save_text(path, "kept")
    nodes = in_kind.nodes
    node.stop(nodes)
    with recovery():
        in_kind.mend()
    assert {each.id for each in in_kind.nodes} == {each.id for each in nodes}
    again = in_kind.server_of("grace")
    for path in ("kept.txt", "notebooks/kept.txt"):
        assert again.read(path)["content"] == "kept"


def test_idle_servers_are_stopped(in_kind: KindPlatform) -> None:
    in_kind.server_of("linus")
    in_kind.mend("--set", "HABARI_CULL_AFTER=4")
    until("Nobody's server runs", lambda: not in_kind.hub.has_server("linus"), 60)
    until("Its pod is gone", lambda: "linus" not in in_kind.cluster.servers(), 60)


def test_the_users_own_cluster_was_never_asked_or_changed(in_kind: KindPlatform) -> None:
    """All of these tests ran with KUBECONFIG set to production's, as its current context."""
    in_kind.scratch.good("status")
    assert in_kind.production.untouched()


def test_wiping_leaves_nothing(in_kind: KindPlatform) -> None:
    said = in_kind.scratch.good("down", "--wipe")
    assert f"cluster habari-{in_kind.scratch.id}" in said
    assert left_by(in_kind.scratch, volumes=True) == {}
    assert in_kind.production.untouched()
