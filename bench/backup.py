"""`python -m bench.backup`: a backup of ten homes of 100 MB beside plain tar, and beside restic.

All write the same files to the same disk and end when they are on it; ours and restic's read them
back too. Each round has all of them, so that what else the machine does meets all.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from habari_local.backup.create_restore import create
from habari_local.drivers import tar_stream
from habari_local.platform.mode import Home

HOMES, SIZE = 10, 100 << 20  # how many, and bytes of each
FILES = (2_000, 20_000, 200_000, 1 << 20, 8 << 20)  # bytes of a file: one of these
MOST = 1.3  # times as long as plain tar


class Homes:
    """The folders of a place as a mode whose homes they are."""

    name = "bench"

    def __init__(self, place: Path) -> None:
        self.place = place

    def homes(self, ctx: Any) -> list[Home]:  # noqa: ARG002 (a mode is asked with it)
        """Return them."""
        return [Home(each.name) for each in sorted(self.place.iterdir())]

    def take_home(self, ctx: Any, home: Home, into: Any) -> Any:  # noqa: ARG002
        """Pack one, as mode process does."""
        return tar_stream.pack(str(self.place / home.owner), into)

    put_home = take_database = put_database = maintenance = take_home


def fill(place: Path) -> None:
    """Make the homes: bytes that no program can make fewer."""
    chance = random.Random(1)
    for home in range(HOMES):
        left, number = SIZE, 0
        while left > 0:
            folder = place / f"user{home}" / f"folder{number % 7}"
            folder.mkdir(parents=True, exist_ok=True)
            size = min(left, chance.choice(FILES))
            (folder / f"file{number}").write_bytes(os.urandom(size))
            left, number = left - size, number + 1


def ways(homes: Path, place: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield what is measured, by its name; each writes into a new folder."""
    target = place / "target"

    def run(*argv: str) -> None:
        subprocess.run(argv, check=True, capture_output=True, env={**os.environ, **RESTIC})

    def tar() -> None:
        target.mkdir()
        run("tar", "-cf", str(target / "homes.tar"), "-C", str(homes), ".")
        run("sync", "-f", str(target))

    def ours() -> None:
        mode: Any = Homes(homes)
        create(mode, SimpleNamespace(), target, ["homes"], lambda _: None)
        run("sync", "-f", str(target))

    def restic() -> None:
        repository = ("restic", "--quiet", "--repo", str(target))
        run(*repository, "init")
        run(*repository, "backup", str(homes))
        run(*repository, "check", "--read-data")
        run("sync", "-f", str(target))

    yield "plain tar", tar
    yield "backup create", ours
    if shutil.which("restic"):
        yield "restic (backup, check --read-data)", restic


RESTIC = {"RESTIC_PASSWORD": "bench", "RESTIC_CACHE_DIR": tempfile.gettempdir() + "/bench-restic"}


def main() -> None:
    """Measure and print; a failed promise is exit code 1."""
    parser = argparse.ArgumentParser(prog="bench.backup")
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        fill(place / "homes")
        for _ in range(runs):
            for name, action in ways(place / "homes", place):
                os.sync()
                began = time.perf_counter()
                action()
                seconds.setdefault(name, []).append(time.perf_counter() - began)
                shutil.rmtree(place / "target")
    plain = statistics.median(seconds["plain tar"])
    print(f"{HOMES} homes of {SIZE >> 20} MiB, median of {runs}, {os.cpu_count()} cores")
    for name, took in seconds.items():
        middle = statistics.median(took)
        spread = f"{min(took):.1f}-{max(took):.1f}"
        print(f"{name:36} {middle:6.1f} s ({spread})  {middle / plain:.2f} x")
    if statistics.median(seconds["backup create"]) > MOST * plain:
        raise SystemExit(f"backup create takes more than {MOST} x plain tar")


if __name__ == "__main__":
    main()
