"""Docker Compose by python-on-whales: one project from native files and a rendered env file."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from habari_local.core.errors import Cancelled, CommandFailed
from habari_local.drivers import processes


@dataclass(frozen=True)
class Project:
    """A Compose project; `label` marks the processes that work on it (drivers/processes.py)."""

    name: str
    files: tuple[Path, ...]
    env_file: Path
    label: str

    def up(self, services: Sequence[str], *, cancel: threading.Event, start: bool = True) -> None:
        """Make and start the services (none: all) as the files say, changing only what differs.

        Without `start` those that differ are made and nothing is started.

        Raises:
            CommandFailed: Compose could not.
            Cancelled: `cancel` was set; what Compose had made by then is there.
        """
        from python_on_whales import DockerClient
        from python_on_whales.exceptions import DockerException

        # `env` is how the label gets into the environment of the program that the library starts.
        client = DockerClient(
            client_call=["env", f"{processes.LABEL}={self.label}", "docker"],
            compose_project_name=self.name,
            compose_files=list(self.files),
            compose_env_files=[self.env_file],
        )
        try:
            with self._ended_on(cancel):
                client.compose.up(
                    list(services) or None,
                    detach=start,
                    start=start,
                    pull="never",
                    remove_orphans=True,
                    quiet=True,
                )
        except DockerException as error:
            if cancel.is_set():
                raise Cancelled from error
            raise CommandFailed(
                [str(part) for part in error.docker_command[2:]],
                error.return_code,
                "\n".join(text for text in (error.stdout, error.stderr) if text),
                "habari-local logs",
            ) from error

    def end_leftovers(self) -> bool:
        """End Compose processes that a killed habari-local left at work; whether there were any."""
        checkout, _, mode = self.label.partition("/")
        found = [each.process for each in processes.find(checkout, mode)]
        processes.stop(found)
        return bool(found)

    @contextmanager
    def _ended_on(self, cancel: threading.Event) -> Iterator[None]:
        over = threading.Event()

        def watch() -> None:
            while not over.wait(0.1):
                if cancel.is_set():  # Compose may be about to start yet
                    self.end_leftovers()

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()


def begin_loading() -> None:
    """Have the library loaded beside what else is done: its import takes a quarter of a second."""
    name = "python_on_whales"
    threading.Thread(target=importlib.import_module, args=(name,), daemon=True).start()


def files(folder: Path, names: Sequence[str]) -> tuple[Path, ...]:
    """Return the Compose files of a mode, the first of which says where paths begin."""
    return tuple(folder / f"{name}.yml" for name in names)
