"""A backup in kind while the cluster's own API server refuses what it is asked, or can't answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from ruamel.yaml import YAML

from habari_local.core.errors import FAILED, NOT_READY
from tests.e2e.waiting import until
from tests.faults.clusters import KindPlatform

pytestmark = [pytest.mark.mode("kind"), pytest.mark.row(28), pytest.mark.timeout(300)]
NAME = "backup-of-the-tests"  # the account, its role and what binds them
# All of the namespace but its claims, and with them.
WITHOUT_CLAIMS = ["pods", "pods/exec", "pods/log", "events", "secrets", "services"]
WITH_CLAIMS = [*WITHOUT_CLAIMS, "persistentvolumeclaims"]
CORE = "v1."  # the registration of the API that has pods and claims
NO_SERVICE = {"name": "nowhere", "namespace": "default", "port": 443}
Switch = Callable[[], object]


@dataclass(frozen=True)
class Answer:
    """What a real API server answers, and what the tool says of that."""

    code: int
    said: str


FORBIDDEN = Answer(FAILED, "answered 403 Forbidden, this account may not do that.")
UNAVAILABLE = Answer(NOT_READY, "answered 503 Service Unavailable, the API server failed.")


@contextmanager
def account(in_kind: KindPlatform, resources: Sequence[str]) -> Iterator[Switch]:
    """Have the checkout's kubeconfig be an account's of few rights; gives what takes them away."""
    cluster, file = in_kind.cluster, in_kind.scratch.state / "kind" / "kubeconfig"
    namespace, before = cluster.namespace, file.read_text(encoding="utf-8")
    roles: Any = client.RbacAuthorizationV1Api(cluster.api.api_client)
    named = {"metadata": {"name": NAME}}
    rule = {"apiGroups": [""], "resources": resources, "verbs": ["*"]}
    subject = {"kind": "ServiceAccount", "name": NAME, "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": NAME}
    try:
        cluster.api.create_namespaced_service_account(namespace, named)
        roles.create_namespaced_role(namespace, {**named, "rules": [rule]})
        bound = {**named, "roleRef": role, "subjects": [subject]}
        roles.create_namespaced_role_binding(namespace, bound)
        made = cluster.api.create_namespaced_service_account_token(NAME, namespace, {"spec": {}})
        loaded = YAML(typ="safe").load(before)
        loaded["users"][0]["user"] = {"token": made.status.token}
        file.write_text(json.dumps(loaded), encoding="utf-8")  # which is YAML
        yield lambda: roles.delete_namespaced_role_binding(NAME, namespace)
    finally:
        file.write_text(before, encoding="utf-8")
        for delete in (
            roles.delete_namespaced_role_binding,
            roles.delete_namespaced_role,
            cluster.api.delete_namespaced_service_account,
        ):
            with suppress(ApiException):  # the binding may be gone already
                delete(NAME, namespace)


@contextmanager
def without_core(in_kind: KindPlatform) -> Iterator[Switch]:
    """Gives what has the API server send pods and claims to a service that is not there."""
    cluster = in_kind.cluster
    registered = client.ApiregistrationV1Api(cluster.api.api_client)

    def answer() -> int:
        try:
            cluster.api.list_namespaced_persistent_volume_claim(cluster.namespace)
        except ApiException as error:
            return int(error.status)
        return 200

    def away() -> None:
        spec = {"service": NO_SERVICE, "insecureSkipTLSVerify": True}
        registered.patch_api_service(CORE, {"spec": spec})
        until("503", lambda: answer() == 503, 30)

    try:
        yield away
    finally:
        spec = {"service": None, "insecureSkipTLSVerify": None}
        registered.patch_api_service(CORE, {"spec": spec})
        until("claims again", lambda: answer() == 200, 60)


def begun(in_kind: KindPlatform, target: Path, break_it: Switch) -> tuple[int, str]:
    """Exit code and words of a backup whose claims were listed, broken at its first home."""
    create = ("backup", "create", "--only", "homes", "--to", str(target))
    said = ""
    with in_kind.scratch.start(*create) as creating:
        assert creating.stdout
        for line in creating.stdout:
            said += line
            if said.count("the home of") == 1 and line.startswith("the home of"):
                break_it()
    return creating.returncode, said


def refused_at_once(in_kind: KindPlatform, target: Path) -> tuple[int, str]:
    """Exit code and words of a backup of all that asks for the claims first."""
    done = in_kind.scratch.call("backup", "create", "--to", str(target))
    return done.returncode, done.stdout + done.stderr


def require_no_backup(answer: Answer, code: int, said: str, target: Path) -> None:
    assert (code, answer.said in said) == (answer.code, True), said
    tries = [line for line in said.splitlines() if line.startswith("Try: ")]
    assert len(tries) == 1, said
    assert "kubectl --kubeconfig" in tries[0]
    assert "Traceback" not in said
    assert "Nothing to back up" not in said, "what could not be asked for was believed absent"
    assert list(target.parent.iterdir()) == [], "no backup, and nothing half done"


def require_all_goes_on(in_kind: KindPlatform, target: Path, mine: str) -> None:
    """Whole again: the platform answers, the server is the same, the next backup has its home."""
    until("All answers", lambda: in_kind.scratch.call("status").returncode == 0, 60)
    create = ("backup", "create", "--only", "homes", "--to", str(target), "--json")
    made: dict[str, Any] = json.loads(in_kind.scratch.good(*create))
    assert made["complete"]
    assert "grace" in {piece["owner"] for piece in made["pieces"]}
    assert in_kind.cluster.server_of("grace").metadata.uid == mine


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where a backup is to be."""
    return tmp_path / "backups" / "one"


@pytest.fixture
def mine(in_kind: KindPlatform) -> str:
    """The uid of the pod of somebody who is at work meanwhile."""
    in_kind.server_of("grace")
    return str(in_kind.cluster.server_of("grace").metadata.uid)


def test_an_account_that_may_not_see_claims_or_use_them_gets_no_backup(
    in_kind: KindPlatform, target: Path, mine: str
) -> None:
    with account(in_kind, WITHOUT_CLAIMS):
        require_no_backup(FORBIDDEN, *refused_at_once(in_kind, target), target)
    with account(in_kind, WITH_CLAIMS) as take_its_rights:
        require_no_backup(FORBIDDEN, *begun(in_kind, target, take_its_rights), target)
    require_all_goes_on(in_kind, target, mine)


def test_no_backup_is_made_of_what_the_api_server_has_no_service_for(
    in_kind: KindPlatform, target: Path, mine: str
) -> None:
    with without_core(in_kind) as take_away:
        take_away()
        require_no_backup(UNAVAILABLE, *refused_at_once(in_kind, target), target)
    with without_core(in_kind) as take_away:
        require_no_backup(UNAVAILABLE, *begun(in_kind, target, take_away), target)
    require_all_goes_on(in_kind, target, mine)
