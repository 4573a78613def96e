"""The package as others get it: its wheel, and JupyterLab by its README in a bare environment."""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from .servers import Jupyter, until

PACKAGE = Path(__file__).parents[1]
README = (PACKAGE / "README.md").read_text(encoding="utf-8")
# The lock's versions, which are in uv's cache; TESTS_NEWEST takes what there is now.
LOCKED = () if os.environ.get("TESTS_NEWEST") else ("-c", str(PACKAGE.parent / "requirements.txt"))
UV = os.environ.get("TESTS_UV") or shutil.which("uv")


def block(language: str, number: int = 0) -> str:
    """One of the README's examples in a language, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)[number]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    made = tmp_path_factory.mktemp("wheel")
    build = ("-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(made))
    subprocess.run([sys.executable, *build, str(PACKAGE)], check=True)
    [file] = made.glob("*.whl")
    return file


def test_the_wheel_has_code_types_licence_and_changelog(wheel):
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
        [metadata] = [file.read(n).decode() for n in names if n.endswith("METADATA")]
    for name in ("manager.py", "py.typed", "CHANGELOG.md"):
        assert f"habari_contents/{name}" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if "tests" in name or "compare" in name]
    for line in ("License-Expression: AGPL-3.0-or-later", "Author: ", "Requires-Python: >=3.11"):
        assert line in metadata


def test_what_it_imports_it_requires():
    found = set()
    for file in (PACKAGE / "habari_contents").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and not node.level:
                found.add(str(node.module).partition(".")[0])
            elif isinstance(node, ast.Import):
                found |= {each.name.partition(".")[0] for each in node.names}
    others = found - sys.stdlib_module_names - {"habari_contents", "botocore", "aiohttp"}
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    required = {re.split("[>=<]", each)[0] for each in project["dependencies"]}
    assert {name.replace("_", "-") for name in others} == required


class Stranger(Jupyter):
    """JupyterLab as the README starts it; what is added is where it listens, and no browser."""

    program = Path()

    def command(self) -> list[str]:
        [line] = block("sh", 1).splitlines()
        program, *arguments = shlex.split(line)
        where = (f"--port={self.port}", "--ServerApp.port_retries=0", "--no-browser")
        return [str(self.program / program), *arguments, *where]


@pytest.mark.skipif(UV is None, reason="there is no uv: TESTS_UV names it")
@pytest.mark.timeout(300)
def test_jupyterlab_by_the_readme_alone(wheel, tmp_path, monkeypatch, s3, s3_port):
    bare = tmp_path / "bare"
    subprocess.run([UV, "venv", "--quiet", "-p", sys.executable, str(bare)], check=True)
    [line] = block("sh").splitlines()
    pip, install, *packages = shlex.split(line)
    assert (pip, install) == ("pip", "install")
    wanted = [str(wheel) if name == "habari-contents" else name for name in packages]
    inside = ("--python", str(bare / "bin" / "python"), *LOCKED)
    subprocess.run([UV, "pip", "install", "--quiet", *inside, *wanted], check=True)
    for bucket in ("my-lake", "my-notebooks"):
        s3.create_bucket(Bucket=bucket)
    config = tmp_path / "server" / "jupyter_config_dir"
    config.mkdir(parents=True)
    (config / "jupyter_server_config.py").write_text(block("python"), encoding="utf-8")
    monkeypatch.setattr(Stranger, "program", bare / "bin")
    only = {"PYTHONPATH": "", "HABARI_CONTENTS_FOLDERS": ""}
    server = Stranger(tmp_path / "server", s3_port, **only)
    try:
        # Its modules are compiled at this first start.
        until(lambda: server.http.get(f"{server.url}/api/status").ok, server.process, 150)
        assert "JupyterLab" in server.http.get(f"{server.url}/lab", timeout=30).text
        assert {"lake", "team"} <= set(server.names(""))
        assert server.notebook("lake/n.ipynb", "1 + 1").status_code == 201
        assert server.call("POST", "lake/n.ipynb/checkpoints").status_code == 201
        assert server.move("lake/n.ipynb", "team/m.ipynb").ok
        kept = s3.get_object(Bucket="my-notebooks", Key="team/one/m.ipynb")["Body"].read()
        assert b"1 + 1" in kept
    finally:
        server.stop()
