"""A user's notebook server: its files, by the contents API that JupyterLab uses, and downloads.

Protocol: Jupyter Server's REST API, contents model
(https://jupyter-server.readthedocs.io, "Contents API").
"""

import contextlib
import io
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import nbformat
import requests

from .hub_client import Person
from .web import Web, quoted

Model = dict[str, Any]


class ServerError(Exception):
    """A user's server refused what it should do."""

    def __init__(self, said: str, status: int) -> None:
        super().__init__(said)
        self.status = status


class Server:
    """One running server, seen through one person's session."""

    def __init__(self, person: Person, url: str) -> None:
        self.person = person
        self.url = url.rstrip("/") + "/"
        self.web: Web = person.web

    def enter(self) -> requests.Response:
        """Open the server's page as a browser does, which signs the session in there too."""
        page: requests.Response = self.web.get(self.url)
        return page

    def ask(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """Send a request as a page of this server would; returns the answer, good or bad."""
        header = self.web.xsrf(urlsplit(self.url).path)
        answer: requests.Response = self.web.request(
            method, self.url + path, headers=header, **kwargs
        )
        return answer

    def _contents(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        answer = self.ask(method, f"api/contents/{quoted(path)}", **kwargs)
        if not answer.ok:
            said = f"{method} of {path!r} answered {answer.status_code}, expected success"
            raise ServerError(f"Server of {self.person.name}: {said}.", answer.status_code)
        return answer

    def read(self, path: str, content: bool = True, **query: str) -> Model:
        """The contents model of a file or folder."""
        query["content"] = "1" if content else "0"
        found: Model = self._contents("GET", path, params=query).json()
        return found

    def names(self, folder: str) -> list[str]:
        """The names in a folder, sorted."""
        return sorted(entry["name"] for entry in self.read(folder)["content"])

    def exists(self, path: str) -> bool:
        """Whether there is such a file or folder."""
        try:
            self.read(path, content=False)
        except ServerError as error:
            if error.status != 404:
                raise
            return False
        return True

    def save(self, path: str, **model: Any) -> Model:
        """Save a contents model; returns the model of what was saved, without content."""
        saved: Model = self._contents("PUT", path, json=model).json()
        return saved

    def save_text(self, path: str, text: str) -> Model:
        """Save a text file."""
        return self.save(path, type="file", format="text", content=text)

    def save_notebook(self, path: str, notebook: Model) -> Model:
        """Save a notebook."""
        return self.save(path, type="notebook", format="json", content=notebook)

    def make_folder(self, path: str) -> Model:
        """Make a folder."""
        return self.save(path, type="directory")

    def delete(self, path: str) -> None:
        """Delete a file or an empty folder; not being there is fine."""
        with contextlib.suppress(ServerError):
            self._contents("DELETE", path)

    def delete_all(self, folder: str) -> None:
        """Delete a folder and what is in it, the innermost first; not being there is fine."""
        if self.exists(folder):
            for path in list(self._below(folder)):
                self.delete(path)

    def _below(self, folder: str) -> Iterator[str]:
        try:
            entries = self.read(folder)["content"]
        except ServerError as error:
            if error.status == 404:  # another server deletes the same shared folder
                return
            raise
        for entry in entries:
            inside = f"{folder}/{entry['name']}"
            if entry["type"] == "directory":
                yield from self._below(inside)
            else:
                yield inside
        yield folder

    def download(self, path: str) -> bytes:
        """The bytes that the browser's "Download" gives."""
        answer = self.ask("GET", f"files/{quoted(path)}")
        if not answer.ok:
            raise ServerError(f"Download of {path!r} answered {answer.status_code}.", 0)
        return answer.content

    def status(self) -> requests.Response:
        """The server's own status, whose headers tell the versions."""
        return self.ask("GET", "api/status")


def notebook_of(*sources: str) -> Model:
    """A notebook with these code cells, as JupyterLab makes them."""
    cells: list[Model] = [
        {
            "cell_type": "code",
            "execution_count": None,
            "id": f"cell-{number}",
            "metadata": {},
            "outputs": [],
            "source": source,
        }
        for number, source in enumerate(sources)
    ]
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def sources_of(model: Model) -> list[str]:
    """The sources of a notebook's cells, from its contents model."""
    return [cell["source"] for cell in model["content"]["cells"]]


def bytes_of(notebook: Model) -> bytes:
    """A notebook's bytes as nbformat writes a file: indented by one, UTF-8, a newline last."""
    file = io.StringIO()
    nbformat.write(nbformat.from_dict(notebook), file)  # type: ignore[no-untyped-call]
    return file.getvalue().encode()
