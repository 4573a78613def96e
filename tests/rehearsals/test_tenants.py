"""Two tenants in one cluster: apart, each with its own, and one upgraded without the other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from habari_local.s3 import policy
from habari_local.s3.s3_client import Buckets, S3Target, iam_client, s3_client
from tests.rehearsals.external_cluster import Foreign, leading_to, trial_values
from tests.scratch import Scratch

pytestmark = pytest.mark.timeout(400)
PORTS = {"blue": 30082, "green": 30083}
TO = ("--context", "trial")


@pytest.fixture(scope="module")
def tenants(cluster: Foreign, shared: Scratch) -> Iterator[Scratch]:
    """A checkout with two tenants, each with buckets and a key of its own; both are up."""
    shared.settings |= leading_to(cluster)
    write(shared, "base.yaml", trial_values(cluster))
    for name in PORTS:
        prepare(cluster, shared, name)
        shared.good("tenant", "up", name, *TO)
    yield shared
    for name in PORTS:
        shared.good("tenant", "down", name, *TO, "--confirm", f"habari-{name}")


def prepare(of: Foreign, scratch: Scratch, name: str) -> None:
    """Make what a tenant needs before it can come up: its secrets, buckets and values."""
    namespace = f"habari-{name}"
    of.own.keep_namespace(namespace, {})
    of.own.keep_secret(namespace, "habari-hub", of.own.secret("trial", "habari-hub"))
    of.own.keep_secret(namespace, "habari-s3", made_at_s3(of, name))
    (scratch.root / "tenants" / name).mkdir()
    write(scratch, f"{name}/config.yaml", own_values(of, name, PORTS[name]))


def write(scratch: Scratch, name: str, values: dict[str, Any]) -> None:
    (scratch.root / "tenants" / name).write_text(json.dumps(values), encoding="utf-8")


def own_values(of: Foreign, name: str, port: int) -> dict[str, Any]:
    callback = f"{of.url.rpartition(':')[0]}:{port}/hub/oauth_callback"
    server = {"HABARI_LAKE_BUCKET": f"{name}-lake", "HABARI_NOTEBOOKS_BUCKET": f"{name}-notebooks"}
    return {
        "hub": {"config": {"GitHubOAuthenticator": {"oauth_callback_url": callback}}},
        "proxy": {"service": {"nodePorts": {"http": port}}},
        "singleuser": {"extraEnv": server},
    }


def made_at_s3(of: Foreign, name: str) -> dict[str, str]:
    """Buckets, user, policy and key of a tenant."""
    root = of.own.secret("habari", "habari-s3-root")
    names = ("HABARI_S3_ROOT_ACCESS_KEY_ID", "HABARI_S3_ROOT_SECRET_ACCESS_KEY")
    key_id, secret = (root[each] for each in names)
    target = S3Target(of.maker.s3_url, "us-east-1", key_id, secret, "localstack")
    buckets, iam = Buckets(f"{name}-lake", f"{name}-notebooks"), iam_client(target)
    for bucket in buckets:
        s3_client(target).create_bucket(Bucket=bucket)
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=policy.text(buckets))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    pair = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"]}
    return {**pair, "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


def uids(of: Foreign, namespace: str) -> set[str]:
    return {e.metadata.uid for e in of.own.api.list_namespaced_pod(namespace).items}


def test_each_has_an_address_and_a_namespace(cluster: Foreign, tenants: Scratch) -> None:
    listed = json.loads(tenants.good("tenant", "list", "--json"))
    assert [each["namespace"] for each in listed] == ["habari-blue", "habari-green"]
    assert len({each["address"] for each in listed}) == 2
    for each in listed:
        (quota,) = cluster.own.api.list_namespaced_resource_quota(each["namespace"]).items
        assert quota.status.hard["pods"] == "40"


def test_neither_reaches_the_other(tenants: Scratch) -> None:
    done = json.loads(tenants.good("tenant", "check", "--all", *TO, "--json"))
    assert done["good"], [each for each in done["findings"] if not each["good"]]
    tried = {each["tried"] for each in done["findings"]}
    assert {"server to pod hub", "server to server", "key in buckets", "token at the hub"} <= tried
    own = [each for each in done["findings"] if each["tried"] == "server to own hub"]
    assert [each["outcome"] for each in own] == ["open", "open"]


def test_what_is_shared_is_found(cluster: Foreign, tenants: Scratch) -> None:
    """A key of the other tenant, and an account that may read everybody's secrets."""
    kept = cluster.own.secret("habari-blue", "habari-s3")
    theirs = cluster.own.secret("habari-green", "habari-s3")
    cluster.own.keep_secret("habari-blue", "habari-s3", theirs)
    done = tenants.call("tenant", "check", "blue", *TO, "--json")
    cluster.own.keep_secret("habari-blue", "habari-s3", kept)
    assert done.returncode == 1
    bad = {each["tried"] for each in json.loads(done.stdout)["findings"] if not each["good"]}
    assert bad == {"address, buckets, key", "key in buckets"}


def test_one_is_upgraded_without_the_other(cluster: Foreign, tenants: Scratch) -> None:
    before = uids(cluster, "habari-blue"), uids(cluster, "habari-green")
    file = tenants.root / "tenants" / "blue" / "config.yaml"
    values = json.loads(file.read_text(encoding="utf-8"))
    values["hub"]["config"]["GitHubOAuthenticator"]["allowed_users"] = ["grace", "linus", "vera"]
    file.write_text(json.dumps(values), encoding="utf-8")
    plan = json.loads(tenants.good("tenant", "diff", "blue", *TO, "--json"))
    assert "Deployment/hub" in plan["restarted"]
    tenants.good("tenant", "up", "blue", *TO)
    assert uids(cluster, "habari-blue") != before[0]
    assert uids(cluster, "habari-green") == before[1]


def test_an_unknown_tenant_is_told(tenants: Scratch) -> None:
    wrong = tenants.call("tenant", "up", "red", *TO)
    assert wrong.returncode == 2
    assert "Tenant red: not there, one of these was expected: blue, green" in wrong.stderr
