"""What other libraries lose, as data: each loss has a test here that holds that we don't."""

from __future__ import annotations

import ast
import threading
import tomllib
from pathlib import Path

import pytest
import requests

from .faults import FaultProxy
from .servers import KEYS, Jupyter

HERE = Path(__file__).parent
LOSSES = tomllib.loads((HERE / "losses.toml").read_text(encoding="utf-8"))["loss"]
LIBRARIES = {"s3contents", "jupyter-fs"}


def test_losses_are_told_whole():
    assert [loss["number"] for loss in LOSSES] == list(range(1, 25))
    for loss in LOSSES:
        assert set(loss) == {"number", "lost", "library", "tests"}
        assert loss["library"]
        assert set(loss["library"]) <= LIBRARIES
        assert loss["lost"].endswith(".")


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss["number"])
def test_each_loss_has_a_test(loss):
    assert loss["tests"]
    for test in loss["tests"]:
        file, _, name = test.partition("::")
        tree = ast.parse((HERE / file).read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, test


def test_the_server_answers_while_a_folder_moves(jupyter, proxy, s3, name):
    for number in range(24):
        s3.put_object(Bucket="habari-lake", Key=f"{name}/f{number}.txt", Body=b"x")
    proxy.fail("late", only="PUT", times=1)
    answers: list[requests.Response] = []
    mover = threading.Thread(
        target=lambda: answers.append(jupyter.move(f"lake/{name}", f"notebooks/{name}"))
    )
    with requests.Session() as session:
        session.trust_env = False
        session.headers.update(jupyter.http.headers)
        mover.start()
        assert proxy.hit.wait(10)
        # One copy is held at S3: the move can't end before it is let go.
        assert session.get(f"{jupyter.url}/api/status", timeout=5).ok
        assert session.get(f"{jupyter.url}/api/contents", timeout=5).ok
        assert not answers
        proxy.release()
        mover.join(20)
    assert answers[0].ok, answers[0].text


def test_a_path_that_begins_with_another_buckets_name_stays_in_its_own(jupyter, name, keys):
    path = f"lake/habari-notebooks/{name}.txt"
    assert jupyter.text(path, "x").ok
    assert keys("habari-lake", f"habari-notebooks/{name}") == [f"habari-notebooks/{name}.txt"]
    assert not keys("habari-notebooks", name)
    assert jupyter.get(path).json()["content"] == "x"
    assert jupyter.call("DELETE", path).status_code == 204


def test_no_route_tells_the_key(jupyter, name):
    jupyter.text(f"lake/{name}.txt", "x")
    paths = ("lake", f"lake/{name}.txt", "gone", "lake/nothing", "")
    routes = [f"api/contents/{path}" for path in paths] + [f"files/lake/{name}.txt"]
    routes += ["api", "api/status", "api/me", "api/config/HabariContentsManager", "api/spec.yaml"]
    for route in routes:
        answer = jupyter.http.get(f"{jupyter.url}/{route}", timeout=10)
        told = answer.text + str(answer.headers)
        assert not [key for key in KEYS.values() if key in told], route


@pytest.mark.parametrize("fault", ["forbid", "expire"])
def test_what_s3_does_not_allow_is_told_as_that(jupyter, proxy, name, fault):
    jupyter.text(f"lake/{name}.txt", "x")
    jupyter.get(f"lake/{name}.txt", content=0)  # the look right after a save is answered without S3
    proxy.fail(fault)
    for options in ({"type": "file"}, {"content": 0}, {}):
        refused = jupyter.get(f"lake/{name}.txt", **options)
        assert refused.status_code == 403, (options, refused.text)
        assert "S3 does not" in refused.json()["message"]


@pytest.fixture
def own_proxy(s3_port):
    proxy = FaultProxy(s3_port)
    yield proxy
    proxy.close()


@pytest.mark.parametrize("fault", ["refuse", "hang", "forbid"])
def test_a_server_starts_without_s3(own_proxy, s3, tmp_path, name, fault):
    own_proxy.fail(fault)
    server = Jupyter(tmp_path, own_proxy.port).ready()
    try:
        assert server.text(f"{name}.txt", "at home").ok
        assert {"lake", "notebooks"} <= set(server.names(""))
        refused = server.get("lake", type="directory")
        assert refused.status_code in {403, 503, 504}
        assert refused.json()["message"].startswith("lake: S3 ")
    finally:
        server.stop()


def test_a_start_asks_s3_nothing(own_proxy, s3, tmp_path, keys):
    before = keys("habari-lake")
    server = Jupyter(tmp_path, own_proxy.port).ready()
    try:
        assert "lake" in server.names("")
    finally:
        server.stop()
    assert not own_proxy.requests
    assert keys("habari-lake") == before
