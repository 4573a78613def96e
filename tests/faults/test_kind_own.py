"""Mode kind where a test needs clusters of its own: a tool killed on the way, two, more nodes.

They take a minute or more each, so `nox -s faults -- --mode kind --all` alone runs them.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from habari_local.core.errors import HabariError
from habari_local.drivers import kind
from tests.e2e.server_client import Server
from tests.e2e.waiting import until
from tests.faults.clusters import at
from tests.faults.parts import Platform
from tests.leftovers import left_by
from tests.scratch import Scratch, must_be_able_to_run, scratch_checkout
from tests.waiting import wait_for

pytestmark = [pytest.mark.mode("kind"), pytest.mark.long, pytest.mark.timeout(600)]
UP = ("up", "--mode", "kind")


@pytest.fixture(autouse=True)
def _able() -> None:
    must_be_able_to_run("kind")


def has(scratch: Scratch, *argv: str) -> bool:
    """Whether a program succeeds in the node."""
    found = kind.find_nodes(f"habari-{scratch.id}")
    with suppress(HabariError):
        return bool(found) and kind.execute(found[0], argv) is not None
    return False


def has_pods(scratch: Scratch) -> bool:
    return has(
        scratch,
        *("kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", "--namespace", "habari"),
        *("wait", "pod", "--selector", "component=hub", "--for", "create", "--timeout", "1s"),
    )


# What is there when the tool is killed: a moment that one can see from outside.
MOMENTS: dict[str, Callable[[Scratch], bool]] = {
    "registry": lambda scratch: bool(scratch.containers("kind")),
    "node": lambda scratch: bool(kind.find_nodes(f"habari-{scratch.id}")),
    "control plane's files": lambda scratch: has(
        scratch, "test", "-s", "/etc/kubernetes/manifests/etcd.yaml"
    ),
    "cluster": lambda scratch: (scratch.state / "kind" / "kubeconfig").is_file(),
    "hub's pod": has_pods,
}


@pytest.mark.row(3)
@pytest.mark.parametrize("moment", MOMENTS)
def test_up_finishes_what_a_killed_one_began(scratch: Scratch, moment: str) -> None:
    tool = scratch.start(*UP)
    wait_for(lambda: MOMENTS[moment](scratch), seconds=120)
    tool.kill()
    tool.communicate(timeout=10)
    scratch.good(*UP)
    scratch.good("status")
    scratch.good("down", "--wipe", "--yes")
    assert left_by(scratch, volumes=True) == {}


@pytest.mark.row(3)
@pytest.mark.parametrize("moment", ["registry", "node", "control plane's files"])
def test_down_takes_away_what_a_killed_up_began(scratch: Scratch, moment: str) -> None:
    tool = scratch.start(*UP)
    wait_for(lambda: MOMENTS[moment](scratch), seconds=120)
    tool.kill()
    tool.communicate(timeout=10)
    scratch.good("down", "--mode", "kind", "--wipe", "--yes")
    assert left_by(scratch, volumes=True) == {}


@pytest.mark.row(2)
@pytest.mark.parametrize("moment", ["registry", "node", "hub's pod"])
def test_ctrl_c_leaves_nothing(scratch: Scratch, moment: str) -> None:
    tool = scratch.start(*UP)
    wait_for(lambda: MOMENTS[moment](scratch), seconds=120)
    os.kill(tool.pid, signal.SIGINT)
    said, _ = tool.communicate(timeout=120)
    assert tool.returncode == 130, said
    assert left_by(scratch, volumes=True) == {}


@pytest.fixture
def second(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scratch]:
    with scratch_checkout(tmp_path_factory.mktemp("second")) as made:
        yield made


def test_two_checkouts_side_by_side(scratch: Scratch, second: Scratch) -> None:
    first = scratch.start(*UP)
    second.good(*UP)
    said, _ = first.communicate(timeout=300)
    assert first.returncode == 0, said
    for each, login in ((scratch, "grace"), (second, "linus")):
        Platform(each, "kind").server_of(login).save_text("mine.txt", login)
    scratch.good("down", "--wipe", "--yes")
    assert left_by(scratch, volumes=True) == {}
    second.good("status")
    assert Platform(second, "kind").server_of("linus").read("mine.txt")["content"] == "linus"


def test_a_drained_node_moves_users(scratch: Scratch) -> None:
    """Their servers end with the node, and start on the other with homes and S3 as they were."""
    scratch.good(*UP, "--nodes", "2")
    platform = Platform(scratch, "kind")
    server = platform.server_of("grace")
    for path in ("kept.txt", "notebooks/kept.txt"):
        server.save_text(path, "kept")
    cluster = at(scratch)
    before = cluster.server_of("grace").spec.node_name
    drain(scratch, before)
    until("Its pod is gone", lambda: "grace" not in cluster.servers(), 60)
    again = started_again(platform, server)
    assert cluster.server_of("grace").spec.node_name != before
    for path in ("kept.txt", "notebooks/kept.txt"):
        assert again.read(path)["content"] == "kept"
    scratch.good("status")


def drain(scratch: Scratch, name: str) -> None:
    main = f"habari-{scratch.id}-control-plane"
    inside = next(each for each in kind.find_nodes(f"habari-{scratch.id}") if each.name == main)
    kubectl = ["kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", "drain", name]
    more = ["--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=90s"]
    kind.execute(inside, [*kubectl, *more])


def started_again(platform: Platform, server: Server) -> Server:
    """The user's next server; hub and proxy may have moved as well."""
    address = platform.endpoints.hub
    until("The hub answers", lambda: server.web.get(f"{address}/hub/health").ok, 120)
    return platform.server_of(server.person.name)


@pytest.mark.row(17)
def test_a_node_without_room_on_its_disk_is_named(scratch: Scratch) -> None:
    """By the kubelet's own measure: from now on it wants more free than there is."""
    scratch.good(*UP)
    (inside,) = kind.find_nodes(f"habari-{scratch.id}")
    change = "s/nodefs.available: .*/nodefs.available: 99%/"
    script = f"sed -i '{change}' /var/lib/kubelet/config.yaml && systemctl restart kubelet"
    kind.execute(inside, ["sh", "-c", script])

    def told() -> str:
        found = json.loads(scratch.call("why", "--json").stdout)
        return str(found["checks"][-1]["message"]) if found["broken"] in ("proxy", "hub") else ""

    until("why names it", lambda: "disk-pressure" in told(), 120)
    known = json.loads(scratch.call("why", "--json").stdout)["known_issue"]
    assert known["id"] == "disk-full"
    done = scratch.call(*UP)
    assert done.returncode == 4
    assert "disk-pressure" in done.stderr
