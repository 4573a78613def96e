"""What a home may hold that a copy may lose: a program that runs in a server makes and looks at it.

Standard library only: `python3 -c SOURCE make|make-open|look FOLDER`. It prints JSON: of each entry
all that has to come back. Who runs it needs no rights.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

OLD = 1_000_000_000_123_456_789  # a time, in nanoseconds
BEFORE_1970 = -86_400_000_000_000
HOLE = 8 << 20  # bytes
NAMES = (
    *("plain", " space ", "-rf", "--help", "new\nline", "tab\t", "quote'\"", "back\\slash", "*"),
    *(
        "?[a]",
        "ünïcode",
        "u\u0308nicode",
        "日本語",
        "\U0001f40d",
        "\udcff\udcfe",
        "\x01\x7f",
        "#hash#",
    ),
    *("a" * 255, ".hidden", "~tilde", "$HOME", "`id`", "%s%n", "C:colon", "name=value", "..."),
    *("GNUSparseFile.0", ".before-restore"),
)
MODES = (0o400, 0o444, 0o555, 0o777, 0o1644, 0o2755, 0o4755, 0o6711)
CLOSED = (0o000, 0o200)  # nobody but root reads these


def make(folder: Path, *, closed: bool = True) -> None:
    """Make them all; `closed`: those too that their owner can't read."""
    folder.mkdir(exist_ok=True)
    for each in ("names", "modes", "times", "links", "holes", "deep"):
        (folder / each).mkdir(exist_ok=True)
    for number, name in enumerate(NAMES):
        (folder / "names" / name).write_bytes(b"n" * number)
    _links(folder / "links")
    _holes(folder / "holes")
    deep = folder / "deep"
    for number in range(16):
        deep /= f"{number:x}" * 100
        deep.mkdir()
    (deep / "leaf").write_bytes(b"leaf")
    (folder / "empty folder").mkdir()
    os.mkfifo(folder / "fifo")
    with suppress(OSError):  # a file system without attributes
        (folder / "attributes").write_bytes(b"a")
        os.setxattr(folder / "attributes", "user.mime=%", b"text\0\xff")
        os.setxattr(folder / "empty folder", "user.colour", b"blue")
    for name, time in (("old", OLD), ("before 1970", BEFORE_1970), ("late", OLD * 4)):
        (folder / "times" / name).write_bytes(b"t")
        os.utime(folder / "times" / name, ns=(time, time))
    os.utime(folder / "times", ns=(OLD, OLD))
    for mode in (*MODES, *(CLOSED if closed else ())):
        (folder / "modes" / f"{mode:o}").write_bytes(b"m" * mode)
        (folder / "modes" / f"{mode:o}").chmod(mode)
    _folders(folder / "modes")


def _links(folder: Path) -> None:
    for name, target in (("to plain", "../names/plain"), ("nowhere", "no/such"), ("out", "/etc")):
        (folder / name).symlink_to(target)
    (folder / "itself").symlink_to("itself")
    (folder / "long").symlink_to("x" * 1000)
    (folder / "one").write_bytes(b"twice")
    (folder / "two").hardlink_to(folder / "one")
    (folder / "inner").mkdir()
    (folder / "inner" / "three").hardlink_to(folder / "one")
    os.link(folder / "nowhere", folder / "nowhere too", follow_symlinks=False)
    (folder / "read only").write_bytes(b"of git")
    (folder / "read only too").hardlink_to(folder / "read only")
    (folder / "read only").chmod(0o444)


def _holes(folder: Path) -> None:
    with (folder / "end").open("wb") as file:
        file.truncate(HOLE)
    with (folder / "middle").open("wb") as file:
        file.write(b"begin")
        file.seek(HOLE)
        file.write(b"end")
    with (folder / "many").open("wb") as file:
        for number in range(20):
            file.seek(number << 20)
            file.write(b"x" * 5000)
    (folder / "none").write_bytes(bytes(100_000))


def _folders(folder: Path) -> None:
    """Make folders of odd modes, with something in them."""
    for mode in (0o500, 0o555, 0o1777, 0o2770, 0o3700):
        inner = folder / f"folder {mode:o}"
        inner.mkdir()
        (inner / "in it").write_bytes(b"inner")
        inner.chmod(mode)


def look(folder: Path, *, owners: bool = True) -> dict[str, Any]:
    """Return what is there: type, mode, owner, time, content, holes, attributes and links of each.

    What is written down of links is which names are one file, by the first of them.
    """
    found: dict[str, Any] = {}
    first: dict[int, str] = {}
    for path in _inside(folder):
        seen = path.lstat()
        name = os.path.relpath(path, folder)
        one = first.setdefault(seen.st_ino, name)
        told: dict[str, Any] = {
            "mode": oct(seen.st_mode),
            "time": seen.st_mtime_ns,
            **({"owner": [seen.st_uid, seen.st_gid]} if owners else {}),
            **({"same as": one} if one != name else {}),
        }
        if stat.S_ISLNK(seen.st_mode):
            told["target"] = str(path.readlink())
        elif stat.S_ISREG(seen.st_mode):
            told |= {"size": seen.st_size, **_content(path, seen)}
        told |= {"attributes": _attributes(path)} if not stat.S_ISLNK(seen.st_mode) else {}
        found[name] = told
    return found


def _inside(folder: Path) -> Iterator[Path]:
    yield folder
    for here, folders, files in os.walk(folder):
        yield from (Path(here, name) for name in sorted([*folders, *files]))


def _content(path: Path, seen: os.stat_result) -> dict[str, Any]:
    """Return a digest of what is in a file, and whether it has holes; a closed one is opened."""
    mode = stat.S_IMODE(seen.st_mode)
    if not os.access(path, os.R_OK):
        path.chmod(mode | stat.S_IRUSR)
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    finally:
        if stat.S_IMODE(path.stat().st_mode) != mode:
            path.chmod(mode)
    return {"sha256": digest, "holes": seen.st_blocks * 512 < seen.st_size}


def _attributes(path: Path) -> dict[str, str]:
    with suppress(OSError):
        names = sorted(each for each in os.listxattr(path) if each.startswith("user."))
        return {name: os.getxattr(path, name).hex() for name in names}
    return {}


if __name__ == "__main__":
    where = Path(sys.argv[2]).expanduser()
    if sys.argv[1] != "look":
        make(where, closed=sys.argv[1] == "make")
    sys.stdout.write(json.dumps(look(where)) + "\n")
