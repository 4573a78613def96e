"""Somebody's home and account in a cluster of others: backed up, deleted, put back."""

from __future__ import annotations

import json

import pytest

from habari_local.core import polling
from habari_local.drills import user_state
from habari_local.drills.hub_user import HubUser
from habari_local.drills.scratch_platform import read
from habari_local.drivers.jupyterhub import HubClient
from tests.rehearsals.external_cluster import Foreign, call, good
from tests.scratch import Scratch

pytestmark = pytest.mark.timeout(400)
MEANT = ("--confirm", "trial")


def test_a_home_and_an_account_come_back(cluster: Foreign, trial: Scratch) -> None:
    """Taken while its server runs; put back when account, server and volume are gone."""
    good(trial, "up")
    where = read(good(trial, "endpoints"))
    name, hub = where.users["allowed"][0], HubClient(where.hub_url, where.hub_api_token)
    hub.ensure(name)
    hub.start(name)
    one = HubUser(where, name, "test")
    user_state.create(one, "kept")
    before = user_state.read_state([one], "kept")
    backup = str(trial.root / "backup")
    made = json.loads(good(trial, "backup create", "--to", backup, "--json"))
    assert {each["part"] for each in made["pieces"]} == {"database", "homes", "lake", "notebooks"}
    refused = call(trial, "backup restore", backup, *MEANT)
    assert f"Servers of {name}: still running" in refused.stderr
    gone(cluster, hub, name)
    refused = call(trial, "backup restore", backup)
    assert refused.returncode == 2
    assert "--confirm trial" in refused.stderr
    good(trial, "backup restore", backup, *MEANT)
    hub.start(name)
    differ = user_state.compare(before, user_state.read_state([one], "kept"))
    assert [each.what for each in differ if not each.good] == ["server"], "not in a backup"
    hub.stop(name)
    no_server(cluster)
    refused = call(trial, "backup restore", backup, *MEANT)
    assert f"home of {name}" in refused.stderr
    assert not [p for p in cluster.own.pods("trial") if p.name.startswith("habari-carrier")]
    gone(cluster, hub, name)
    one.leave()
    hub.close()


def no_server(of: Foreign) -> None:
    polling.wait_until(
        lambda: not [p for p in of.own.pods("trial") if p.user], "No server", seconds=60
    )


def gone(of: Foreign, hub: HubClient, name: str) -> None:
    """Delete an account, its server and its volume, which stays until no pod has it any more."""
    if hub.runs(name):
        hub.stop(name)
    no_server(of)
    hub.ask("DELETE", f"users/{name}")
    for claim in of.own.claims("trial"):
        if claim != "hub-db-dir":
            of.own.api.delete_namespaced_persistent_volume_claim(claim, "trial")
    polling.wait_until(lambda: of.own.claims("trial") == ["hub-db-dir"], "No claim", seconds=60)
