"""The cluster of others, made once for all tests that work in one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from habari_local.core import polling
from tests.rehearsals.external_cluster import (
    READS,
    Foreign,
    foreign,
    leading_to,
    trial_values,
    uids,
    write,
)
from tests.scratch import Scratch


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foreign]:
    with foreign(tmp_path_factory.mktemp("foreign")) as made:
        yield made


@pytest.fixture(scope="module")
def trial(cluster: Foreign, shared: Scratch) -> Iterator[Scratch]:
    """A checkout that deploys into the namespace `trial`; what is there for others is audited."""
    shared.settings |= leading_to(cluster)
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
    cluster.release("trial").uninstall()
    polling.wait_until(lambda: not uids(cluster, "trial"), "No pod of the trial", seconds=60)
