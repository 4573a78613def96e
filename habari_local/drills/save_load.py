"""The drill of saves: people save known documents until time is up, and every answer is kept."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from habari_local.core.errors import HabariError
from habari_local.drills.fault_injection import Clock
from habari_local.drills.hub_user import HubUser
from habari_local.drills.save_ledger import SaveAttempt, text_of
from habari_local.platform.mode import Endpoints

STARTS = 4  # servers started at once
SAVES = 2  # acknowledged saves of a document before the next one is begun


class Saver:
    """Where one person works: a document after the other, each saved until it is acknowledged."""

    def __init__(self, person: HubUser, folder: str, rate: float, clock: Clock) -> None:
        self.person = person
        self.folder = folder
        self.pause = 1 / rate
        self.clock = clock
        self.attempts: list[SaveAttempt] = []

    def work(self, over: threading.Event) -> None:
        """Save `rate` times a second, or as often as answers come, until `over`."""
        number = 0
        while not over.is_set():
            number += 1
            self._write(f"{self.folder}/{self.person.name}-{number:05}.ipynb", over)

    def _write(self, name: str, over: threading.Event) -> None:
        version = saved = 0
        while saved < SAVES and not over.is_set():
            version += 1
            text = text_of(name, version)
            at = self.clock.now()
            told = self.person.save(f"notebooks/{name}", text)
            seconds = self.clock.now() - at
            self.attempts.append(SaveAttempt(at, seconds, name, version, told.outcome, told.said))
            saved += told.outcome == "saved"
            if told.away:
                self.person.start_again(over)
            elif told.outcome != "saved":
                self.person.look(f"notebooks/{name}")
            over.wait(self.pause - (self.clock.now() - at))


class SaverPool:
    """All desks at work, each in a thread of its own, for the length of the block."""

    def __init__(self, desks: Sequence[Saver]) -> None:
        self.desks = desks
        self.over = threading.Event()
        self._pool = ThreadPoolExecutor(max(1, len(desks)))

    def __enter__(self) -> SaverPool:
        self._working = [self._pool.submit(desk.work, self.over) for desk in self.desks]
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._pool.shutdown()
        for each in self._working:
            each.result()  # raises what ended a desk's work before its time

    @property
    def attempts(self) -> list[SaveAttempt]:
        """All saves so far, in the order in which they were begun."""
        found = [attempt for desk in self.desks for attempt in desk.attempts]
        return sorted(found, key=lambda each: each.at)


@contextmanager
def start_servers(where: Endpoints, names: Sequence[str], run: str) -> Iterator[list[HubUser]]:
    """Give these people, their servers running; those that ran not before are stopped after.

    Raises:
        HabariError: the hub did not answer, or a server did not start.
    """
    import requests

    with ExitStack() as leaving:
        try:
            people = _start(where, names, run, leaving)
        except requests.RequestException as error:
            raise HabariError(
                f"{where.hub_url}: could not start users' servers ({type(error).__name__}).",
                "habari-local why",
            ) from error
        yield people


def _start(where: Endpoints, names: Sequence[str], run: str, leaving: ExitStack) -> list[HubUser]:
    people = []
    for name in names:
        person = HubUser(where, name, run)
        people.append(person)
        leaving.callback(person.leave)
        if where.hub and not person.hub.runs(person.name):
            leaving.callback(person.hub.stop, person.name)
    if where.hub:
        with ThreadPoolExecutor(STARTS) as pool:
            list(pool.map(lambda each: each.hub.start(each.name), people))
    people[0].make_folder(f"notebooks/{run}")
    return people
