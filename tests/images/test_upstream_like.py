"""The notebook image on a base like Jupyter's docker-stacks, and what the contract sees of one."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from habari_local.drivers.docker import client as docker_client
from habari_local.images import image_check
from habari_local.images.build import Images
from tests.images.conftest import Run
from tests.images.upstream_like import LIMIT_MB, UpstreamLike, built

# What a user's server points at, as Jupyter itself reads its configuration.
POINTED_AT = """
import json
from traitlets.config.loader import PyFileConfigLoader as Loader
lab = Loader("/opt/habari/etc/jupyter/jupyter_server_config.py").load_config().LabApp
print(json.dumps([lab.app_settings_dir + "/overrides.json", *lab.labextensions_path]))
"""
# The image as it was: the base's kernels and extensions first, its check, no overrides; and two
# faults more, a kernel without a program and a server that looks up a name as it starts.
AS_IT_WAS = """
FROM {image}
USER root
ENV JUPYTER_PATH=/opt/conda/share/jupyter
HEALTHCHECK CMD /etc/jupyter/docker_healthcheck.py
RUN rm -r /opt/habari/etc/jupyter/lab /opt/conda/share/jupyter/kernels/bash; \\
    cd /opt/habari/share/jupyter/kernels; \\
    sed -i 's#"/opt/conda/bin/python"#"/nowhere/python"#' bash/kernel.json
COPY more.py /tmp/
RUN cat /tmp/more.py >>/opt/habari/etc/jupyter/jupyter_server_config.py
USER 1000
"""
MORE = """
c.LabApp.labextensions_path = ["/opt/conda/share/jupyter/labextensions"]
import socket
try:
    socket.getaddrinfo("news.example.org", 443)
except OSError:
    pass
"""


@pytest.fixture(scope="session")
def upstream_like() -> UpstreamLike:
    if not docker_client.reachable():
        pytest.skip("no Docker engine answers here")
    return built()


@pytest.fixture(params=["packages", "upstream-like"])
def notebook(request: pytest.FixtureRequest) -> str:
    """Each notebook image that is made here, by its name."""
    fixture = {"packages": "images", "upstream-like": "upstream_like"}[request.param]
    images: Images = request.getfixturevalue(fixture)
    return images.reference("notebook")


@pytest.mark.timeout(300)  # the base is built, where it is not there yet
def test_the_contract_holds_on_it(upstream_like: UpstreamLike) -> None:
    rows = {row.name: row for row in image_check.check(upstream_like, max_size=LIMIT_MB)}
    assert [row for row in rows.values() if not row.good] == []
    assert rows["kernels"].found == "base-python3, bash, python3"


@pytest.fixture
def as_it_was(upstream_like: UpstreamLike, run: Run, tmp_path: Path) -> Iterator[str]:
    name = f"habari-test:{uuid.uuid4().hex}"
    image = upstream_like.reference("notebook")
    (tmp_path / "Dockerfile").write_text(AS_IT_WAS.format(image=image), encoding="utf-8")
    (tmp_path / "more.py").write_text(MORE, encoding="utf-8")
    run("buildx", "build", "--load", "--tag", name, str(tmp_path))
    yield name
    run("image", "rm", "--force", name)


@pytest.mark.timeout(110)
def test_the_contract_sees_each_fault_that_such_a_base_brings(
    upstream_like: UpstreamLike, as_it_was: str
) -> None:
    rows = {row.name: row for row in image_check.check(upstream_like, as_it_was, LIMIT_MB)}
    bad = {name: row.found for name, row in rows.items() if not row.good}
    assert bad.keys() == {
        *("kernel python3", "kernels", "JupyterLab extensions"),
        *("Jupyter news", "names looked up", "health check"),
    }
    assert "No module named 'boto3'" in bad["kernel python3"]
    assert "@jupyterlab/git" in bad["JupyterLab extensions"]
    assert bad["names looked up"] == "news.example.org"
    assert bad["kernels"].startswith("bash: ")


def test_what_the_servers_configuration_points_at_is_there(notebook: str, run: Run) -> None:
    python = ("--entrypoint", "/opt/habari/bin/python", notebook)
    for path in json.loads(run("run", "--rm", *python, "-c", POINTED_AT).stdout):
        run("run", "--rm", "--entrypoint", "test", notebook, "-e", path)


def test_nothing_in_the_home_is_of_another_owner(notebook: str, run: Run) -> None:
    """What a build makes as root, a server can't write: it ended at `.local/share/jupyter`."""
    find = ("--entrypoint", "find", notebook, "/home/jovyan", "!", "-user", "jovyan")
    assert run("run", "--rm", "--user", "0", *find).stdout == ""


def test_the_engine_runs_no_check_of_its_own_in_a_server(notebook: str, run: Run) -> None:
    made = run("create", notebook).stdout.strip()
    shown = run("inspect", "--format", "{{json .Config.Healthcheck}}", made).stdout
    assert (json.loads(shown) or {"Test": ["NONE"]})["Test"] == ["NONE"]
