"""Who is known to a hub, out of the database in a backup, and into the hub of another mode.

A database belongs to its mode: it says where users' servers run, and one of SQLite's is nothing to
PostgreSQL. So another mode takes the names of it; who is an admin is the settings' to say, in every
mode and at each start of a hub.
"""

from __future__ import annotations

import sqlite3
import tarfile
import tempfile
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path

from habari_local.backup.manifest import DATABASE, Backup, BackupFile
from habari_local.core.errors import HabariError
from habari_local.drivers.jupyterhub import HubClient
from habari_local.drivers.tar_stream import unpack_database

TABLE = "COPY public.users ("  # how pg_dump begins the rows of JupyterHub's table


def read(backup: Backup) -> list[str]:
    """Return who is known; nobody where it has no database.

    Raises:
        HabariError: it can't be read as JupyterHub's.
    """
    found: list[str] = []
    for piece in backup.of(DATABASE):
        path = backup.folder / piece.file
        try:
            found += _of_sqlite(path) if path.suffix == ".tar" else _of_dump(path)
        except (OSError, ValueError, sqlite3.Error, tarfile.TarError) as error:
            raise _unreadable(backup, piece, error) from error
    return found


def _unreadable(backup: Backup, piece: BackupFile, error: Exception) -> HabariError:
    return HabariError(
        f"{backup.folder / piece.file}: its users can't be read ({error}).",
        f"habari-local up --mode {backup.mode}",
    )


def _of_sqlite(path: Path) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "hub.sqlite")
        with path.open("rb") as source:
            unpack_database(str(file), source)
        with closing(sqlite3.connect(file)) as database:
            yield from (name for (name,) in database.execute("SELECT name FROM users"))


def _of_dump(path: Path) -> Iterator[str]:
    """Yield the rows of pg_dump's text format: a line each, its values between tabs.

    Raises:
        ValueError: it has no such table.
    """
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.startswith(TABLE):
                columns = line.removeprefix(TABLE).partition(")")[0].split(", ")
                break
        else:
            raise ValueError("no table of users")
        name = columns.index("name")
        for line in lines:
            if line.startswith("\\."):
                return
            yield line.rstrip("\n").split("\t")[name]
    raise ValueError("the table of users has no end")


def write(hub: HubClient, wanted: Collection[str], *, exact: bool) -> int:
    """Have a hub know these users, and with `exact` no others; return how many there are."""
    there = hub.users()
    for name in wanted:
        if name not in there:
            hub.ensure(name)
    for name in there if exact else ():
        if name not in wanted:
            hub.delete(name)
    return len(wanted)
