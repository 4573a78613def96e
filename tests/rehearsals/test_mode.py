"""Mode cluster in a cluster of others: what it says before, what it does, what it leaves alone.

How it goes back, and the suite in it: tests/rehearsals/test_cluster.py.
"""

from __future__ import annotations

import json

import pytest

from tests.rehearsals.external_cluster import Foreign, call, good, uids
from tests.scratch import Scratch

pytestmark = pytest.mark.timeout(400)


def test_a_plan_is_shown_and_nothing_is_changed(cluster: Foreign, trial: Scratch) -> None:
    plan = json.loads(good(trial, "up", "--plan", "--json"))
    assert {"Deployment/hub", "Deployment/proxy", "Secret/hub"} <= set(plan["added"])
    assert not plan["removed"]
    assert cluster.release("trial").status() is None
    assert uids(cluster, "trial") == set()


def test_it_comes_up_and_says_so(cluster: Foreign, trial: Scratch) -> None:
    said = good(trial, "up")
    assert "+ Deployment/hub" in said
    assert f"open      {cluster.url}/" in said
    status = json.loads(good(trial, "status", "--json"))
    assert status["good"]
    assert [row["name"] for row in status["services"]] == ["proxy", "hub"]
    where = json.loads(good(trial, "endpoints"))
    assert where["hub_url"] == f"{cluster.url}/"
    assert len(where["hub_api_token"]) == 64
    assert "hub " in good(trial, "logs", "hub", "-n", "5")
    assert "All checks passed" in good(trial, "why")


def test_an_up_without_a_change_changes_nothing(cluster: Foreign, trial: Scratch) -> None:
    """Once the chart has settled: its checksum of random secrets holds from the second on."""
    plan = json.loads(good(trial, "up", "--json"))["plan"]
    assert {each["object"] for each in plan["changed"]} <= {"Deployment/hub", "Deployment/proxy"}
    before = uids(cluster, "trial")
    done = json.loads(good(trial, "up", "--json"))
    assert not done["changed"]
    assert [done["plan"][each] for each in ("added", "changed", "removed")] == [[], [], []]
    assert uids(cluster, "trial") == before


def test_what_was_changed_by_hand_is_in_the_plan(cluster: Foreign, trial: Scratch) -> None:
    patch = {"spec": {"type": "ClusterIP"}}
    cluster.own.api.patch_namespaced_service("proxy-public", "trial", patch)
    plan = json.loads(good(trial, "up", "--plan", "--json"))
    assert {"Service/proxy-public"} == {each["object"] for each in plan["changed"]}
    good(trial, "up")
    found = cluster.own.api.read_namespaced_service("proxy-public", "trial")
    assert found.spec.type == "NodePort"


def test_who_means_no_namespace_takes_nothing_down(cluster: Foreign, trial: Scratch) -> None:
    refused = call(trial, "down")
    assert refused.returncode == 2
    assert "--confirm trial" in refused.stderr
    wrong = call(trial, "down", "--confirm", "habari")
    assert wrong.returncode == 2
    assert cluster.release("trial").status() is not None


def test_down_says_what_it_leaves(cluster: Foreign, trial: Scratch) -> None:
    said = good(trial, "down", "--confirm", "trial")
    assert "Stopped: release trial" in said
    assert "namespace trial" in said
    assert "kubectl --context trial delete namespace trial" in said
    assert call(trial, "status").returncode == 4
    assert "nothing to do" in good(trial, "down")
