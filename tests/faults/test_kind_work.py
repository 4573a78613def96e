"""People at work in kind: S3 is killed, the machine is switched off, servers idle."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import pytest
import requests

from habari_local.drivers import kind
from tests.e2e.hub_client import HubError
from tests.e2e.s3_client import Bucket, connect
from tests.e2e.server_client import Server, ServerError
from tests.e2e.waiting import until
from tests.faults.clusters import KindPlatform
from tests.faults.matrix import Recovery
from tests.leftovers import left_by

pytestmark = [pytest.mark.mode("kind"), pytest.mark.timeout(300)]
PODS = "10.244.0.0/16"  # where pods' addresses are
SAVES = 15  # before S3 is killed, and after it came back


@pytest.mark.parametrize(
    "part",
    [
        pytest.param("hub", marks=pytest.mark.row(8)),
        pytest.param("proxy", marks=pytest.mark.row(9)),
    ],
)
def test_a_killed_service_comes_back_by_itself_and_servers_go_on(
    in_kind: KindPlatform, recovery: Recovery, part: str
) -> None:
    server = in_kind.server_of("grace")
    server.save_text(f"notebooks/before-{part}.txt", "acknowledged")
    mine = in_kind.cluster.server_of("grace").metadata.uid
    gone = in_kind.since(part)

    def saves() -> bool:
        with suppress(ServerError, requests.RequestException):
            server.save_text(f"notebooks/after-{part}.txt", "goes on")
            return True
        return False

    in_kind.kill(part)
    with recovery():  # by Kubernetes alone
        until("Another pod", lambda: in_kind.since(part) not in ([], gone), 60)
        until("Saves again", saves, 60)
        until("All answers", lambda: in_kind.scratch.call("status").returncode == 0, 60)
    assert in_kind.cluster.server_of("grace").metadata.uid == mine
    assert server.read(f"notebooks/before-{part}.txt")["content"] == "acknowledged"


def test_no_acknowledged_save_is_lost_while_parts_are_broken(in_kind: KindPlatform) -> None:
    done = in_kind.scratch.call("drill", "save", "--seconds", "45", "--users", "2", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert (told["lost"], told["corrupted"], told["refused_but_saved"]) == ([], [], [])
    assert told["saved"] >= 10
    assert told["faults"][0]["name"] == "s3-killed"
    assert told["faults"][0]["back"] is not None, "everybody whom it hit could save again"


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
        gone = in_kind.ready("s3")
        in_kind.kill_pod("s3")
        with recovery():
            # The old one may take some more before it is gone.
            until("Another S3", lambda: in_kind.ready("s3") - gone, 90)
            before = len(acknowledged)
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
    kind.stop(nodes)
    with recovery():
        in_kind.recover()
    assert {each.id for each in in_kind.nodes} == {each.id for each in nodes}
    again = started_anew(in_kind, "grace")
    for path in ("kept.txt", "notebooks/kept.txt"):
        assert again.read(path)["content"] == "kept"


def test_the_hub_goes_on_asking_where_kubernetes_does_not_answer_it_at_first(
    in_kind: KindPlatform, recovery: Recovery
) -> None:
    """As after a start of the whole machine: the hub may be there before its way to the API is."""
    server = in_kind.server_of("grace")
    mine = in_kind.cluster.server_of("grace").metadata.uid
    gone = in_kind.since("hub")

    def asked_in_vain() -> bool:
        said = in_kind.scratch.good("logs", "hub", "--lines", "1000")
        return "Initial list of pods failed" in said

    with no_way_to_the_api(in_kind.nodes):
        in_kind.kill("hub")
        until("Another pod", lambda: in_kind.since("hub") not in ([], gone), 60)
        until("The hub has asked", asked_in_vain, 60)
    with recovery():
        in_kind.recover()
        started_anew(in_kind, "linus")
    assert in_kind.cluster.server_of("grace").metadata.uid == mine
    server.save_text("notebooks/after-api.txt", "goes on")


@contextmanager
def no_way_to_the_api(nodes: Sequence[kind.Node]) -> Iterator[None]:
    """Have no pod reach the API server; nodes and this machine still do."""
    rule = ["INPUT", "-s", PODS, "-p", "tcp", "--dport", "6443", "-j", "REJECT"]
    for each in nodes:
        kind.execute(each, ["iptables", "-I", *rule])
    try:
        yield
    finally:
        for each in nodes:
            kind.execute(each, ["iptables", "-D", *rule])


def started_anew(in_kind: KindPlatform, login: str) -> Server:
    """Somebody's server, as soon as the hub has seen that the one before is gone."""
    found: list[Server] = []
    refused: list[str] = []

    def starts() -> bool:
        try:
            found.append(in_kind.server_of(login))
        except HubError as error:
            refused.append(str(error))
        return bool(found)

    try:
        until("A server again", starts, 120)
    except TimeoutError as late:
        raise AssertionError(f"{late} {set(refused)}") from late
    return found[0]


def test_idle_servers_are_stopped(in_kind: KindPlatform) -> None:
    in_kind.server_of("linus")
    in_kind.recover("--set", "HABARI_CULL_AFTER=4")
    until("Nobody's server runs", lambda: not in_kind.hub.has_server("linus"), 60)
    until("Its pod is gone", lambda: "linus" not in in_kind.cluster.servers(), 60)


def test_the_users_own_cluster_was_never_asked_or_changed(in_kind: KindPlatform) -> None:
    """All of these tests ran with KUBECONFIG set to production's, as its current context."""
    in_kind.scratch.good("status")
    assert in_kind.production.untouched()


@pytest.mark.row(6)
def test_wiping_leaves_nothing(in_kind: KindPlatform) -> None:
    said = in_kind.scratch.good("down", "--wipe", "--yes")
    assert f"cluster habari-{in_kind.scratch.id}" in said
    assert left_by(in_kind.scratch, volumes=True) == {}
    assert in_kind.production.untouched()
    in_kind.scratch.good("down")
