"""A backup as a folder: files, and a manifest that names each with its digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from habari_local.config.secrets import write_private
from habari_local.core.atomic_dir import atomic_dir
from habari_local.core.errors import HabariError

MANIFEST, SCHEMA = "backup.json", 1
DATABASE = "database"
PLACES = ("lake", "notebooks")
PARTS = (DATABASE, "homes", *PLACES)


@dataclass(frozen=True)
class BackupFile:
    """One file: what is in it, and of whom (a home) or of how many objects (a bucket)."""

    part: str
    file: str
    sha256: str
    size: int  # bytes
    owner: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)
    objects: int = 0


@dataclass(frozen=True)
class Backup:
    """A whole backup: the mode that it was made of, when, and its files."""

    folder: Path
    mode: str
    made: str
    pieces: Sequence[BackupFile]

    def of(self, part: str) -> list[BackupFile]:
        """Return the files of a part."""
        return [each for each in self.pieces if each.part == part]

    @property
    def parts(self) -> list[str]:
        """Return which parts it has."""
        return [part for part in PARTS if self.of(part)]

    @property
    def size(self) -> int:
        """All bytes."""
        return sum(each.size for each in self.pieces)

    def damaged(self) -> list[str]:
        """Return the files that are not there any more, or not as they were written."""
        return [p.file for p in self.pieces if _digest(self.folder / p.file) != p.sha256]


@dataclass
class BackupWriter:
    """A backup that is being made; `add` gives each of its files a place."""

    folder: Path
    pieces: list[BackupFile] = field(default_factory=list)

    @contextmanager
    def add(self, part: str, file: str, **more: Any) -> Iterator[IO[bytes]]:
        """Give the file to write; what it became is noted unless the block raises."""
        path = self.folder / file
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        with path.open("wb") as out:
            yield out
        self.pieces.append(BackupFile(part, file, _digest(path), path.stat().st_size, **more))

    def counted(self, objects: int) -> None:
        """Note how many objects are in the newest file."""
        self.pieces[-1] = replace(self.pieces[-1], objects=objects)

    def drop(self) -> None:
        """Take the newest file out again."""
        (self.folder / self.pieces.pop().file).unlink()


@contextmanager
def create_backup(target: Path, mode: str) -> Iterator[BackupWriter]:
    """Give a backup to fill; it appears at `target` when the block ends well, whole or not at all.

    Raises:
        HabariError: something is at `target`.
    """
    if target.exists():
        raise HabariError(
            f"{target}: already exists; a backup needs a new folder.",
            "habari-local backup create",
        )
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with atomic_dir(target.parent) as folder:
        part = folder / "backup"
        part.mkdir(mode=0o700)
        new = BackupWriter(part)
        yield new
        about = {
            "schema": SCHEMA,
            "mode": mode,
            "made": datetime.now(UTC).isoformat("T", "seconds"),
        }
        about["pieces"] = [asdict(each) for each in new.pieces]
        write_private(part / MANIFEST, json.dumps(about, indent=1) + "\n")
        part.rename(target)


def look(folder: Path) -> Backup:
    """Return a backup by its manifest alone; its files may be other than they were.

    Raises:
        HabariError: it is none, or of another schema.
    """
    hint = "habari-local backup list"
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        pieces = [BackupFile(**each) for each in found["pieces"]]
        backup = Backup(folder, found["mode"], found["made"], pieces)
        schema = found["schema"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        seen = f"no readable {MANIFEST} ({type(error).__name__})"
        raise HabariError(f"{folder}: not a backup, {seen}.", hint) from error
    if schema != SCHEMA:
        raise HabariError(f"{folder}: of schema {schema}; this version reads {SCHEMA}.", hint)
    return backup


def open_backup(folder: Path) -> Backup:
    """Return a backup, whose files are as they were written.

    Raises:
        HabariError: it is none, or not whole.
    """
    backup = look(folder)
    damaged = backup.damaged()
    if damaged:
        raise HabariError(
            f"{folder}: {', '.join(damaged[:5])} corrupted.",
            "habari-local backup list",
        )
    return backup


def _digest(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
