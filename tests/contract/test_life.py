"""Every mode comes up, says how it is, does nothing twice, and goes down without a trace."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from habari_local.config.render.helm import PROJECT
from habari_local.core import polling
from habari_local.drivers import kind
from habari_local.drivers.docker import client as docker_client
from tests.leftovers import left_by
from tests.runnable_modes import here
from tests.scratch import Scratch, must_be_able_to_run
from tests.shells import shells
from tests.waiting import wait_for

pytestmark = pytest.mark.timeout(400)  # the first test of a mode waits until it is up


@pytest.fixture(scope="module", params=here())
def platform(request: pytest.FixtureRequest, shared: Scratch) -> Iterator[tuple[str, Scratch]]:
    """The platform in each mode, up for the tests of this module."""
    must_be_able_to_run(request.param)
    shared.good("up", "--mode", request.param)
    yield request.param, shared
    shared.good("down")


def services(scratch: Scratch) -> list[dict[str, Any]]:
    return list(json.loads(scratch.good("status", "--json"))["services"])


def test_it_answers_and_status_says_so(platform: tuple[str, Scratch]) -> None:
    mode, scratch = platform
    status = json.loads(scratch.good("status", "--json"))
    assert status["mode"] == mode
    assert status["good"]
    assert all(row["state"] == "running" and row["since"] for row in status["services"])
    # Kubernetes measures a pod's memory some seconds after its start.
    wait_for(lambda: all(row["memory"] for row in services(scratch)))
    where = scratch.endpoints()
    page = "hub/health" if where["hub"] else "api"
    with urllib.request.urlopen(where["hub_url"] + page) as answer:
        assert answer.status == 200


def test_every_health_check_holds(platform: tuple[str, Scratch]) -> None:
    """A wrong check is seen by nobody here: `up` asks the services themselves."""
    mode, scratch = platform

    def states() -> set[str]:
        return {each.health for each in scratch.containers(mode) if each.service}

    polling.wait_until(lambda: "starting" not in states(), "health checks", seconds=60)
    assert states() <= {"", "healthy"}


def test_a_second_up_does_nothing_and_says_so(platform: tuple[str, Scratch]) -> None:
    mode, scratch = platform
    before = scratch.running(mode)
    done = json.loads(scratch.good("up", "--json"))
    assert not done["changed"]
    assert scratch.running(mode) == before


def test_up_from_any_shell_restarts_nothing(platform: tuple[str, Scratch]) -> None:
    """What a service gets is decided by the checkout and its settings, not by who calls."""
    mode, scratch = platform
    before = scratch.running(mode)
    called = list(shells(scratch).items())
    for name, shell in called[:3] if mode == "kind" else called:  # a cluster's takes seconds
        done = shell.run()
        assert done.returncode == 0, f"{name}: {done.stdout}"
        assert "nothing to do" in done.stdout, f"{name}: {done.stdout}"
        assert scratch.running(mode) == before, f"{name}: {done.stdout}"


def test_endpoints_serve_a_program(platform: tuple[str, Scratch]) -> None:
    mode, scratch = platform
    where = scratch.endpoints()
    assert where["mode"] == mode
    request = urllib.request.Request(
        where["hub_url"] + ("hub/api/users" if where["hub"] else "api/status"),
        headers={"Authorization": f"token {where['hub_api_token']}"},
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200


def test_a_place_in_the_buckets_that_is_not_there_is_told(platform: tuple[str, Scratch]) -> None:
    _, scratch = platform
    assert "lake/" in scratch.good("s3", "ls", "lake")
    wrong = scratch.call("s3", "ls", "lake/nowhere")
    assert wrong.returncode == 1
    assert "lake/nowhere: no such folder or object" in wrong.stderr


def test_every_service_has_a_log(platform: tuple[str, Scratch]) -> None:
    _, scratch = platform
    services = [row["name"] for row in json.loads(scratch.good("status", "--json"))["services"]]
    logs = {name: scratch.good("logs", name, "-n", "5") for name in services}
    assert any(logs.values())
    assert all(text.startswith(name) for name, text in logs.items() if text)
    wrong = scratch.call("logs", "nothing")
    assert wrong.returncode == 2
    assert "neither a service nor a user" in wrong.stderr


def test_the_hub_knows_every_option_that_it_is_given(platform: tuple[str, Scratch]) -> None:
    """An option that it does not know has no effect, and is warned of in its log alone."""
    mode, scratch = platform
    if mode == "nohub":
        return
    log = scratch.good("logs", "hub", "-n", "2000")
    assert "JupyterHub is now running" in log, "from its start on"
    assert "not recognized" not in log.lower()


def test_logs_are_narrowed_for_people_and_told_to_programs(platform: tuple[str, Scratch]) -> None:
    mode, scratch = platform
    name = "notebook" if mode == "nohub" else "hub"
    if mode == "nohub":  # a server that is well writes nothing; it warns of who it refuses
        page = f"{scratch.endpoints()['hub_url']}api/contents"
        assert requests.get(page, timeout=10).status_code == 403
    whole = scratch.good("logs", name, "--since", "1d").splitlines()
    assert whole
    assert "\x1b" not in "".join(whole)
    word = "jupyterhub" if name == "hub" else "403"
    matching = scratch.good("logs", name, "--grep", word, "-n", "3").splitlines()
    assert 1 <= len(matching) <= 3
    assert all(word in line.lower() for line in matching)
    told = [
        json.loads(line) for line in scratch.good("logs", name, "--json", "-n", "50").splitlines()
    ]
    assert {each["name"] for each in told} == {name}
    assert any(each["time"] for each in told)
    assert scratch.good("logs", name, "--since", "1s", "--grep", "no such word") == ""
    wrong = scratch.call("logs", "--since", "yesterday")
    assert wrong.returncode == 2
    assert "Try: habari-local logs --since 5m" in wrong.stderr


def test_one_service_is_restarted_and_nothing_else(platform: tuple[str, Scratch]) -> None:
    mode, scratch = platform
    name = "notebook" if mode == "nohub" else "proxy"
    before = {row["name"]: row["since"] for row in services(scratch)}
    assert scratch.good("restart", name) == f"Restarted: {name}.\n"
    after = {row["name"]: row["since"] for row in services(scratch)}
    assert {each for each in before if after[each] != before[each]} == {name}
    assert json.loads(scratch.good("status", "--json"))["good"]


def test_a_shell_is_where_the_service_runs(platform: tuple[str, Scratch]) -> None:
    mode, scratch = platform
    for name in ("notebook", "s3") if mode == "nohub" else ("hub", "s3"):
        done = scratch.call("shell", name, "--", "sh", "-c", "echo here: $PWD; exit 3")
        assert done.returncode == 3, done.stderr
        assert done.stdout.startswith("here: /")
    wrong = scratch.call("shell", "hubb" if mode != "nohub" else "notebok", "--", "true")
    assert wrong.returncode == 2
    assert "did you mean" in wrong.stderr


def test_only_loopback_is_listened_on(platform: tuple[str, Scratch]) -> None:
    import psutil

    _, scratch = platform
    ours = {found.process.pid for found in scratch.found()}
    services = scratch.endpoints()["services"].values()
    published = {urlsplit(service["from_host"]).port for service in services}
    listening = [
        connection.laddr.ip
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
        and connection.laddr
        and (connection.pid in ours or connection.laddr.port in published)
    ]
    assert len(listening) >= len(published)
    assert set(listening) <= {"127.0.0.1", "::1"}


def test_secrets_are_nowhere_but_in_private_files(platform: tuple[str, Scratch]) -> None:
    _, scratch = platform
    kept = json.loads((scratch.state / "secrets.json").read_text())
    secret = {value for name, value in kept.items() if not name.endswith("_id")}
    for found in scratch.found():
        assert not any(value in " ".join(found.process.cmdline()) for value in secret)
    for path in scratch.state.rglob("*"):
        if (
            path.is_symlink()
            or not path.is_file()
            or "envs" in path.relative_to(scratch.state).parts
        ):
            continue
        if path.stat().st_mode & 0o077 and path.stat().st_size < 10_000_000:
            content = path.read_bytes()
            assert not any(value.encode() in content for value in secret), path
    logs = scratch.good("logs", "-n", "1000")
    assert not any(value in logs for value in secret)


def test_kubectl_and_helm_work_at_the_platforms_own_cluster(platform: tuple[str, Scratch]) -> None:
    _, scratch = platform
    elsewhere = scratch.root / "elsewhere"  # a kubeconfig of the user's, which must not count
    pods = scratch.call("kubectl", "--", "get", "pods", "-o", "name", KUBECONFIG=str(elsewhere))
    if scratch.endpoints()["kubernetes"] is None:
        assert pods.returncode == 2
        assert "has no Kubernetes" in pods.stderr
        return
    assert "pod/hub-" in pods.stdout, pods.stderr
    assert scratch.good("helm", "--", "list", "--short").split() == ["habari"]
    assert scratch.call("kubectl", "--", "get", "pod", "none").returncode == 1
    assert not elsewhere.exists()


def test_down_leaves_nothing_and_says_what_it_kept(platform: tuple[str, Scratch]) -> None:
    mode, scratch = platform
    said = scratch.good("down")
    assert "Stopped" in said
    assert "Kept" in said
    if mode == "kind":  # the one that is kept as containers
        policies = [
            docker_client.api().inspect_container(each.id)["HostConfig"]["RestartPolicy"]["Name"]
            for each in kind.find_nodes(f"habari-{scratch.id}")
        ]
        assert policies == ["no"], "a restarted engine starts none of them"
    assert left_by(scratch) == {}
    status, endpoints = (scratch.call(e, "--mode", mode) for e in ("status", "endpoints"))
    assert (status.returncode, endpoints.returncode) == (4, 1)
    # Only this brings the mode up that was asked about.
    assert f"Try: habari-local up --mode {mode}\n" in status.stdout
    assert f"Try: habari-local up --mode {mode}\n" in endpoints.stderr
    assert "nothing to do" in scratch.good("down")


def test_up_in_a_checkout_that_was_cloned_anew_in_its_old_place_goes_on_with_what_ran(
    platform: tuple[str, Scratch],
) -> None:
    """Containers and volumes are of before; secrets, kubeconfig and project folder are not."""
    mode, scratch = platform
    scratch.good("up", "--mode", mode)
    mine = scratch.root / "mine.csv"
    mine.write_text("x\n1\n")
    scratch.good("s3", "cp", str(mine), "lake/mine.csv")
    before = (scratch.state / "secrets.json").read_text()
    project = Path(scratch.endpoints()["project_path"])
    shutil.rmtree(project)
    (scratch.state / "secrets.json").unlink()
    (scratch.state / "kind" / "kubeconfig").unlink(missing_ok=True)
    scratch.good("up", "--mode", mode)
    assert (scratch.state / "secrets.json").read_text() != before
    assert scratch.good("s3", "cat", "lake/mine.csv") == "x\n1\n"
    assert json.loads(scratch.good("status", "--json"))["good"]
    (project / "here.txt").write_text("here")
    if mode == "nohub":
        assert scratch.good("shell", "notebook", "--", "cat", "project/here.txt") == "here"
    if mode == "kind":
        (node,) = kind.find_nodes(f"habari-{scratch.id}")
        assert kind.execute(node, ["cat", f"{PROJECT}/here.txt"]) == "here"
