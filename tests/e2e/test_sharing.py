"""Users share notebooks/ and don't overwrite each other."""

import pytest

from .s3_client import Bucket
from .server_client import Server, ServerError, bytes_of, notebook_of, sources_of


@pytest.fixture(scope="module")
def shared(servers: list[Server], run_id: str) -> str:
    """A folder of this run that both users see."""
    servers[0].make_folder(f"notebooks/{run_id}")
    servers[0].make_folder(f"notebooks/{run_id}/shared")
    return f"notebooks/{run_id}/shared"


def test_second_user_sees_the_notebook(server: Server, other_server: Server, shared: str) -> None:
    """What one user saves into notebooks/, another one lists and opens, cell by cell the same."""
    saved = notebook_of("print('for you')")
    server.save_notebook(f"{shared}/seen.ipynb", saved)
    assert "seen.ipynb" in other_server.names(shared)
    assert sources_of(other_server.read(f"{shared}/seen.ipynb")) == ["print('for you')"]


def test_stale_save_is_told(
    server: Server, other_server: Server, shared: str, notebooks: Bucket
) -> None:
    """Who saves over a notebook that somebody changed meanwhile is told, and nothing is lost."""
    path = f"{shared}/contested.ipynb"
    server.save_notebook(path, notebook_of("'first'"))
    server.read(path)
    other_server.read(path)
    changed = notebook_of("'changed meanwhile'")
    server.save_notebook(path, changed)

    with pytest.raises(ServerError) as told:
        other_server.save_notebook(path, notebook_of("'stale'"))

    assert told.value.status == 409
    assert notebooks.get(path.removeprefix("notebooks/")) == bytes_of(changed)


def test_save_works_after_looking_again(server: Server, other_server: Server, shared: str) -> None:
    """After opening it again, the second user's save goes through, and the first one sees it."""
    path = f"{shared}/agreed.ipynb"
    server.save_notebook(path, notebook_of("'one'"))
    other_server.read(path)
    other_server.save_notebook(path, notebook_of("'two'"))
    assert sources_of(server.read(path)) == ["'two'"]


def test_new_notebooks_of_the_same_name(server: Server, other_server: Server, shared: str) -> None:
    """Two users who make a notebook in the same folder get two notebooks."""
    made = [
        each.ask("POST", f"api/contents/{shared}", json={"type": "notebook"}).json()["path"]
        for each in (server, other_server)
    ]
    assert len(set(made)) == 2


def test_homes_are_not_shared(server: Server, other_server: Server, run_id: str) -> None:
    """What a user keeps in the home, nobody else sees."""
    server.make_folder(f"{run_id}-private")
    try:
        assert not other_server.exists(f"{run_id}-private")
    finally:
        server.delete_all(f"{run_id}-private")
