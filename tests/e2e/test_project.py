"""The folder of PROJECT_PATH is seen as project/ in every home."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .endpoints import Endpoints
from .kernels import Kernel
from .not_applicable import not_applicable
from .server_client import Server


@pytest.fixture
def folder(endpoints: Endpoints, run_id: str) -> Iterator[Path]:
    """A folder of this run in the project, on this machine."""
    if endpoints.project_path is None or not endpoints.project_path.is_dir():
        not_applicable("no-project")
    made = endpoints.project_path / run_id
    made.mkdir()
    made.chmod(0o777)  # a server may run as another account than this suite
    yield made
    for file in made.iterdir():
        file.unlink()
    made.rmdir()


def test_files_of_the_project_are_seen(servers: list[Server], folder: Path) -> None:
    """A file put into the project on this machine is in every user's project/."""
    (folder / "shared.py").write_text("ANSWER = 42\n")
    for server in servers:
        assert server.read(f"project/{folder.name}/shared.py")["content"] == "ANSWER = 42\n"


def test_kernel_imports_from_the_project(server: Server, folder: Path, run_id: str) -> None:
    """A kernel imports the project's code."""
    (folder / "tools_of_e2e.py").write_text("ANSWER = 42\n")
    with Kernel(server, f"{run_id}-project.ipynb") as kernel:
        printed = kernel.text_of(
            "import os, sys\n"
            f"sys.path.insert(0, os.path.expanduser('~/project/{folder.name}'))\n"
            "sys.dont_write_bytecode = True\n"
            "import tools_of_e2e; print(tools_of_e2e.ANSWER)"
        )
    assert printed == "42\n"


def test_work_in_the_project_is_on_this_machine(server: Server, folder: Path) -> None:
    """What a user saves into project/ is a file on this machine."""
    server.save_text(f"project/{folder.name}/saved.txt", "kept here\n")
    assert (folder / "saved.txt").read_text() == "kept here\n"
