"""Mode cluster in a cluster of others: what it says before, what it does, what it leaves alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.foreign import READS, Foreign, call, good, trial_values
from tests.scratch import Scratch

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def trial(cluster: Foreign, shared: Scratch) -> Iterator[Scratch]:
    """A checkout that deploys into the namespace `trial`; what is there for others is audited."""
    shared.settings |= {
        "KUBECONFIG": str(cluster.kubeconfig),
        "PATH": cluster.release("trial").environ["PATH"],
        "HABARI_WAIVED_RULES": "stand-in,callback,tls,s3",
        "HABARI_S3_ENDPOINT_URL": cluster.maker.s3_url,
    }
    write(shared, trial_values(cluster))
    others = uids(cluster, "habari")
    began = len(cluster.audited())
    yield shared
    asked = cluster.audited()[began:]
    assert asked
    assert not [each for each in asked if "production" in each["user"]["username"]]
    assert not [
        f"{each['verb']} {each['requestURI']}"
        for each in asked
        if each["user"]["username"] == "kubernetes-admin"
        and each["verb"] not in READS
        and (each.get("objectRef") or {}).get("namespace", "trial") != "trial"
    ]
    assert uids(cluster, "habari") == others


def write(scratch: Scratch, values: dict[str, Any]) -> None:
    file = scratch.root / "config.yaml"
    file.write_text(json.dumps(values), encoding="utf-8")
    file.chmod(0o600)


def read(scratch: Scratch) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((scratch.root / "config.yaml").read_text(encoding="utf-8"))
    return found


def uids(of: Foreign, namespace: str) -> set[str]:
    listed = of.own.api.list_namespaced_pod(namespace).items
    return {each.metadata.uid for each in listed}


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
    assert "Nothing is broken" in good(trial, "why")


def test_a_second_up_changes_nothing(cluster: Foreign, trial: Scratch) -> None:
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


def test_what_can_not_run_is_taken_back_and_told(cluster: Foreign, trial: Scratch) -> None:
    values = read(trial)
    broken = json.loads(json.dumps(values))
    broken["hub"]["extraConfig"] = {"broken": "raise SystemExit('not today')"}
    write(trial, broken)
    done = call(trial, "up")
    write(trial, values)
    assert done.returncode == 4
    assert "not today" in done.stderr
    assert "CrashLoopBackOff" in done.stderr
    now = cluster.release("trial").status()
    assert now is not None
    assert now.says.startswith("Rollback to ")
    assert json.loads(good(trial, "status", "--json"))["good"]
    assert json.loads(good(trial, "up", "--plan", "--json"))["changed"] == []


def test_who_means_no_namespace_takes_nothing_down(cluster: Foreign, trial: Scratch) -> None:
    refused = call(trial, "down")
    assert refused.returncode == 2
    assert "--yes-i-mean trial" in refused.stderr
    wrong = call(trial, "down", "--yes-i-mean", "habari")
    assert wrong.returncode == 2
    assert cluster.release("trial").status() is not None


def test_the_suite_runs_and_leaves_nothing(cluster: Foreign, trial: Scratch) -> None:
    root = Path(__file__).resolve().parents[2]
    (trial.root / "tests").symlink_to(root / "tests")
    chosen = "platform or test_second_user_sees_the_notebook"
    said = good(trial, "e2e", "--", "-k", chosen, "-p", "no:cacheprovider")
    assert " passed" in said
    assert cluster.own.claims("trial") == ["hub-db-dir"]


def test_down_says_what_it_leaves(cluster: Foreign, trial: Scratch) -> None:
    said = good(trial, "down", "--yes-i-mean", "trial")
    assert "Stopped: release habari" in said
    assert "namespace trial" in said
    assert "kubectl --context trial delete namespace trial" in said
    assert call(trial, "status").returncode == 4
    assert "nothing had to be done" in good(trial, "down")
