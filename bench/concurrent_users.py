"""A crowd at work: people who come at once, sign in, start a server and save, each step timed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench.client import NOTEBOOK
from tests.e2e.endpoints import Endpoints
from tests.e2e.hub_client import Person, sign_in
from tests.e2e.server_client import Server

STEPS = ("sign in", "start the server", "open it", "first save", "save again", "all of it")
SAVES = 4  # after the first one
PATIENCE = 300.0  # seconds for a server to start, the wait for a turn included


@dataclass
class Told:
    """What one person saw: seconds by step, how often the hub said *come back later*, an error."""

    name: str
    seconds: dict[str, list[float]] = field(default_factory=dict)
    later: int = 0
    error: str = ""
    person: Person | None = None

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Keep how long a step took."""
        began = time.perf_counter()
        yield
        self.seconds.setdefault(step, []).append(time.perf_counter() - began)


def come(where: Endpoints, names: Sequence[str]) -> list[Told]:
    """Have all of these people come at the same moment; return what each of them saw."""
    door = threading.Barrier(len(names))

    def one(name: str) -> Told:
        told = Told(name)
        door.wait()
        try:
            with told.timed("all of it"):
                _work(where, told)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is what this person saw)
            told.error = f"{type(error).__name__}: {error}"
        return told

    with ThreadPoolExecutor(len(names)) as pool:
        return list(pool.map(one, names))


def leave(people: Sequence[Told]) -> None:
    """Stop the servers, sign everybody out."""

    def one(told: Told) -> None:
        if told.person:
            told.person.stop_server()
            told.person.web.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, people))


def _work(where: Endpoints, told: Told) -> None:
    with told.timed("sign in"):
        person = told.person = sign_in(where, told.name)
    with told.timed("start the server"):
        url = _started(person, told)
    server = Server(person, url)
    with told.timed("open it"):
        server.enter().raise_for_status()
    for number in range(SAVES + 1):
        with told.timed("save again" if number else "first save"):
            server.save_notebook(f"notebooks/load-{told.name}-{number}.ipynb", NOTEBOOK)


def _started(person: Person, told: Told) -> str:
    """Start the server; who is told to come back later does, after as long as was said."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        answer = person.api("POST", f"users/{person.name}/server")
        if answer.status_code != 429:
            answer.raise_for_status()
            return person.start_server(PATIENCE)
        told.later += 1
        time.sleep(float(answer.headers["Retry-After"]))
    raise TimeoutError(f"no turn in {PATIENCE:g} s")
