"""`why` in kind: pods and events of the cluster say which check is broken."""

from __future__ import annotations

import pytest

from tests.e2e.waiting import until
from tests.faults.clusters import KindPlatform

pytestmark = [pytest.mark.mode("kind"), pytest.mark.timeout(300)]


@pytest.mark.parametrize(
    ("user", "check", "told"),
    [
        ("pull", "image", "localhost:1/nowhere:1"),
        ("room", "scheduling", "Insufficient memory"),
        ("volume", "volume", '"nowhere" not found'),
        ("secret", "spawner", 'secret "nowhere" not found'),
    ],
)
def test_what_keeps_a_server_from_starting_is_named(
    in_kind: KindPlatform, user: str, check: str, told: str
) -> None:
    hub = in_kind.hub
    users = f"{in_kind.endpoints.hub}/hub/api/users/{user}"
    assert hub.web.post(users).status_code in (201, 409), "known to the hub, now or before"
    assert hub.web.post(f"{users}/server").status_code == 202
    named = until(
        f"{check} named", lambda: (found := in_kind.why(user))["broken"] == check and found, 60
    )
    assert f"{user}'s pod: " in named["checks"][-1]["message"]
    assert told in " ".join([named["checks"][-1]["message"], *named["log"]])
    assert any(f"jupyter-{user}" in line for line in named["log"]), "its events"
    in_kind.cluster.kill(in_kind.cluster.server_of(user))
    gone = in_kind.why(user)
    assert gone["broken"] == check, "events tell of a pod that is gone"


@pytest.mark.row(27)
def test_a_process_that_was_killed_for_memory_is_named_with_the_limit(
    in_kind: KindPlatform,
) -> None:
    """Kubernetes says nothing of a kernel that was killed in a container that goes on."""
    in_kind.server_of("grace")
    assert in_kind.why("grace")["good"]
    greedy = ("python3", "-c", "len(b'x' * (3 << 30))")
    assert in_kind.scratch.call("shell", "grace", "--", *greedy).returncode == 137
    found = until("it is named", lambda: (f := in_kind.why("grace"))["broken"] and f, 60)
    assert found["broken"] == "memory"
    assert "killed for memory: it took more than its limit of 2" in found["checks"][-1]["message"]
    in_kind.scratch.good("restart", "grace")
    assert in_kind.why("grace")["good"]


@pytest.mark.parametrize("service", ["s3", "github"])
def test_a_service_without_a_pod_is_named(in_kind: KindPlatform, service: str) -> None:
    check = {"github": "sign-in"}.get(service, service)
    in_kind.scale(service, 0)
    try:
        until("it is gone", lambda: in_kind.why("grace")["broken"] == check, 60)
    finally:
        in_kind.scale(service, 1)
        until("all is well", lambda: in_kind.why("grace")["good"], 60)
