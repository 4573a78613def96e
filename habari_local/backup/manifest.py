"""A backup as a folder: files that other programs read, and a manifest that says what is in each.

=================  =================================================================================
`backup.json`      the manifest: of which mode, when, and a `BackupFile` for each file
`SHA256SUMS`       digests of all files, the manifest's too, as `sha256sum --check` reads them
`database.tar`     the hub's SQLite database; `database.sql`: PostgreSQL's dump
`homes/NNNN.tar`   a home
`lake.tar` …       a bucket: its objects by their keys (s3/bucket_tar.py)
=================  =================================================================================

Each file is read back, from what was written, before the backup appears.
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from habari_local.config.secrets import write_private
from habari_local.core.atomic_dir import atomic_dir
from habari_local.core.errors import HabariError
from habari_local.drivers.tar_stream import Report
from habari_local.s3.bucket_tar import forget_members

MANIFEST, SUMS, SCHEMA = "backup.json", "SHA256SUMS", 2
DATABASE = "database"
PLACES = ("lake", "notebooks")
PARTS = (DATABASE, "homes", *PLACES)
CHUNK = 1 << 20  # bytes


@dataclass(frozen=True)
class BackupFile:
    """One file: of what part and whom, how large, how many entries, and what is not in it.

    `missing` and `left_out` are names with the reason. What is missing was to be there, and makes
    the backup incomplete; what is left out (sockets, devices) no archive keeps.
    """

    part: str
    file: str
    sha256: str
    size: int  # bytes
    entries: int = 0  # members of a tar
    owner: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    changed: Sequence[str] = ()  # written to while it was read: maybe half old, half new
    unnamed: int = 0  # how many more there are, where these are too many to be named
    older: int | None = 0  # versions of objects that are not in it; None: S3 does not tell

    @property
    def title(self) -> str:
        """What a person calls it."""
        return f"home of {self.owner}" if self.owner else self.part


@dataclass(frozen=True)
class Backup:
    """A whole backup: the mode that it was made of, when, and its files.

    `failed` has the homes of which nothing could be read, by owner, with the reason.
    """

    folder: Path
    mode: str
    made: str
    pieces: Sequence[BackupFile]
    failed: Mapping[str, str] = field(default_factory=dict)

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

    @property
    def missing(self) -> list[str]:
        """What was to be backed up and is not in it, a line for each that is named."""
        lines = [f"home of {owner}: {why}" for owner, why in self.failed.items()]
        for piece in self.pieces:
            lines += [f"{piece.title}: {name}: {why}" for name, why in piece.missing.items()]
        return lines

    @property
    def identity(self) -> str:
        """What tells it from any other backup."""
        return hashlib.sha256((self.folder / MANIFEST).read_bytes()).hexdigest()

    def damaged(self) -> list[str]:
        """Return which files are not as they were written, and how: all are read."""
        found = (self._manifest_damage(), *(damage(self.folder, each) for each in self.pieces))
        return [each for each in found if each]

    def _manifest_damage(self) -> str:
        try:
            lines = (self.folder / SUMS).read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):
            return f"{SUMS}: not readable"
        known = {line[66:]: line[:64] for line in lines}
        if known.get(MANIFEST) != self.identity:
            return f"{MANIFEST}: other bytes than {SUMS} says"
        others = {each.file: each.sha256 for each in self.pieces} | {MANIFEST: self.identity}
        return "" if known == others else f"{SUMS}: not of these files"


def damage(folder: Path, piece: BackupFile) -> str:
    """Return how a file differs from what was written, in words; empty if it does not."""
    path = folder / piece.file
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size != piece.size:
                return f"{piece.file}: {size} bytes, {piece.size} were written"
            if hashlib.file_digest(file, "sha256").hexdigest() != piece.sha256:
                return f"{piece.file}: other bytes than were written"
        found = _members(path) if path.suffix == ".tar" else piece.entries
    except FileNotFoundError:
        return f"{piece.file}: not there"
    except (OSError, tarfile.TarError) as error:
        return f"{piece.file}: {error}"
    return "" if found == piece.entries else f"{piece.file}: {found} entries, not {piece.entries}"


def _members(path: Path) -> int:
    with tarfile.open(path, "r:", errors="surrogateescape") as tar:
        count = 0
        for _ in tar:
            forget_members(tar)
            count += 1
        return count


class PieceWriter:
    """A file that is being written; who fills it sets its `report`."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.sum, self.size = file, hashlib.sha256(), 0
        self.report = Report()

    def write(self, chunk: bytes) -> int:
        """Write, and count; the digest is of what came, not of what the disk made of it."""
        self.sum.update(chunk)
        self.size += len(chunk)
        return self.file.write(chunk)

    def tell(self) -> int:
        """Return how much was written."""
        return self.size

    def flush(self) -> None:
        """Do nothing: it is flushed once, at its end."""


@dataclass
class BackupWriter:
    """A backup that is being made; `add` gives each of its files a place."""

    folder: Path
    pool: ThreadPoolExecutor
    pieces: list[BackupFile] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    checked: list[Future[str]] = field(default_factory=list)

    @contextmanager
    def add(self, part: str, file: str, **more: Any) -> Iterator[PieceWriter]:
        """Give the file to write; one without a suffix gets that of what it became.

        It is noted unless the block raises, and read back meanwhile.
        """
        path = self.folder / file
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        try:
            with path.open("wb") as out:
                piece = PieceWriter(out)
                yield piece
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        if not path.suffix:
            file += ".tar" if tarfile.is_tarfile(path) else ".sql"
            path = path.rename(self.folder / file)
        told = asdict(piece.report)
        made = BackupFile(part, file, piece.sum.hexdigest(), piece.size, **told, **more)
        self.pieces.append(made)
        self.checked.append(self.pool.submit(self._read_back, made))

    def drop(self) -> None:
        """Take the newest file out again."""
        self.checked.pop().result()
        (self.folder / self.pieces.pop().file).unlink()

    def _read_back(self, piece: BackupFile) -> str:
        with (self.folder / piece.file).open("rb") as file:
            os.fsync(file.fileno())
        return damage(self.folder, piece)

    def finish(self, mode: str) -> None:
        """Write the manifest, once each file is known to be as it was written.

        Raises:
            HabariError: one is not.
        """
        bad = [each.result() for each in self.checked]
        if any(bad):
            raise HabariError(
                f"Backup: {next(filter(None, bad))}, when it was read back.",
                "habari-local backup create --to /another/disk/backup",
            )
        about = {
            "schema": SCHEMA,
            "mode": mode,
            "made": datetime.now(UTC).isoformat("T", "seconds"),
            "complete": not self.failed and not any(each.missing for each in self.pieces),
            "failed": self.failed,
            "pieces": [asdict(each) for each in self.pieces],
        }
        text = json.dumps(about, indent=1) + "\n"
        write_private(self.folder / MANIFEST, text)
        sums = {MANIFEST: hashlib.sha256(text.encode()).hexdigest()}
        sums |= {each.file: each.sha256 for each in self.pieces}
        write_private(self.folder / SUMS, "".join(f"{d}  {n}\n" for n, d in sums.items()))


@contextmanager
def create_backup(target: Path, mode: str) -> Iterator[BackupWriter]:
    """Give a backup to fill; it appears at `target` when the block ends well, whole or not at all.

    Raises:
        HabariError: something is at `target`, or what was written is not what can be read.
    """
    if target.exists():
        raise HabariError(
            f"{target}: already exists; a backup needs a new folder.",
            "habari-local backup create",
        )
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with atomic_dir(target.parent) as folder, ThreadPoolExecutor(1) as pool:
        part = folder / "backup"
        part.mkdir(mode=0o700)
        new = BackupWriter(part, pool)
        try:
            yield new
            new.finish(mode)
        finally:
            for each in new.checked:
                each.cancel()
        part.rename(target)


def look(folder: Path) -> Backup:
    """Return a backup by its manifest alone; its files may be other than they were.

    Raises:
        HabariError: it is none, or of another schema.
    """
    hint = "habari-local backup list"
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        schema = found["schema"]
        if schema == SCHEMA:
            names = {each.name for each in fields(BackupFile)}
            pieces = [BackupFile(**_known(each, names)) for each in found["pieces"]]
            return Backup(folder, found["mode"], found["made"], pieces, found["failed"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        seen = f"no readable {MANIFEST} ({type(error).__name__})"
        raise HabariError(f"{folder}: not a backup, {seen}.", hint) from error
    raise HabariError(f"{folder}: of schema {schema}; this version reads {SCHEMA}.", hint)


def _known(told: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    """Return what a manifest tells of a file; it can't lead out of the folder.

    Raises:
        ValueError: it does.
    """
    path = Path(told["file"])
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(path)
    return {name: value for name, value in told.items() if name in names}


def open_backup(folder: Path) -> Backup:
    """Return a backup, whose files are as they were written.

    Raises:
        HabariError: it is none, or not whole.
    """
    backup = look(folder)
    damaged = backup.damaged()
    if damaged:
        raise HabariError(
            f"{folder}: damaged, so nothing is restored from it: {damaged[0]}.",
            "habari-local backup list",
            details=[f"- {each}" for each in damaged[:20]],
        )
    return backup
