"""Docker Compose by its command line: one project from native files and a rendered env file."""

from __future__ import annotations

import re
import shlex
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from habari_local.config.load import environment
from habari_local.core.errors import Cancelled, CommandFailed
from habari_local.core.subprocesses import run
from habari_local.drivers import processes

NOT_YAML = re.compile(r"^yaml: .+$", re.MULTILINE)  # Compose names the file of any other error


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
            CommandFailed: Compose could not; the file is named where it is no YAML.
            Cancelled: `cancel` was set; what Compose had made by then is there.
        """
        argv = ["docker", "compose", "--project-name", self.name, "--env-file", str(self.env_file)]
        argv += [word for each in self.files for word in ("--file", str(each))]
        argv += ["up", "--pull", "never", "--remove-orphans"]
        argv += ["--detach" if start else "--no-start", *services]
        try:
            with self._ended_on(cancel):
                # The label is how a later call finds a Compose that was left at work.
                environ = {**environment(), processes.LABEL: self.label}
                run(argv, env=environ, hint="habari-local logs")
        except CommandFailed as error:
            if cancel.is_set():
                raise Cancelled from None
            raise self._with_file(error) from None

    def _with_file(self, error: CommandFailed) -> CommandFailed:
        """Return the error with the file that can't be read, which Compose leaves out."""
        said = NOT_YAML.search(error.output)
        for each in self.files if said else ():
            look = ["docker", "compose", "--file", str(each), "config", "--quiet"]
            try:
                run([*look, "--no-interpolate"], env=environment())
            except CommandFailed as alone:
                if said and said[0] in alone.output:
                    cause = f"{each}: {said[0]}"
                    hint = shlex.join(look)
                    return CommandFailed(error.argv, error.returncode, error.output, hint, cause)
        return error

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


def files(folder: Path, names: Sequence[str]) -> tuple[Path, ...]:
    """Return the Compose files of a mode, the first of which says where paths begin."""
    return tuple(folder / f"{name}.yml" for name in names)
