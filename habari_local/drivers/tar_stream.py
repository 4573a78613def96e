"""A folder or an SQLite database as one stream, and back: a program that runs in containers too.

Standard library and GNU tar: `python3 -c SOURCE VERB PATH [OPTIONS]` reads standard input or writes
standard output. What could not be packed, or not be set again, is told as one line of JSON on
standard error (`Report`).

tar writes the archive and reads it; this program says which names go in, and why others don't. A
folder is unpacked into a new one beside what it replaces, and compared with its digest there. Only
then are its files renamed into their places, so that whenever this ends, a file is the old one or
the new one, and the same again goes on from there.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import re
import signal
import sqlite3
import stat
import sys
import tarfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from errno import ENOENT, ENOTDIR
from pathlib import Path
from typing import IO, Any, Protocol

BESIDE = ("-journal", "-wal", "-shm")  # what SQLite puts beside a database
STAGING = ".habari-restore"  # where a folder is unpacked, in itself: on the same file system
ASIDE = ".before-restore"  # what a folder is called that a file replaces, and the reverse
CHUNK = 1 << 20  # bytes
NAMED = 1000  # at most so many names of a kind are told; all are counted
REPORT = "report: "
FORMAT = (
    *("--format=pax", "--pax-option=delete=atime,delete=ctime", "--numeric-owner"),
    *("--xattrs", "--xattrs-include=user.*"),
)
PACK = (
    *("--create", "--file=-", "--blocking-factor=128", *FORMAT, "--sparse"),
    "--quoting-style=escape",
    *("--ignore-failed-read", "--null", "--no-recursion", "--files-from=-"),
)
UNPACK = (
    *("--extract", "--file=-", *FORMAT, "--same-permissions", "--delay-directory-restore"),
    *("--quoting-style=escape", "--warning=no-timestamp"),
)
# What tar says of a name. Only attributes may fail when a file is unpacked; all else ends it.
TOLD = re.compile(r"tar: (?P<name>.*): (?P<why>(?:Cannot|Read error|File ).*)")
CHANGED = re.compile(r"tar: (?P<name>.*): file changed as we read it")
ATTRIBUTE = re.compile(r"Cannot (?:change (?:mode|ownership)|utime|set|l?f?setxattr)|.*setxattr")


@dataclass
class Report:
    """What became of a folder: how many entries, and each that is not whole, with the reason."""

    entries: int = 0
    missing: dict[str, str] = field(default_factory=dict)  # what could not be read, or not be set
    left_out: dict[str, str] = field(default_factory=dict)  # what no archive keeps: a socket
    changed: list[str] = field(default_factory=list)  # written to while it was read
    unnamed: int = 0  # how many more there are of these
    older: int | None = 0  # objects' versions before the newest, which are not kept; None: unknown

    def lack(self, name: str, why: str) -> None:
        """Note what is missing."""
        if len(self.missing) < NAMED or name in self.missing:
            self.missing.setdefault(name, why)
        else:
            self.unnamed += 1

    def leave_out(self, name: str, kind: str) -> None:
        """Note what is not kept."""
        if len(self.left_out) < NAMED:
            self.left_out[name] = kind
        else:
            self.unnamed += 1

    def line(self) -> str:
        """Return it as the line of `REPORT`."""
        return REPORT + json.dumps(asdict(self))


def read_report(said: str) -> Report:
    """Return the report among what a program said; an empty one if there is none."""
    found = [line for line in said.splitlines() if line.startswith(REPORT)]
    return Report(**json.loads(found[-1].removeprefix(REPORT))) if found else Report()


class Sink(Protocol):
    """What takes bytes."""

    def write(self, chunk: bytes, /) -> int:
        """Write all of it."""


class TarError(Exception):
    """tar did not do what it was asked for, in a sentence."""


def _pipe() -> tuple[int, int]:
    """Return both ends of a pipe that holds much, so that neither end waits for each small part."""
    ends = os.pipe()
    with suppress(OSError):  # this account has many pipes already
        fcntl.fcntl(ends[0], fcntl.F_SETPIPE_SZ, CHUNK)
    return ends


class _Tar:
    """tar at work: a pipe to it or from it; what it says is kept."""

    def __init__(self, options: Sequence[str], folder: str, lock: int = -1) -> None:
        self.said = os.memfd_create("tar")
        read_in, self.stdin = _pipe()
        self.stdout, write_out = _pipe()
        doing = [(read_in, 0), (write_out, 1), (self.said, 2), *([(lock, 3)] if lock >= 0 else [])]
        # Not by `subprocess`, in whose threads and locks a killed writer could hang.
        try:
            self.pid = os.posix_spawnp(
                "tar",
                ["tar", f"--directory={folder}", *options],
                {"LC_ALL": "C", "PATH": os.pathsep.join(os.get_exec_path())},
                file_actions=[(os.POSIX_SPAWN_DUP2, each, to) for each, to in doing],
            )
        except FileNotFoundError as error:
            raise TarError("GNU tar is not there, and packs and unpacks folders") from error
        finally:
            os.close(read_in)
            os.close(write_out)

    def end(self, *, killed: bool = False) -> tuple[int, list[str]]:
        """Wait until it ends; return its exit code and what it said."""
        if killed:
            os.kill(self.pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.stdout)
        with open(self.said, "rb") as file:  # noqa: PTH123 (a descriptor)
            file.seek(0)
            return code, os.fsdecode(file.read()).splitlines()


def pack(folder: str, out: Sink) -> Report:
    """Write all that can be read in a folder as tar; links stay links, holes stay holes.

    Raises:
        TarError: tar could not write it.
    """
    report, tar = Report(), _Tar(PACK, folder)
    fed = threading.Thread(target=_feed, args=(tar.stdin, folder, report), daemon=True)
    fed.start()
    whole = False
    try:
        while chunk := os.read(tar.stdout, CHUNK):
            out.write(chunk)
        whole = True
    finally:
        code, said = tar.end(killed=not whole)
        fed.join()
    others = [line for line in said if not _noted(line, report)]
    if code not in (0, 1) or others:
        raise TarError("; ".join(others[:3]) or f"tar ended with exit code {code}")
    return report


def _feed(pipe: int, folder: str, report: Report) -> None:
    """Tell tar each name; one that ended hears none of it."""
    with suppress(BrokenPipeError), open(pipe, "wb", buffering=CHUNK) as names:
        for name in _names(folder, report):
            names.write(os.fsencode(name) + b"\0")
            report.entries += 1


def _names(folder: str, report: Report) -> Iterator[str]:
    """Yield the names of what is kept, a folder before what is in it."""
    yield "."
    waiting = ["."]
    while waiting:
        here = waiting.pop()
        try:
            with os.scandir(Path(folder, here)) as scan:
                entries = sorted(scan, key=lambda each: each.name)
        except (FileNotFoundError, NotADirectoryError):  # gone since it was listed
            continue
        except OSError as error:
            report.lack(_plain(here), f"Cannot open: {error.strerror}")
            continue
        inner = []
        for each in entries:
            if here == "." and each.name == STAGING:
                continue  # of a restore that was ended
            name = f"{here}/{each.name}"
            if each.is_dir(follow_symlinks=False):
                inner.append(name)
            elif not (each.is_symlink() or each.is_file(follow_symlinks=False)):
                kind = _special(each)
                if kind:
                    report.leave_out(_plain(name), kind)
                    continue
            yield name
        waiting += reversed(inner)


def _special(entry: os.DirEntry[str]) -> str:
    """Return what an entry is that no archive keeps: only a program or a kernel makes it."""
    with suppress(OSError):
        mode = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISSOCK(mode):
            return "socket"
        if stat.S_ISBLK(mode) or stat.S_ISCHR(mode):
            return "device"
    return ""


def _noted(line: str, report: Report) -> bool:
    """Note what tar said of a name; whether it was of one."""
    changed = CHANGED.fullmatch(line)
    if changed:
        report.changed += [_unescaped(changed["name"])] if len(report.changed) < NAMED else []
        return True
    told = TOLD.fullmatch(line)
    if told is None:
        return bool(re.search(r": (socket|door) ignored$", line)) or "Exiting with failure" in line
    name, why = _unescaped(told["name"].removesuffix(": Warning")), told["why"]
    if why.startswith("File shrank"):
        report.changed.append(name)
        return True
    if why.startswith("Read error"):  # its header is in already, zeros take the place of the rest
        report.lack(name, why)
        return True
    report.entries -= 1
    if not why.endswith((os.strerror(ENOENT), os.strerror(ENOTDIR), "removed before we read it")):
        report.lack(name, why)
    return True


def _plain(name: str) -> str:
    return name.removeprefix("./")


def _unescaped(name: str) -> str:
    r"""Return a name that tar wrote with `\n`, `\\` and `\ooo` in it."""
    letters = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}

    def one(found: re.Match[str]) -> str:
        letter = found[1]
        if letter.isdigit():
            return os.fsdecode(bytes([int(letter, 8)]))
        return letters.get(letter, letter)

    text = re.sub(r"\\([0-7]{3}|.)", one, name)
    return _plain(os.fsdecode(os.fsencode(text)))  # bytes of one letter are one letter again


def unpack(
    folder: str,
    source: IO[bytes],
    size: int,
    sha256: str,
    *,
    users: Sequence[int] = (),
    exact: bool = False,
    mount: str = "",
) -> Report:
    """Put what `pack` wrote into a folder, once all of it is there; report what can't be set.

    Args:
        folder: what is restored; it is there.
        source: gives the archive, and maybe does not end after it.
        size: how many bytes the archive has.
        sha256: of what they are.
        users: whose files become whose: two numbers, where it is another account's machine.
        exact: whether what else is in the folder goes; else it stays.
        mount: what another mode makes by itself: left out where it is a link or an empty folder.

    Raises:
        TarError: it is not what was written, or can't be unpacked; nothing has changed then.
        OSError: it is there in part.
    """
    staging, report = Path(folder, STAGING), Report()
    lock = os.open(folder, os.O_RDONLY)  # tar has it too: one whose starter was killed ends first
    fcntl.flock(lock, fcntl.LOCK_EX)
    _delete(staging)
    staging.mkdir(mode=0o700)
    try:
        (new := staging / "new").mkdir(mode=0o700)
        _extract(new, source, size, sha256, report, lock)
        if len(users) == 2 and users[0] != users[1] and os.geteuid() == 0:
            _give(new, *users)
        if mount:
            with suppress(OSError):  # not there, or files are in it
                (new / mount).unlink() if (new / mount).is_symlink() else (new / mount).rmdir()
        seen = new.stat()
        if exact:
            (staging / "old").mkdir(mode=0o700)
            _merge(Path(folder), staging / "old")
        _merge(new, Path(folder))
    finally:
        _delete(staging)
        os.close(lock)
    os.utime(folder, ns=(seen.st_atime_ns, seen.st_mtime_ns))  # which `_delete` has changed
    return report


def _extract(
    new: Path, source: IO[bytes], size: int, sha256: str, report: Report, lock: int
) -> None:
    owner = "--same-owner" if os.geteuid() == 0 else "--no-same-owner"
    tar, seen, left, whole = _Tar((*UNPACK, owner), str(new), lock), hashlib.sha256(), size, False
    try:
        with suppress(BrokenPipeError), open(tar.stdin, "wb", buffering=0) as pipe:  # noqa: PTH123
            while left and (chunk := source.read(min(CHUNK, left))):
                seen.update(chunk)
                left -= len(chunk)
                view = memoryview(chunk)
                while view:
                    view = view[pipe.write(view) :]
        whole = True
    finally:
        code, said = tar.end(killed=not whole)
    while left and (chunk := source.read(min(CHUNK, left))):  # who sends it is to hear of it
        left -= len(chunk)
    others = []
    for line in said:
        told = TOLD.fullmatch(line)
        if told and ATTRIBUTE.match(told["why"]):
            report.lack(_unescaped(told["name"]), told["why"])
        elif "Exiting with failure" not in line:
            others.append(line)
    if others or (code and not report.missing):
        raise TarError("; ".join(others[:3]) or f"tar ended with exit code {code}")
    if left or seen.hexdigest() != sha256:
        raise TarError("the archive is not what was written")


def _give(new: Path, before: int, after: int) -> None:
    """Give what belongs to one account to another; that takes bits of the mode away."""
    for here, folders, files in os.walk(new):
        for path in (here, *(os.path.join(here, name) for name in (*folders, *files))):  # noqa: PTH118
            seen = os.lstat(path)
            if seen.st_uid != before:
                continue
            os.lchown(path, after, -1)
            if stat.S_ISREG(seen.st_mode):
                os.chmod(path, stat.S_IMODE(seen.st_mode))  # noqa: PTH101
                os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))


def _merge(new: Path, old: Path) -> None:
    """Move what is in one folder into another, and have that one's attributes as well.

    A file takes the place of a file at once. A folder in the place of a file, or the reverse, has
    what was there moved aside: nothing of it is in the archive.
    """
    seen = new.stat()
    _writable(new)
    _writable(old)
    for entry in sorted(os.scandir(new), key=lambda each: each.name):
        if Path(entry.path) == old.parent:
            continue  # the staging itself, where all else in the folder is moved
        target = old / entry.name
        is_folder = entry.is_dir(follow_symlinks=False)
        there = _kind(target)
        if is_folder and there == "folder" and _ours(target):
            _merge(Path(entry.path), target)
            continue
        if there and (is_folder or there == "folder"):
            target.rename(_free(target))
        if is_folder:
            _move(Path(entry.path), target)
        else:
            os.replace(entry.path, target)  # noqa: PTH105
    _attributes(new, old, seen)


def _move(folder: Path, target: Path) -> None:
    """Rename a folder, which wants the right to write in it; it has its own mode after that."""
    mode = stat.S_IMODE(folder.stat().st_mode)
    _writable(folder)
    folder.rename(target)
    if stat.S_IMODE(target.stat().st_mode) != mode:
        target.chmod(mode)


def _kind(path: Path) -> str:
    try:
        return "folder" if stat.S_ISDIR(path.lstat().st_mode) else "other"
    except FileNotFoundError:
        return ""


def _ours(folder: Path) -> bool:
    """Whether what is in a folder can be replaced: one of another account is moved aside whole."""
    return os.geteuid() in (0, folder.stat().st_uid)


def _free(path: Path) -> Path:
    """Return a name for what is moved aside."""
    number = 1
    while _kind(found := path.with_name(f"{path.name[:200]}{ASIDE}{number if number > 1 else ''}")):
        number += 1
    return found


def _writable(folder: Path) -> None:
    """Let who is not root work in a folder of theirs."""
    mode = stat.S_IMODE(folder.stat().st_mode)
    if os.geteuid() != 0 and mode & stat.S_IRWXU != stat.S_IRWXU:
        folder.chmod(mode | stat.S_IRWXU)


def _attributes(new: Path, old: Path, seen: os.stat_result) -> None:
    """Have a folder as another one was seen: owner, mode, user's attributes and times."""
    now = old.stat()
    if (now.st_uid, now.st_gid) != (seen.st_uid, seen.st_gid) and os.geteuid() == 0:
        os.chown(old, seen.st_uid, seen.st_gid)
    wanted = _xattrs(new)
    for name in _xattrs(old).keys() - wanted.keys():
        os.removexattr(old, name)
    for name, value in wanted.items():
        os.setxattr(old, name, value)
    old.chmod(stat.S_IMODE(seen.st_mode))
    os.utime(old, ns=(seen.st_atime_ns, seen.st_mtime_ns))


def _xattrs(path: Path) -> dict[str, bytes]:
    with suppress(OSError):  # a file system without any
        names = [each for each in os.listxattr(path) if each.startswith("user.")]
        return {name: os.getxattr(path, name) for name in names}
    return {}


def _delete(folder: Path) -> None:
    """Delete a folder, whatever modes are in it; files keep theirs: they have other names."""
    if not folder.is_dir():
        return
    for here, folders, _ in os.walk(folder):
        _writable(Path(here))
        for inner in (Path(here, name) for name in folders):
            if not inner.is_symlink():
                _writable(inner)
    for here, folders, files in os.walk(folder, topdown=False):
        for name in files:
            Path(here, name).unlink()
        for inner in (Path(here, name) for name in folders):
            inner.unlink() if inner.is_symlink() else inner.rmdir()
    folder.rmdir()


def pack_database(path: str, out: Sink) -> Report:
    """Write a database as it is at one moment, while others write to it."""
    uri = f"{Path(path).resolve().as_uri()}?mode=ro"
    with (
        closing(sqlite3.connect(uri, uri=True, timeout=30)) as of,
        closing(sqlite3.connect(":memory:")) as to,
    ):
        of.backup(to)
        content = to.serialize()
    info = tarfile.TarInfo(Path(path).name)
    info.size, info.mode = len(content), 0o600
    stream: Any = out  # by a tar who reads a stream in a pod knows its end; tarfile only writes
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(info, io.BytesIO(content))
    return Report(entries=1)


def unpack_database(path: str, source: IO[bytes]) -> Report:
    """Put a database in the place of another one that nobody has open."""
    part = Path(f"{path}.part")
    with tarfile.open(fileobj=source, mode="r|") as tar:
        info = tar.next()
        content = tar.extractfile(info) if info else None
        if content is None:
            raise tarfile.ReadError("no database")
        part.write_bytes(content.read())
    for suffix in BESIDE:
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    part.replace(path)
    return Report(entries=1)


VERBS: dict[str, tuple[Any, Any]] = {
    "pack": (pack, sys.stdout),
    "unpack": (unpack, sys.stdin),
    "pack-database": (pack_database, sys.stdout),
    "unpack-database": (unpack_database, sys.stdin),
}

if __name__ == "__main__":
    verb, stream = VERBS[sys.argv[1]]
    try:
        done = verb(sys.argv[2], stream.buffer, **json.loads((sys.argv[3:] or ["{}"])[0]))
        stream.buffer.flush() if stream is sys.stdout else None
    except (OSError, TarError, tarfile.TarError) as failed:
        raise SystemExit(f"{type(failed).__name__}: {failed}") from failed
    sys.stderr.write(done.line() + "\n")
