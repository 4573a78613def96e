"""The program that packs folders and databases, here and in containers: all of it, and only it."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from habari_local.drills import odd_entries
from habari_local.drivers import tar_stream
from habari_local.drivers.tar_stream import ASIDE, STAGING, Report, TarError

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = int(os.environ.get("TESTS_ODD_EXAMPLES", "15"))
KILLS = int(os.environ.get("TESTS_KILLS", "10"))
NOBODY = 65534
# Runs as somebody without rights, if we are root: modules are loaded before.
AS_NOBODY = f"""
import json, os, sys
from habari_local.drivers import tar_stream
from encodings import idna
if os.geteuid() == 0:
    os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
"""
# Ends itself as `kill -9` does, at the n-th thing of its own that it does to files.
KILLED = """
import os, signal, sys
from habari_local.drivers import tar_stream
at, seen = int(sys.argv[1]), 0
EVENTS = {"os.rename", "os.mkdir", "os.chmod", "os.chown", "os.utime", "os.remove", "os.rmdir",
          "os.posix_spawn", "os.setxattr", "os.listdir", "os.scandir"}
def hook(name, args):
    global seen
    if name in EVENTS:
        seen += 1
        if seen == at:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
with open(sys.argv[3], "rb") as file:
    tar_stream.unpack(sys.argv[2], file, int(sys.argv[4]), sys.argv[5])
print(seen)
"""


def packed(folder: Path) -> bytes:
    out = io.BytesIO()
    report = tar_stream.pack(str(folder), out)
    assert (report.missing, report.changed) == ({}, [])
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as tar:
        assert len(tar.getmembers()) == report.entries
    return out.getvalue()


def unpacked(folder: Path, archive: bytes) -> Report:
    digest = hashlib.sha256(archive).hexdigest()
    return tar_stream.unpack(str(folder), io.BytesIO(archive), len(archive), digest)


def in_folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_every_odd_entry_comes_back_as_it_was(tmp_path: Path) -> None:
    home, back = in_folder(tmp_path / "home"), in_folder(tmp_path / "back")
    odd_entries.make(home / "odd", closed=os.geteuid() == 0)
    archive = packed(home)
    assert len(archive) < 1_000_000, "holes of 36 MB are holes in it"
    before = odd_entries.look(home)
    assert len(before) >= 60
    for _ in range(2):  # into nothing, and over the same
        assert unpacked(back, archive).missing == {}
        assert odd_entries.look(back) == before
    assert not (back / STAGING).exists()


def test_a_hole_of_5_gib_costs_less_than_a_megabyte(tmp_path: Path) -> None:
    home, back = in_folder(tmp_path / "home"), in_folder(tmp_path / "back")
    with (home / "sparse").open("wb") as file:
        file.truncate(5 << 30)
    archive = packed(home)
    assert len(archive) <= 1_000_000
    unpacked(back, archive)
    assert (back / "sparse").stat().st_size == 5 << 30
    assert (back / "sparse").stat().st_blocks * 512 < 1_000_000


def test_sockets_and_devices_are_named_and_left_out(tmp_path: Path) -> None:
    home = in_folder(tmp_path / "home")
    out = io.BytesIO()
    with closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(str(home / "kernel\n.sock"))
        if os.geteuid() == 0:
            os.mknod(home / "null", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        report = tar_stream.pack(str(home), out)
    devices = {"null": "device"} if os.geteuid() == 0 else {}
    assert report.left_out == {"kernel\n.sock": "socket", **devices}
    assert (report.entries, report.missing) == (1, {}), "the folder itself"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody gets at; pytest's own are their maker's alone."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_what_can_not_be_read_is_named_and_all_else_is_there(open_folder: Path) -> None:
    """By somebody without rights: root reads all that there is."""
    home = in_folder(open_folder / "home")
    (home / "closed").mkdir()
    (home / "closed" / "inner").write_text("not even its name is known")
    (home / "sécret\n: Cannot open: x").write_text("mine")
    (home / "work.ipynb").write_text("{}")
    (home / "sécret\n: Cannot open: x").chmod(0)
    (home / "closed").chmod(0)
    code = "print(tar_stream.pack(sys.argv[1], sys.stdout.buffer).line(), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY + code, str(home)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    report = tar_stream.read_report(done.stderr.decode())
    why = "Cannot open: Permission denied"
    assert report.missing == {"closed": why, "sécret\n: Cannot open: x": why}
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        assert sorted(tar.getnames()) == [".", "./work.ipynb"]
    assert report.entries == 2
    (home / "closed").chmod(0o700)


def contrary(folder: Path) -> None:
    """Have a file where a folder is to come, the reverse, links, and files that are read only."""
    (folder / "odd").mkdir()
    (folder / "odd" / "names").write_text("a file")
    (folder / "odd" / "empty folder").symlink_to("/etc")
    (folder / "odd" / "fifo").mkdir()
    (folder / "odd" / "fifo" / "inner").write_text("stays")
    (folder / "odd" / "links").mkdir()
    (folder / "odd" / "links" / "one").write_text("old")
    (folder / "odd" / "links" / "one").chmod(0o400)
    (folder / "odd" / "links" / "other name").hardlink_to(folder / "odd" / "links" / "one")
    (folder / "odd" / "links" / "out").symlink_to("two")
    (folder / "odd" / "links" / "two").symlink_to(folder / "outside")
    (folder / "outside").write_text("theirs")
    (folder / "odd" / "links").chmod(0o555)


def kept(folder: Path) -> dict[str, Any]:
    """What is there that was in the archive: all but what was there before."""
    mine = {".", "outside", "odd/links/other name", "odd", "odd/links"}
    found = odd_entries.look(folder)
    return {name: told for name, told in found.items() if name not in mine and ASIDE not in name}


def test_it_comes_back_over_anything_and_nothing_else_is_lost(tmp_path: Path) -> None:
    home, back = in_folder(tmp_path / "home"), in_folder(tmp_path / "back")
    odd_entries.make(home / "odd", closed=os.geteuid() == 0)
    before = kept(home)
    contrary(back)
    unpacked(back, packed(home))
    assert kept(back) == before
    assert (back / "outside").read_text() == "theirs", "links are not followed"
    assert (back / "odd" / "links" / "other name").read_text() == "old"
    assert (back / "odd" / f"fifo{ASIDE}" / "inner").read_text() == "stays"
    assert (back / "odd" / f"names{ASIDE}").read_text() == "a file"
    assert (back / "odd" / f"empty folder{ASIDE}").is_symlink()
    unpacked(back, packed(home))
    assert kept(back) == before


def test_one_that_is_killed_at_any_point_is_gone_on_with(tmp_path: Path) -> None:
    home = in_folder(tmp_path / "home")
    odd_entries.make(home / "odd", closed=os.geteuid() == 0)
    before, archive = kept(home), packed(home)
    (tmp_path / "home.tar").write_bytes(archive)

    def run(at: int, folder: Path) -> subprocess.CompletedProcess[str]:
        about = [str(folder), str(tmp_path / "home.tar"), str(len(archive))]
        argv = [sys.executable, "-c", KILLED, str(at), *about, hashlib.sha256(archive).hexdigest()]
        return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)

    def occupied(name: str) -> Path:
        folder = in_folder(tmp_path / name)
        contrary(folder)
        for inner in ("modes", "times", "holes", "deep"):
            (folder / "odd" / inner).mkdir()
        return folder

    events = int(run(-1, occupied("whole")).stdout)
    assert events > 60
    for number in range(KILLS):
        back = occupied(f"back {number}")
        assert run(1 + events * number // KILLS, back).returncode == -signal.SIGKILL
        unpacked(back, archive)
        assert kept(back) == before
        assert not (back / STAGING).exists()


def test_until_the_new_is_whole_nothing_has_changed(tmp_path: Path) -> None:
    home, back = in_folder(tmp_path / "home"), in_folder(tmp_path / "back")
    odd_entries.make(home / "odd", closed=os.geteuid() == 0)
    archive = packed(home)
    contrary(back)
    before = odd_entries.look(back)
    before.pop(".")  # its time
    size, digest = len(archive), hashlib.sha256(archive).hexdigest()
    broken = bytearray(archive)
    broken[5000] ^= 1
    for source in (archive[:-20_000], archive[: size // 2], bytes(broken)):
        with pytest.raises(TarError):
            tar_stream.unpack(str(back), io.BytesIO(source), size, digest)
        after = odd_entries.look(back)
        after.pop(".")
        assert after == before


def test_a_file_that_shrinks_meanwhile_spoils_nothing_after_it(tmp_path: Path) -> None:
    home = in_folder(tmp_path / "home")
    (home / "a").write_bytes(b"a" * 20_000_000)
    (home / "b").write_bytes(b"b" * 5000)
    (home / "c").write_bytes(b"c")

    class Shrinking(io.BytesIO):
        def write(self, chunk: Any) -> int:
            os.truncate(home / "a", 10)
            (home / "c").unlink(missing_ok=True)
            return super().write(chunk)

    out = Shrinking()
    report = tar_stream.pack(str(home), out)
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as tar:
        last = tar.extractfile("./b")
        assert last
        assert last.read() == b"b" * 5000
        assert len(tar.getmembers()) == report.entries
    assert report.missing == {}, "what was deleted is not missing"
    assert report.changed == ["a"]


def test_nothing_is_written_outside_of_the_folder(tmp_path: Path) -> None:
    home = in_folder(tmp_path / "home")
    (tmp_path / "secret").write_text("theirs")
    (home / "link").symlink_to(tmp_path)
    link, through = tarfile.TarInfo("mine"), tarfile.TarInfo("again")
    link.type, link.linkname = tarfile.LNKTYPE, "../secret"
    through.type, through.linkname = tarfile.SYMTYPE, str(tmp_path)
    for members in (
        [tarfile.TarInfo("../outside")],
        [tarfile.TarInfo(f"{tmp_path}/outside")],
        [tarfile.TarInfo("link/outside")],
        [through, tarfile.TarInfo("again/outside")],
        [link],
    ):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            for member in members:
                tar.addfile(member)
        with suppress(TarError):  # of some, tar takes away what leads out of the folder
            unpacked(home, out.getvalue())
        outside = {each.name for each in tmp_path.iterdir()}
        assert outside == {"home", "secret"}
        assert (tmp_path / "secret").stat().st_nlink == 1


def test_what_belonged_to_the_servers_account_belongs_to_the_one_of_here(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    home, back = in_folder(tmp_path / "home"), in_folder(tmp_path / "back")
    for name, owner in (("mine", 1234), ("root's", 0)):
        (home / name).write_text(name)
        os.chown(home / name, owner, 100)
        (home / name).chmod(0o4755)
    archive = packed(home)
    digest = hashlib.sha256(archive).hexdigest()
    tar_stream.unpack(str(back), io.BytesIO(archive), len(archive), digest, users=[1234, 4321])
    found = {each.name: each.stat() for each in back.iterdir()}
    assert {name: seen.st_uid for name, seen in found.items()} == {"mine": 4321, "root's": 0}
    assert found["mine"].st_mode & 0o7777 == 0o4755
    assert found["mine"].st_mtime_ns == (home / "mine").stat().st_mtime_ns


NAME = st.binary(min_size=1, max_size=40).filter(
    lambda name: b"/" not in name and b"\0" not in name and name not in {b".", b".."}
)
TIME = st.integers(-(2**31) * 10**9, 2**33 * 10**9)
ENTRY = st.tuples(
    NAME,
    st.sampled_from(["file", "folder", "link", "hard link", "fifo", "hole"]),
    st.integers(0, 0o7777),
    TIME,
    st.binary(max_size=2000),
)


@given(st.lists(ENTRY, min_size=1, max_size=12, unique_by=lambda entry: entry[0]))
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_folder_comes_back(tmp_path_factory: pytest.TempPathFactory, entries: Any) -> None:
    folder = tmp_path_factory.mktemp("any")
    home, back = in_folder(folder / "home"), in_folder(folder / "back")
    for name, kind, mode, time, content in entries:
        made(home, os.fsdecode(name), kind, content)
        path = home / os.fsdecode(name)
        if not path.is_symlink():
            path.chmod(mode | (stat.S_IRWXU if os.geteuid() else 0))
        os.utime(path, ns=(time, time), follow_symlinks=False)
    unpacked(back, packed(home))
    assert odd_entries.look(back) == odd_entries.look(home)


def made(home: Path, name: str, kind: str, content: bytes) -> None:
    path = home / name
    files = [each for each in home.iterdir() if each.is_file()]
    if kind == "folder":
        path.mkdir()
        (path / "inner").write_bytes(content)
    elif kind == "link":
        path.symlink_to(os.fsdecode(content.replace(b"\0", b"")[:900] or b"x"))
    elif kind == "hard link" and files:
        path.hardlink_to(files[0])
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.write_bytes(content)
        if kind == "hole":
            os.truncate(path, len(content) + 100_000)


def test_a_database_is_taken_while_it_is_written_to(tmp_path: Path) -> None:
    """As the program that pods run: its source alone, over its standard streams."""
    file = tmp_path / "hub.sqlite"
    argv = [sys.executable, "-c", Path(tar_stream.__file__).read_text(encoding="utf-8")]
    with closing(sqlite3.connect(file, isolation_level=None)) as hub:
        hub.execute("pragma journal_mode=wal")
        hub.execute("create table users (name)")
        hub.execute("insert into users values ('ada')")
        hub.execute("begin immediate")
        hub.execute("insert into users values ('not yet')")
        taken = subprocess.run([*argv, "pack-database", str(file)], check=True, capture_output=True)
        hub.execute("commit")
    assert tar_stream.read_report(taken.stderr.decode()).entries == 1
    unpack = [*argv, "unpack-database", str(file)]
    with subprocess.Popen(unpack, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdin
        process.stdin.write(taken.stdout)
        process.stdin.flush()
        assert process.wait(30) == 0, "it knows the end without being told"
    assert not file.with_name("hub.sqlite-wal").exists()
    with closing(sqlite3.connect(file)) as back:
        assert back.execute("select name from users").fetchall() == [("ada",)]


def test_a_failure_in_a_container_is_one_line(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", Path(tar_stream.__file__).read_text(encoding="utf-8")]
    options = '{"size": 10, "sha256": ""}'
    for words, said in (
        (["pack", str(tmp_path / "none")], "TarError: tar: "),
        (["unpack", str(tmp_path), options], "TarError: "),
    ):
        done = subprocess.run([*argv, *words], input=b"junk", capture_output=True, check=False)
        assert done.returncode == 1
        assert done.stderr.decode().startswith(said)
        assert done.stderr.count(b"\n") == 1


def test_an_exact_restore_leaves_nothing_else(tmp_path: Path) -> None:
    home, back = in_folder(tmp_path / "home"), in_folder(tmp_path / "back")
    (home / "same").write_text("saved")
    (home / "project").symlink_to(tmp_path)
    (home / "folder").mkdir()
    (back / "same").write_text("changed since")
    (back / "folder" / "inner").mkdir(parents=True)
    (back / "folder" / "inner" / "new").write_text("made since")
    (back / "folder" / "inner").chmod(0o500)
    archive = packed(home)
    digest = hashlib.sha256(archive).hexdigest()
    give = io.BytesIO
    with pytest.raises(TarError, match="not what was written"):
        tar_stream.unpack(str(back), give(archive[:-1]), len(archive), digest, exact=True)
    assert (back / "same").read_text() == "changed since", "the old state stays until all is there"
    tar_stream.unpack(str(back), give(archive), len(archive), digest, exact=True, mount="project")
    assert sorted(str(each.relative_to(back)) for each in back.rglob("*")) == ["folder", "same"]
    assert (back / "same").read_text() == "saved"


def test_a_mount_of_another_mode_is_left_out_unless_it_has_files(tmp_path: Path) -> None:
    home = in_folder(tmp_path / "home")
    for name, files in (("empty", []), ("mine", ["a"])):
        back = in_folder(tmp_path / name)
        (home / "project").mkdir(exist_ok=True)
        for each in files:
            (home / "project" / each).write_text("mine")
        archive = packed(home)
        digest = hashlib.sha256(archive).hexdigest()
        tar_stream.unpack(str(back), io.BytesIO(archive), len(archive), digest, mount="project")
        assert (back / "project").exists() == bool(files)
