"""Servers that run in kind survive every `up`, whatever it has to recreate around them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.faults.clusters import at
from tests.faults.test_running_servers import GIVEN_UP, PEOPLE, all_taken_over, crowd
from tests.scratch import Scratch
from tests.waiting import wait_for

pytestmark = [pytest.mark.mode("kind"), pytest.mark.long, pytest.mark.timeout(900)]


@pytest.fixture
def crowded(scratch: Scratch) -> Iterator[Scratch]:
    """A platform with eight servers."""
    yield from crowd(scratch, "kind")


def servers(scratch: Scratch) -> set[object]:
    """What each server is: its pod, and how often its container was started."""
    return {
        (name, pod.metadata.uid, pod.status.container_statuses[0].restart_count)
        for name, pod in at(scratch).servers().items()
    }


def settings_of_the_hub(scratch: Scratch) -> None:
    """Another hub, by the chart's own values."""
    scratch.settings |= {"HABARI_CULL_AFTER": "7200", "HABARI_SERVER_MEMORY": "1500M"}
    scratch.settings["HABARI_ADMIN_USERS"] = "ada,margaret"
    scratch.good("up")


def manifests(scratch: Scratch) -> None:
    """An upgrade of the tool while it is up: other pods of S3 and the fake GitHub."""
    for name in ("s3", "github"):
        file = scratch.root / "kind" / "manifests" / f"{name}.yaml"
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace("periodSeconds: 1", "periodSeconds: 2"), encoding="utf-8")
    scratch.good("up")


def by_hand(scratch: Scratch) -> None:
    """All services are gone at once."""
    cluster = at(scratch)
    for pod in cluster.api.list_namespaced_pod(cluster.namespace).items:
        if pod.metadata.labels.get("component") != "singleuser-server":
            cluster.kill(pod)
    scratch.good("up")


def backend(scratch: Scratch) -> None:
    """Another S3, with other keys."""
    scratch.settings["HABARI_S3_BACKEND"] = "localstack"
    scratch.good("up")


def enforcer(scratch: Scratch) -> None:
    """Nothing to be recreated on a node that has ours: the policies are tried again, if at all."""
    scratch.settings["HABARI_POLICY_ENFORCER"] = "habari"
    scratch.good("up")


CHANGES: tuple[Callable[[Scratch], None], ...] = (
    settings_of_the_hub,
    manifests,
    by_hand,
    backend,
    enforcer,
)


def test_servers_survive_whatever_is_made_anew(crowded: Scratch) -> None:
    before = servers(crowded)
    assert len(before) == len(PEOPLE)
    for change in CHANGES:
        change(crowded)
        wait_for(lambda: all_taken_over(crowded), 90)
        log = crowded.good("logs", "hub", "-n", "10000")
        assert not [line for line in log.splitlines() if any(each in line for each in GIVEN_UP)]
        assert servers(crowded) == before, change.__name__
