"""Backups of homes that can't be read, restores that are killed, and backups that are damaged."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from habari_local.core.errors import HabariError
from habari_local.drills import odd_objects, user_state
from habari_local.drills.scratch_platform import Worktree
from habari_local.drivers import tar_stream
from habari_local.drivers.jupyterhub import HubClient
from habari_local.drivers.tar_stream import ASIDE
from tests.faults.parts import Platform
from tests.scratch import ROOT, Scratch, must_be_able_to_run
from tests.waiting import wait_for

pytestmark = pytest.mark.timeout(300 if "TESTS_RESTORE_KILLS" not in os.environ else 3600)
PEOPLE = ("grace", "linus")
# When a restore is ended, by what it said last, and how many seconds later. Some of these are all
# at once in one test; `nox -s soak` has each by itself.
POINTS = (
    *(("the home of grace", 0.3), ("the hub's database", 0.0)),
    *(("stopping the hub", 0.0), ("stopping the hub", 0.5), ("the home of grace", 0.0)),
    *(("the home of linus", 0.0), ("the home of linus", 0.6), ("the bucket", 0.0)),
    *(("the bucket", 0.2), ("the hub's database", 0.3)),
)
KILLS = int(os.environ.get("TESTS_RESTORE_KILLS", "0"))
GROUPS = [[point] for point in POINTS[:KILLS]] or [list(POINTS[:2])]
# Puts another folder over each home, as whoever works there may: nothing is as it was then.
SPOIL = """
import hashlib, io, sys
from habari_local import active_mode
from habari_local.platform.mode import Archive
mode, ctx = active_mode.current(sys.argv[1])
content = open(sys.argv[2], "rb").read()
for home in mode.homes(ctx):
    digest = hashlib.sha256(content).hexdigest()
    mode.put_home(ctx, home, Archive(io.BytesIO(content), len(content), digest))
"""


LONG = [pytest.param(each, marks=pytest.mark.long) for each in ("hub", "kind")]


@pytest.fixture(scope="module", params=["process", *LONG])
def mode(request: pytest.FixtureRequest) -> str:
    """The modes that have backups; those in containers take minutes, so they are in the soak."""
    return str(request.param)


@dataclass(frozen=True)
class Kept:
    """What two people have, and the bucket has, and a backup of it."""

    platform: Platform
    folder: Path
    made: dict[str, Any]
    objects: user_state.Seen

    @property
    def tree(self) -> Worktree:
        return tree_of(self.platform)

    def restore(self) -> subprocess.CompletedProcess[str]:
        return self.platform.scratch.call(
            "backup", "restore", str(self.folder), "--overwrite", "--yes"
        )


def tree_of(platform: Platform) -> Worktree:
    return Worktree(ROOT, platform.scratch.root, platform.scratch.environment())


def hub_of(platform: Platform) -> HubClient:
    where = platform.endpoints
    return HubClient(where.hub, where.hub_api_token.get_secret_value())


@pytest.fixture(scope="module")
def kept(platform: Platform, mode: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    tree = tree_of(platform)
    with hub_of(platform) as hub:
        for name in PEOPLE:
            hub.ensure(name)
            hub.start(name)
        user_state.odd_entries_of(tree, "grace", "make-open" if mode == "process" else "make")
        objects = user_state.odd_objects_of(tree, make=True)
        stop_servers(platform, hub)
    folder = tmp_path_factory.mktemp("backups") / "one"
    made = json.loads(platform.scratch.good("backup", "create", "--to", str(folder), "--json"))
    yield Kept(platform, folder, made, objects)
    delete_objects(tree)


def delete_objects(tree: Worktree) -> None:
    own = tree.own_lake()
    assert own
    with closing(own[0]) as s3:
        for key in (*odd_objects.KEYS, "empty", odd_objects.LARGE):
            s3.delete_object(Bucket=own[1], Key=key)


def stop_servers(platform: Platform, hub: HubClient) -> None:
    for name in platform.users_running():
        hub.stop(name)
    wait_for(lambda: not platform.users_running(), 60)


def contrary(folder: Path) -> Path:
    """A tar with files where a home has folders, the reverse, and read-only ones of other bytes."""
    odd = folder / "home" / user_state.ODD
    (odd / "fifo").mkdir(parents=True)
    (odd / "fifo" / "inner").write_text("stays")
    (odd / "names").write_text("a file")
    (odd / "empty folder").symlink_to("/etc")
    (odd / "links").mkdir()
    (odd / "links" / "one").write_text("other bytes")
    (odd / "links" / "one").chmod(0o400)
    (odd / "modes").mkdir(mode=0o555)
    with (folder / "contrary.tar").open("wb") as out:
        tar_stream.pack(str(folder / "home"), out)
    return folder / "contrary.tar"


def spoil(kept: Kept, mode: str, folder: Path) -> None:
    scratch = kept.platform.scratch
    argv = [sys.executable, "-c", SPOIL, mode, str(contrary(folder))]
    subprocess.run(argv, cwd=scratch.root, env=scratch.environment(), check=True, timeout=120)
    own = kept.tree.own_lake()
    assert own
    with closing(own[0]) as s3:
        s3.put_object(Bucket=own[1], Key="a", Body=b"other bytes")
        s3.delete_object(Bucket=own[1], Key=odd_objects.LARGE)
        s3.delete_object(Bucket=own[1], Key="a/")


def kill_restore(kept: Kept, said: str, seconds: float) -> None:
    """Restore, and end it as `kill -9` does, so long after it said that."""
    arguments = ("backup", "restore", str(kept.folder), "--overwrite", "--yes")
    with kept.platform.scratch.start(*arguments) as restoring:
        assert restoring.stdout
        heard = []
        for line in restoring.stdout:
            heard.append(line)
            if line.startswith(said):
                break
        assert heard[-1].startswith(said), heard
        time.sleep(seconds)
        restoring.kill()


def members(file: Path) -> dict[str, Any]:
    """Each entry of a home's tar, with all that is written of it, and a digest of its bytes."""
    found = {}
    with tarfile.open(file, errors="surrogateescape") as tar:
        for each in tar:
            body = tar.extractfile(each) if each.isreg() else None
            digest = hashlib.file_digest(body, "sha256").hexdigest() if body else ""  # type: ignore[arg-type]
            attributes = {n: t for n, t in each.pax_headers.items() if "xattr" in n}
            about = (each.type, each.mode, each.uid, each.gid, each.size, each.mtime, each.linkname)
            found[each.name] = (*about, attributes, digest)
    return found


def require_all_is_back(kept: Kept, folder: Path) -> None:
    """Compare what is there with the backup, by another one: of the homes, entry by entry."""
    scratch = kept.platform.scratch
    again = json.loads(
        scratch.good("backup", "create", "--to", str(folder), "--only", "homes", "--json")
    )
    assert again["complete"]
    owners = [piece["owner"] for piece in again["pieces"]]
    assert set(PEOPLE) <= set(owners)
    names = set[str]()
    for number, owner in enumerate(owners):
        before = members(kept.folder / "homes" / f"{number:04}.tar")
        after = members(folder / "homes" / f"{number:04}.tar")
        names |= after.keys()
        differ = {name for name, told in before.items() if after.get(name) != told}
        assert not differ, (owner, {name: (before[name], after.get(name)) for name in differ})
    assert any(each.endswith(ASIDE) for each in names), "what something else has replaced is kept"
    assert user_state.odd_objects_of(kept.tree, make=False) == kept.objects
    with hub_of(kept.platform) as hub:
        assert all(hub.user(name) for name in PEOPLE)
    assert scratch.call("status").returncode == 0


@pytest.mark.row(21)
def test_a_home_with_files_that_cannot_be_read_is_backed_up_without_them(
    kept: Kept, mode: str, tmp_path: Path
) -> None:
    """In containers root reads them; in mode process, whoever owns them."""
    assert kept.made["complete"]
    if mode != "process":
        home = members(kept.folder / "homes" / "0000.tar") | members(
            kept.folder / "homes" / "0001.tar"
        )
        assert f"./{user_state.ODD}/modes/0" in home, "one that its owner may not read"
        return
    scratch = kept.platform.scratch
    closed = scratch.state / "process" / "homes" / "grace" / "closed"
    closed.write_text("mine")
    closed.chmod(0)
    limit = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all")
    create = scratch.command("backup", "create", "--to", str(tmp_path / "two"))
    done = subprocess.run(
        [*(limit if os.geteuid() == 0 else ()), *create],
        cwd=scratch.root,
        env=scratch.environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    closed.unlink()
    assert done.returncode == 5, done.stderr
    assert "home of grace: closed: Cannot open: Permission denied" in done.stdout
    assert scratch.call("backup", "check", str(tmp_path / "two")).returncode == 5
    files = sorted(each.name for each in (tmp_path / "two" / "homes").iterdir())
    assert len(files) == len([p for p in kept.made["pieces"] if p["part"] == "homes"])


@pytest.mark.row(25)
def test_a_damaged_backup_is_refused_whole(kept: Kept, tmp_path: Path) -> None:
    before = kept.platform.since("hub")
    damaged(kept.folder, tmp_path / "copy", kept.platform)
    assert kept.platform.since("hub") == before, "the hub was not even stopped"


def damaged(folder: Path, copy: Path, platform: Platform) -> None:
    """Have a byte of a copy be another; it is refused whole."""
    shutil.copytree(folder, copy)
    with (copy / "lake.tar").open("r+b") as file:
        file.seek(4096)
        byte = file.read(1)
        file.seek(4096)
        file.write(bytes([byte[0] ^ 1]))
    done = platform.scratch.call("backup", "restore", str(copy), "--overwrite", "--yes")
    assert done.returncode == 1
    assert "damaged, so nothing is restored from it: lake.tar: other bytes" in done.stderr
    assert platform.scratch.call("backup", "check", str(copy)).returncode == 1


@pytest.mark.row(22)
@pytest.mark.row(23)
@pytest.mark.parametrize("points", GROUPS, ids=lambda points: f"{points[0][0]} {points[0][1]}")
def test_a_restore_that_was_killed_is_gone_on_with_and_nobody_works_meanwhile(
    kept: Kept, mode: str, points: list[tuple[str, float]], tmp_path: Path
) -> None:
    spoil(kept, mode, tmp_path)
    if mode == "kind" and not KILLS:
        points = points[:1]  # where each restore waits for three pods
    with hub_of(kept.platform) as hub:
        for said, seconds in points:
            kill_restore(kept, said, seconds)
            if said.startswith(("the home", "the bucket")):
                with pytest.raises((requests.RequestException, HabariError)):
                    hub.start("grace")
    done = kept.restore()
    assert done.returncode == 0, done.stderr
    require_all_is_back(kept, tmp_path / "after")


@pytest.mark.row(23)
def test_nobody_restores_under_a_running_server(kept: Kept, mode: str) -> None:
    if mode == "kind":
        pytest.skip("the same check as in hub, after a server's start, which is the slowest here")
    with hub_of(kept.platform) as hub:
        hub.start("linus")
        before = kept.platform.since("hub")
        done = kept.restore()
        stop_servers(kept.platform, hub)
    assert done.returncode == 1
    assert "Servers of linus: still running" in done.stderr
    assert kept.platform.since("hub") == before


@pytest.mark.row(24)
@pytest.mark.mode("process")
def test_a_backup_of_nobodys_data_is_refused_unless_asked_for(scratch: Scratch) -> None:
    """Before anybody has signed in there is no home; the lake has its sample."""
    must_be_able_to_run("process")
    scratch.good("up")
    done = scratch.call("backup", "create", "--only", "homes", "--only", "database")
    assert done.returncode == 2
    assert "Nothing to back up: there is none of homes" in done.stderr
    assert "Try: habari-local backup create --allow-empty" in done.stderr
    assert list((scratch.state / "backups").glob("*")) == []
    asked = ("--only", "homes", "--only", "database", "--allow-empty")
    scratch.good("backup", "create", *asked)
    assert len(list((scratch.state / "backups").glob("*"))) == 1
